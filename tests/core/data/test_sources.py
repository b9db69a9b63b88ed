"""Every registered source keeps the contract; the folder tree is read as it is."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from core import data
from core.data import SOURCES, kaggle_hub, phantoms
from core.data.identity import patient_of
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec, standardise
from tests.helpers import encode, film, write_dicom, write_tree, write_zip

TREE = {
    "train/NORMAL": 3,
    "train/PNEUMONIA": 3,
    "val/NORMAL": 1,
    "val/PNEUMONIA": 1,
    "test/NORMAL": 2,
    "test/PNEUMONIA": 2,
}


def make_source(kind: str, place: Path) -> str:
    """Writes a small data set of the kind and returns its key."""
    films = {f"{name}/{number}.png": encode(film(number)) for name in ("NORMAL", "PNEUMONIA") for number in range(3)}
    if kind == "phantoms":
        return "phantoms:20"
    if kind == "kaggle_folder":
        return str(write_tree(place / "films", TREE))
    if kind == "class_folders":
        return str(write_tree(place / "films", {"NORMAL": 3, "PNEUMONIA": 3}))
    if kind == "kaggle_hub":
        write_tree(kaggle_hub.folder_of("kaggle:someone/films") / "chest_xray", TREE)
        return "kaggle:someone/films"
    if kind == "npz":
        pictures = np.array([cv2.resize(film(number), (28, 28)) for number in range(6)])
        labels = np.array([[0], [1]] * 3, np.uint8)
        np.savez(place / "films.npz", train_images=pictures, train_labels=labels)
        return str(place / "films.npz")
    if kind == "zip_upload":
        return str(write_zip(place / "films.zip", films))
    if kind == "csv_table":
        rows = [f"{number}.png,{('Normal', 'Pneumonia')[number % 2]}" for number in range(6)]
        (place / "table").mkdir()
        (place / "table/films.csv").write_text("\n".join(["image,finding", *rows]))
        for number in range(6):
            (place / f"table/{number}.png").write_bytes(encode(film(number)))
        return str(place / "table/films.csv")
    if kind == "dicom_folder":
        for name in ("NORMAL", "PNEUMONIA"):
            for number in range(3):
                write_dicom(place / "films" / name / f"{number}.dcm", film(number), f"{name}{number}")
        return str(place / "films")
    raise AssertionError(f"no sample of {kind}: add one here")


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    found = data.load(make_source(request.param, tmp_path))
    assert found.source == request.param
    return found


def test_a_source_hands_on_readable_films_of_both_classes(source):
    assert {sample.label for sample in source.samples} == {0, 1}
    assert len({sample.id for sample in source.samples}) == len(source.samples)
    assert all(sample.patient and sample.stamp for sample in source.samples)
    assert standardise(source.read(source.samples[0]), ImageSpec(32)).shape == (32, 32)


def test_loading_twice_gives_the_same(source):
    again = data.load(source.key)
    assert again.samples == source.samples
    assert again.read(again.samples[-1]) == source.read(source.samples[-1])


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("person1_bacteria_2", ("bacteria:1", "bacteria")),
        ("person1_virus_6", ("virus:1", "virus")),
        ("IM-0115-0001", ("IM-0115", "")),
        ("IM-0543-0001-0002", ("IM-0543", "")),
        ("NORMAL2-IM-0030-0001", ("NORMAL2-IM-0030", "")),
        ("holiday", ("", "")),
    ],
)
def test_the_patient_is_in_the_name(stem, expected):
    assert patient_of(stem) == expected


def test_the_tree_keeps_its_official_parts(tmp_path):
    samples = data.load(str(write_tree(tmp_path / "films", TREE))).samples
    assert sorted({sample.split for sample in samples}) == ["test", "train", "val"]
    assert sum(sample.split == "test" for sample in samples) == 4


def test_other_words_for_the_parts_are_understood_and_no_folder_is_lost(tmp_path):
    films = {"Train/NORMAL": 3, "train/NORMAL": 2, "train/PNEUMONIA": 4, "valid/NORMAL": 2, "validation/PNEUMONIA": 2}
    samples = data.load(str(write_tree(tmp_path / "films", films))).samples
    assert [sum(sample.split == split for sample in samples) for split in ("train", "val")] == [9, 4]


def test_bare_class_folders_in_any_case_and_a_folder_around_them_are_found(tmp_path):
    write_tree(tmp_path / "archive/chest_xray", {"normal": 2, "Pneumonia": 2})
    (tmp_path / "archive/__MACOSX/normal").mkdir(parents=True)
    (tmp_path / "archive/chest_xray/normal/.DS_Store").write_bytes(b"")
    assert [sample.label for sample in data.load(str(tmp_path / "archive")).samples].count(1) == 2


def test_films_without_a_patient_number_are_patients_of_their_own_and_that_is_said(tmp_path):
    for folder in ("NORMAL", "PNEUMONIA"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(encode(film()))
    source = data.load(str(tmp_path))
    assert len({sample.patient for sample in source.samples}) == 2
    assert "no patient number" in source.notes[0]


@pytest.mark.parametrize(
    ("films", "says"),
    [
        ({}, "is empty"),
        ({"NORMAL": 2}, "one class only"),
        ({"NORMAL": 0, "PNEUMONIA": 0}, "no films"),
        ({"NORMAL": 1, "PNEUMONIA": 1, "COVID": 1}, "3 class folders: COVID, NORMAL, PNEUMONIA"),
        ({"cats": 1, "dogs": 1}, "no folders NORMAL and PNEUMONIA"),
    ],
    ids=["empty", "one class", "no films", "three classes", "other names"],
)
def test_a_folder_of_another_layout_is_refused_with_the_layout_wanted(tmp_path, films, says):
    root = tmp_path / "films"
    root.mkdir()
    write_tree(root, films)
    with pytest.raises(UserError, match=says) as caught:
        data.load(str(root))
    assert caught.value.fix


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/nowhere/at/all",
        "~nobody-of-that-name/x",
        "x" * 400,
        "\0",
        "phantoms:3",
        "phantoms:many",
        "phantoms:" + "9" * 5000,
    ],
)
def test_a_key_that_names_nothing_is_refused(key):
    with pytest.raises(UserError):
        data.load(key)


def test_mean_and_deviation_of_the_pixels_do_not_give_a_phantom_away():
    prepared = prepare(data.load("phantoms"), ImageSpec(75))
    features = np.array([(film.mean(), film.std()) for film in prepared.films])
    first = np.arange(len(features)) < len(features) // 2
    model = LogisticRegression().fit(features[first], prepared.labels[first])
    auc = roc_auc_score(prepared.labels[~first], model.predict_proba(features[~first])[:, 1])
    assert max(auc, 1 - auc) <= 0.65


def test_phantoms_of_one_patient_share_anatomy_but_are_not_copies():
    samples = [sample for sample in phantoms.load("phantoms:30").samples if sample.patient.endswith("00001")]
    films = [phantoms._read(sample) for sample in samples]
    assert len(films) >= 1
    assert len(set(films)) == len(films)
