import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.splits import LEFT_OUT, by_patient, check_trainable, split, split_as, split_in_blocks
from core.errors import UserError
from core.settings import TrainSettings


def table(patients, labels, splits=None, subtypes=None):
    return {
        "patient": list(patients),
        "label": list(labels),
        "split": splits or [""] * len(patients),
        "subtype": subtypes or [""] * len(patients),
    }


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(5, 120), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_no_patient_is_ever_in_two_parts(seed, patients, validation, test):
    random = np.random.default_rng(seed)
    owner = random.integers(0, patients, 300)
    films = table([f"p{o}" for o in owner], random.integers(0, 2, 300).tolist())
    parts = split(films, validation, test, seed)
    for patient in set(films["patient"]):
        assert len(set(parts[np.array(films["patient"]) == patient])) == 1


def test_parts_have_the_wanted_share_of_every_class_and_subtype():
    random = np.random.default_rng(0)
    owner = np.sort(random.integers(0, 900, 3000))
    labels = (owner % 4 > 0).astype(int)
    subtypes = [["", "bacteria", "virus", "bacteria"][o % 4] for o in owner]
    parts = split(table([f"p{o}" for o in owner], labels, subtypes=subtypes), 0.2, 0.1, 7)
    for subtype in ("", "bacteria", "virus"):
        chosen = parts[np.array(subtypes) == subtype]
        assert np.mean(chosen == "validation") == pytest.approx(0.2, abs=0.01)
        assert np.mean(chosen == "test") == pytest.approx(0.1, abs=0.01)


def test_a_seed_repeats_its_split_and_another_gives_another():
    films = table([f"p{i}" for i in range(200)], [0, 1] * 100)
    assert (split(films, 0.2, 0.2, 1) == split(films, 0.2, 0.2, 1)).all()
    assert (split(films, 0.2, 0.2, 1) != split(films, 0.2, 0.2, 2)).any()


def test_an_official_test_part_is_kept_apart_and_train_and_val_are_pooled():
    official = ["train"] * 80 + ["val"] * 4 + ["test"] * 30
    films = table([f"p{i}" for i in range(114)], [0, 1] * 57, official)
    parts = split(films, 0.25, 0.3, 0)
    assert (parts[84:] == "test").all()
    assert not (parts[:84] == "test").any()
    assert (parts == "validation").sum() == pytest.approx(21, abs=1)


def test_a_patient_of_the_official_test_part_is_left_out_of_training():
    films = table(
        ["a", "a", "b", "c", "d", "e"], [0, 0, 0, 1, 1, 1], ["test", "train", "train", "train", "train", "test"]
    )
    parts = split(films, 0.2, 0.2, 0)
    assert parts[0] == "test"
    assert parts[1] == LEFT_OUT


def test_films_that_come_later_move_nobody():
    names = [f"p{i}" for i in range(100)]
    before = split(table(names, [0, 1] * 50), 0.2, 0.2, 0)
    recorded = dict(zip(names, before, strict=True))
    after = split(table(["new1", "new2", *names, "p0"], [0, 1, *[0, 1] * 50, 0]), 0.2, 0.2, 0, recorded)
    assert (after[2:102] == before).all()
    assert after[102] == before[0]


def test_a_patient_once_trained_on_never_becomes_a_test_patient():
    names = [f"p{i}" for i in range(60)]
    free = table(names, [0, 1] * 30)
    first = split(free, 0.2, 0.2, 0)
    recorded = by_patient(free, first)
    official = table(names, [0, 1] * 30, ["train"] * 30 + ["test"] * 30)
    second = split(official, 0.2, 0.2, 0, recorded)
    assert not ((first == "train") & (second == "test")).any()
    assert (second[30:][first[30:] == "test"] == "test").all()
    assert set(second[:30][first[:30] == "test"]) <= {LEFT_OUT}


@pytest.mark.parametrize("films_of_patient", [[1, 1, 1, 97], [1] * 10 + [300]])
def test_every_part_gets_a_patient_however_uneven_they_are(films_of_patient):
    patients = [f"p{i}" for i, films in enumerate(films_of_patient) for _ in range(films)]
    for seed in range(30):
        parts = split(table(patients, [0] * len(patients)), 0.15, 0.15, seed)
        assert set(parts) == {"train", "validation", "test"}


def test_an_excluded_film_is_left_out_and_says_nothing_of_its_patient():
    films = table(["a", "a", *[f"p{i}" for i in range(40)]], [0] * 42)
    films["excluded"] = [True] + [False] * 41
    parts = split(films, 0.2, 0.2, 0)
    assert parts[0] == LEFT_OUT
    assert by_patient(films, parts)["a"] == parts[1]


@pytest.mark.parametrize(("patients", "labels"), [(["a", "b", "c"], [0, 1, 1]), (["a"] * 6, [0, 0, 0, 1, 1, 1])])
def test_too_few_patients_to_share_out_is_a_user_error(patients, labels):
    films = table(patients, labels)
    with pytest.raises(UserError, match="part holds no"):
        check_trainable(split(films, 0.2, 0.2, 0), np.array(labels))


def numbered():
    """Two series of normal films and one of ill ones, patients with several films among them."""
    names = [f"IM-{n:04d}" for n in range(40, 60)] + [f"NORMAL2-IM-{n:04d}" for n in range(900, 930)]
    names += [f"bacteria:{n}" for n in (5, 5, 5, 12, 100, 7, 7, 30, 31, 32, 33, 34, 200, 201, 9, 10)]
    return table(names, [0] * 50 + [1] * 16)


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_blocks_hold_neighbouring_numbers_and_together_every_film_once(folds):
    films = numbered()
    patients = np.array(films["patient"])
    parts = [split_in_blocks(films, folds, fold) for fold in range(1, folds + 1)]
    validation = np.stack([part == "validation" for part in parts])
    assert (validation.sum(axis=0) == 1).all()
    assert {name for part in parts for name in part} == {"train", "validation"}
    for patient in set(patients):
        assert (validation[:, patients == patient].sum(axis=1) > 0).sum() == 1
    for series in ("IM", "NORMAL2-IM", "bacteria:"):
        mine = np.flatnonzero([name.startswith(series) for name in patients])
        numbers = np.array([int(name.replace(":", "-").split("-")[-1]) for name in patients[mine]])
        blocks = validation[:, mine].argmax(axis=0)
        for block in range(folds - 1):
            assert numbers[blocks == block].max() < numbers[blocks > block].min()
        assert np.bincount(blocks, minlength=folds) == pytest.approx(len(mine) / folds, abs=2)


def test_blocks_leave_the_official_test_part_and_what_was_recorded():
    films = numbered()
    films["split"] = ["test"] * 4 + ["train"] * 62
    recorded = {"NORMAL2-IM-0900": "train"}
    parts = split_in_blocks(films, 2, 1, recorded)
    assert (parts[:4] == "test").all()
    assert parts[20] == "train"
    assert parts[21] == "validation"
    assert (split_as(films, TrainSettings(folds=2, fold=1), recorded) == parts).all()
    assert (split_as(films, TrainSettings(seed=3)) == split(films, 0.15, 0.15, 3)).all()
