"""What is wrong with a data set is found, nothing is invented, and what is decided can be taken back."""

import shutil

import cv2
import numpy as np
import pytest

from core import data
from core.data.audit import apply, audit, undo
from core.data.prepare import prepare
from core.images import ImageSpec
from tests.helpers import encode, film, write_dicom, write_tree

SPEC = ImageSpec()
TREE = {
    "train/NORMAL": 100,
    "train/PNEUMONIA": 120,
    "val/NORMAL": 40,
    "val/PNEUMONIA": 48,
    "test/NORMAL": 30,
    "test/PNEUMONIA": 36,
}


def look(folder):
    return audit(prepare(data.load(str(folder)), SPEC))


def ids(found):
    return {finding.id for finding in found.findings}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("clean") / "films", TREE)


@pytest.fixture
def folder(clean, tmp_path):
    shutil.copytree(clean, tmp_path / "films")
    return tmp_path / "films"


def some(folder, part, number=0):
    return sorted((folder / part).iterdir())[number]


def test_nothing_is_invented_on_clean_phantoms(clean):
    assert audit(prepare(data.load("phantoms"), SPEC)).findings == ()
    assert look(clean).findings == ()


def test_a_film_copied_across_splits_is_found(folder):
    copy = folder / "test/PNEUMONIA/person9999_virus_1.jpeg"
    shutil.copy(some(folder, "train/PNEUMONIA"), copy)
    found = look(folder)
    assert ids(found) == {"exact-duplicates"}
    (group,) = found.finding("exact-duplicates").groups
    assert set(group.films) == {
        f"train/PNEUMONIA/{some(folder, 'train/PNEUMONIA').name}",
        "test/PNEUMONIA/person9999_virus_1.jpeg",
    }
    assert group.across_splits
    assert not group.across_labels
    assert found.finding("exact-duplicates").severity == "serious"
    # The published test part stays whole.
    assert found.finding("exact-duplicates").fix.films == (f"train/PNEUMONIA/{some(folder, 'train/PNEUMONIA').name}",)


def test_a_film_re_encoded_and_shrunk_is_found(folder):
    picture = cv2.imread(str(some(folder, "train/NORMAL")), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    content = cv2.imencode(".jpeg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    (folder / "val/NORMAL/IM-999999-0001.jpeg").write_bytes(content)
    found = look(folder)
    assert "near-duplicates" in ids(found)
    (group,) = found.finding("near-duplicates").groups
    assert "val/NORMAL/IM-999999-0001.jpeg" in group.films
    assert len(group.films) == 2
    assert group.across_splits


def test_a_film_under_both_classes_is_found_and_neither_copy_is_kept(folder):
    shutil.copy(some(folder, "train/NORMAL"), folder / "train/PNEUMONIA/person9998_virus_1.jpeg")
    finding = look(folder).finding("exact-duplicates")
    assert finding.groups[0].across_labels
    assert set(finding.fix.films) == set(finding.groups[0].films)


def test_a_patient_split_in_two_is_found(folder):
    patient = some(folder, "train/PNEUMONIA").name.split("_")[0]
    (folder / f"test/PNEUMONIA/{patient}_bacteria_77.jpeg").write_bytes(encode(film(555, "lobar"), ".jpeg"))
    found = look(folder)
    assert ids(found) == {"patients-across-splits"}
    (group,) = found.finding("patients-across-splits").groups
    assert len(group.films) == 2


def test_unreadable_blank_coloured_negative_and_misnamed_files_are_named(folder):
    train = folder / "train/NORMAL"
    (train / "IM-900001-0001.jpeg").write_bytes(b"no picture")
    (train / "IM-900002-0001.png").write_bytes(encode(np.full((224, 224), 90, np.uint8)))
    colour = np.dstack([film(1), np.roll(film(1), 60), film(2)])
    (train / "IM-900003-0001.png").write_bytes(encode(colour))
    (train / "IM-900004-0001.png").write_bytes(encode(255 - film(3)))
    (train / "IM-900005-0001.png").write_bytes(encode(film(4), ".jpeg"))
    (train / "IM-900006-0001.webp").write_bytes(encode(film(5), ".webp"))
    (train / "IM-900007-0001.tiff").write_bytes(encode(film(6), ".tiff"))
    found = look(folder)
    for id, name in (
        ("unreadable", "IM-900001-0001.jpeg"),
        ("blank", "IM-900002-0001.png"),
        ("coloured", "IM-900003-0001.png"),
        ("negative", "IM-900004-0001.png"),
        ("misnamed", "IM-900005-0001.png"),
    ):
        assert found.finding(id).films == (f"train/NORMAL/{name}",)


def test_a_size_that_gives_the_class_away_sounds_the_alarm(folder):
    for path in folder.glob("*/NORMAL/*"):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        path.write_bytes(encode(cv2.resize(picture, (300, 260)), ".jpeg"))
    found = look(folder)
    assert found.finding("shortcut-measure").severity == "serious"
    assert {"width", "height", "area"} <= {nuisance.name for nuisance in found.nuisances if nuisance.is_shortcut}
    assert "300 × 260" in found.finding("one-class-size").title


def test_colour_channels_in_one_class_only_sound_the_alarm(folder):
    for path in sorted((folder / "train/PNEUMONIA").iterdir())[:30]:
        path.write_bytes(encode(cv2.imread(str(path)), ".jpeg"))
    found = look(folder)
    assert ids(found) == {"one-class-colour"}
    assert len(found.finding("one-class-colour").films) == 30


def test_a_validation_part_too_small_to_tell_and_a_shifted_prevalence_are_found(tmp_path):
    films = {"train/NORMAL": 30, "train/PNEUMONIA": 150, "val/NORMAL": 8, "val/PNEUMONIA": 8}
    found = look(write_tree(tmp_path / "films", films))
    assert ids(found) == {"small-validation", "class-imbalance", "prevalence-shift"}
    assert "16 films" in found.finding("small-validation").title
    assert found.prevalence_p < 0.01


def test_a_fix_clears_its_finding_touches_no_file_and_can_be_undone(folder):
    shutil.copy(some(folder, "train/PNEUMONIA"), folder / "train/PNEUMONIA/person9999_virus_1.jpeg")
    before = {path: path.read_bytes() for path in folder.rglob("*.jpeg")}
    prepared = prepare(data.load(str(folder)), SPEC)
    finding = audit(prepared).finding("exact-duplicates")
    fixed = apply(prepared, finding.fix)
    assert audit(fixed).findings == ()
    assert audit(fixed).excluded == 1
    assert data.load(str(folder)).fixes == fixed.source.fixes
    assert {path: path.read_bytes() for path in folder.rglob("*.jpeg")} == before
    again = undo(fixed, fixed.source.fixes[0])
    assert ids(audit(again)) == {"exact-duplicates"}
    assert again.source.fixes == ()


def test_regrouping_forgets_the_official_parts_until_it_is_undone(folder):
    patient = some(folder, "train/PNEUMONIA").name.split("_")[0]
    (folder / f"test/PNEUMONIA/{patient}_bacteria_77.jpeg").write_bytes(encode(film(555, "lobar"), ".jpeg"))
    prepared = prepare(data.load(str(folder)), SPEC)
    fixed = apply(prepared, audit(prepared).finding("patients-across-splits").fix)
    assert set(fixed.table["split"]) == {""}
    assert audit(fixed).findings == ()
    assert set(undo(fixed, fixed.source.fixes[0]).table["split"]) == {"train", "val", "test"}


def test_a_copy_with_the_other_label_is_seen_through_a_near_copy(folder):
    original = some(folder, "train/NORMAL")
    shutil.copy(original, folder / "train/PNEUMONIA/person9998_virus_1.jpeg")
    picture = cv2.resize(cv2.imread(str(original), cv2.IMREAD_GRAYSCALE), (180, 180), interpolation=cv2.INTER_AREA)
    (folder / "test/NORMAL/IM-999999-0001.jpeg").write_bytes(encode(picture, ".jpeg"))
    finding = look(folder).finding("near-duplicates")
    (group,) = finding.groups
    assert len(group.films) == 3
    assert group.across_labels
    assert set(finding.fix.films) == set(group.films)


def test_chance_among_many_values_is_no_shortcut():
    from core.data.checks import shortcuts

    random = np.random.default_rng(0)

    class Drawn:
        def __init__(self, seed):
            self.random = np.random.default_rng(seed)
            self.labels = self.random.integers(0, 2, 5000)
            self.sizes = self.random.integers(0, 600, 5000)

        def __len__(self):
            return 5000

        def column(self, name):
            columns = {"label": self.labels, "width": self.sizes, "height": self.sizes, "id": np.arange(5000)}
            return columns.get(name, np.zeros(5000, int))

        def one_a_patient(self):
            return np.arange(5000)

    found = [list(shortcuts.one_class_only(Drawn(seed))) for seed in random.integers(0, 10_000, 20)]
    assert sum(map(bool, found)) <= 1


def test_one_patient_with_most_of_the_films_is_noticed(tmp_path):
    for label in ("NORMAL", "PNEUMONIA"):
        for number in range(20):
            write_dicom(
                tmp_path / label / f"{number}.dcm", film(number * 3, "lobar" * (label != "NORMAL")), "ANONYMOUS"
            )
    assert "crowded-patient" in ids(look(tmp_path))


def test_a_left_out_film_counts_nowhere(folder):
    from core.data.splits import LEFT_OUT, split

    prepared = prepare(data.load(str(folder)), SPEC)
    from core.data.manifest import Fix

    gone = prepared.table["id"][0]
    fixed = apply(prepared, Fix("exclude", (gone,), "a test"))
    assert split(fixed.table, 0.15, 0.15, 0)[0] == LEFT_OUT
    counted = fixed.films[np.flatnonzero((fixed.labels == 0) & ~np.asarray(fixed.table["excluded"]))]
    assert fixed.mean_films[0] == pytest.approx(counted.mean(axis=0), abs=0.51)


def test_the_share_that_a_random_split_would_leak_is_what_simulation_gives():
    from core.data.audit import _shared_if_random

    random = np.random.default_rng(0)
    patients = random.integers(0, 300, 800).astype(str)
    shares = []
    for _ in range(300):
        drawn = random.permutation(800) < 80
        shares.append(np.isin(patients[drawn], patients[~drawn]).mean())
    assert _shared_if_random(patients) == pytest.approx(np.mean(shares), abs=0.01)


def test_the_audit_of_chest_xray_says_what_is_known_of_it(real_films):
    found = look(real_films / "chest_xray")
    exact = found.finding("exact-duplicates")
    assert (len(exact.groups), len(exact.films)) == (24, 50)
    assert not any(group.across_labels for group in exact.groups)
    assert "16 films" in found.finding("small-validation").title
    assert found.shared_if_random == pytest.approx(0.42, abs=0.02)
    assert ids(found) <= {"exact-duplicates", "small-validation", "class-imbalance", "near-duplicates"}


def test_the_audit_of_the_originals_finds_the_shortcuts(real_films):
    found = look(real_films / "originals")
    colour = found.finding("one-class-colour")
    assert len(colour.films) == 15
    assert all("PNEUMONIA/" in film for film in colour.films)
    alarmed = {nuisance.name for nuisance in found.nuisances if nuisance.is_shortcut}
    assert {"width", "height", "area"} <= alarmed
    assert "shortcut-measure" in ids(found)


def test_pictures_that_are_no_chest_films_come_in_without_a_crash_and_most_are_named(real_films, tmp_path):
    root = tmp_path / "films"
    for name in ("NORMAL", "PNEUMONIA"):
        (root / name).mkdir(parents=True)
        for path in sorted((real_films / "chest_xray/train" / name).iterdir())[:300]:
            (root / name / path.name).symlink_to(path)
    strangers = [path for path in sorted((real_films / "ood").glob("*/*")) if path.is_file()]
    for number, path in enumerate(strangers):
        (root / "NORMAL" / f"IM-{number + 900000}-0001{path.suffix}").symlink_to(path)
    found = look(root)
    named = set()
    for id in ("unreadable", "coloured", "negative", "blank", "unlike"):
        if id in ids(found):
            named |= set(found.finding(id).films)
    assert sum("IM-9000" in film for film in named) >= len(strangers) / 3
    assert sum("IM-9000" not in film for film in named) == 0
