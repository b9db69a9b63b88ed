"""Sources that bring labels in a table or an archive of arrays."""

import numpy as np
import pytest

from core import data
from core.data import csv_table, manifest
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec
from tests.helpers import encode, film, write_dicom


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(8):
        (tmp_path / f"images/film{number}.png").write_bytes(encode(film(number)))
    return tmp_path


def write_table(folder, header, *rows, name="labels.csv"):
    (folder / name).write_text("\n".join([header, *rows]), encoding="utf-8")
    return folder / name


def test_columns_are_guessed_from_names_and_values(folder):
    rows = [f"film{n};{n % 2};Doe {n // 2};{'test' if n > 5 else 'train'};PA" for n in range(8)]
    table = write_table(folder, "Image Index;Target;Subject;Set;View Position", *rows)
    source = data.load(str(table))
    assert [sample.label for sample in source.samples] == [0, 1] * 4
    assert len({sample.patient for sample in source.samples}) == 4
    assert [sample.split for sample in source.samples] == ["train"] * 6 + ["test"] * 2
    assert {sample.view for sample in source.samples} == {"PA"}
    assert data.load(str(folder)).samples == source.samples


def test_patients_of_a_table_are_kept_as_salted_hashes_only(folder, workspace):
    table = write_table(folder, "file,label,patient", *(f"film{n}.png,{n % 2},Doe^Jane{n % 4}" for n in range(8)))
    prepare(data.load(str(table)), ImageSpec(32))
    kept = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert b"Jane" not in kept
    assert {patient[:2] for patient in prepare(data.load(str(table)), ImageSpec(32)).table["patient"]} == {"p-"}


def test_remembered_columns_and_values_win_over_the_guess(folder):
    rows = [f"film{n}.png,{n % 2},{('sick', 'well', 'unclear')[n % 3]}" for n in range(8)]
    table = write_table(folder, "file,noise,verdict", *rows)
    columns = csv_table.Columns("file", "verdict", normal=("well",), pneumonia=("sick",))
    manifest.remember(str(table), "mine", columns=columns.to_json())
    source = data.load("mine")
    assert len(source.samples) == 6
    assert [sample.label for sample in source.samples] == [1, 0, 1, 0, 1, 0]
    assert "2 rows of the table are left out: a verdict that is neither class." in source.notes


def test_several_rows_of_one_film_are_one_film_and_two_labels_are_none(folder):
    rows = ["film0,0", "film1,1", "film1,1", "film2,0", "film2,1", "nowhere,1", "film3,1"]
    source = data.load(str(write_table(folder, "patientId,Target", *rows)))
    assert [sample.id for sample in source.samples] == ["images/film0.png", "images/film1.png", "images/film3.png"]
    assert any("two labels" in note for note in source.notes)
    assert any("no file of that name" in note for note in source.notes)


def test_a_label_is_told_by_its_name_and_a_patient_by_nothing_less(folder):
    rows = [f"film{n},{n // 4},{n % 2},{n % 2},{30 + n}" for n in range(8)]
    source = data.load(str(write_table(folder, "file,sex,Finding Label,patient_sex,Patient Age", *rows)))
    assert [sample.label for sample in source.samples] == [0, 1] * 4
    assert len({sample.patient for sample in source.samples}) == 8


def test_two_columns_that_could_be_the_label_are_not_guessed_between(folder):
    rows = [f"film{n},{n // 4},{n % 2}" for n in range(8)]
    with pytest.raises(UserError, match="Several columns could be the label: a, b"):
        data.load(str(write_table(folder, "file,a,b", *rows)))


def test_a_part_that_is_not_known_leaves_its_films_out_and_says_so(folder):
    columns = csv_table.Columns("file", "label", split="part", normal=("0",), pneumonia=("1",))
    rows = [f"film{n},{n % 2},{'train' if n < 6 else 'holdout'}" for n in range(8)]
    table = write_table(folder, "file,label,part", *rows)
    manifest.remember(str(table), "mine", columns=columns.to_json())
    source = data.load("mine")
    assert len(source.samples) == 6
    assert any("other than train, val and test" in note for note in source.notes)


def test_a_film_in_two_parts_is_in_none(folder):
    rows = [f"film{n},{n % 2},train" for n in range(8)] + ["film0,0,test"]
    source = data.load(str(write_table(folder, "file,label,split", *rows)))
    assert len(source.samples) == 7
    assert any("two parts" in note for note in source.notes)


def test_columns_that_give_no_films_are_not_remembered(folder):
    table = write_table(folder, "file,label", "film0,a", "film1,b")
    columns = csv_table.Columns("label", "file", normal=("x",), pneumonia=("y",)).to_json()
    with pytest.raises(UserError):
        data.remember_table(table, "broken", columns)
    assert manifest.every() == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot be read as a table"),
        ("file\nfilm0.png", "two columns"),
        ("a,b\nx,y\n", "names files beside it"),
        ("file,label\nfilm0.png,cat\nfilm1.png,dog\n", "says plainly"),
        ("file,label\nfilm0.png,Normal\nfilm1.png,Pnemonia\n", "says plainly"),
        ("file,label\nfilm0.png,0\nnowhere.png,1\n", "one class only"),
    ],
    ids=["empty", "one column", "no files", "no labels", "typo", "one class"],
)
def test_a_table_that_will_not_do_is_explained(folder, content, says):
    (folder / "labels.csv").write_text(content)
    with pytest.raises(UserError, match=says) as caught:
        data.load(str(folder / "labels.csv"))
    assert caught.value.fix


def test_a_table_in_another_encoding_is_explained(folder):
    (folder / "labels.csv").write_bytes(b"file,label\nfilm\xff\xfe,0\n")
    with pytest.raises(UserError, match="cannot be read"):
        data.load(str(folder / "labels.csv"))


def test_a_table_cannot_reach_out_of_its_folder(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(encode(film()))
    rows = ["film0.png,0", "film1.png,1", f"{outside},1", f"../{outside.parent.name}/secret.png,0"]
    source = data.load(str(write_table(folder, "file,label", *rows)))
    assert len(source.samples) == 2


def test_dicom_films_with_a_table_group_by_the_header(folder):
    for number in range(4):
        write_dicom(folder / f"images/d{number}.dcm", film(number), f"patient{number // 2}")
    source = data.load(str(write_table(folder, "file,label", *(f"d{n}.dcm,{n % 2}" for n in range(4)))))
    assert len({sample.patient for sample in source.samples}) == 2


def test_medmnist_parts_labels_and_size_are_taken_over(tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for split, films in (("train", 8), ("val", 4), ("test", 4)):
        arrays[f"{split}_images"] = random.integers(0, 255, (films, 64, 64, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(films) % 2)[:, None]
    np.savez_compressed(tmp_path / "m.npz", **arrays)
    prepared = prepare(data.load(str(tmp_path / "m.npz")), ImageSpec(64))
    assert prepared.table["split"] == ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    assert prepared.table["label"] == [0, 1] * 8
    grey = arrays["train_images"][3] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(prepared.films[3] - grey).max() <= 1


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros(3)}, "holds no train_images"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8), "train_labels": np.zeros(3, int)}, "do not match"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8)}, "do not match"),
        ({"train_images": np.zeros((4, 28, 28)), "train_labels": np.arange(4) % 2}, "float64"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8), "train_labels": np.arange(4)}, "not 0 and 1 only"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8), "train_labels": np.zeros(4, int)}, "one class only"),
        ({"train_images": np.zeros((), np.uint8), "train_labels": np.zeros((), int)}, "do not match"),
        ({"train_images": np.zeros((4, 0, 0), np.uint8), "train_labels": np.arange(4) % 2}, "shape"),
        ({"train_images": np.zeros((4, 28, 28), np.uint8), "train_labels": np.zeros(4, "i4,i4")}, "not 0 and 1 only"),
        ({"train_images": np.array([{}], dtype=object), "train_labels": np.zeros(1, int)}, "no readable"),
    ],
    ids=[
        "other arrays",
        "lengths",
        "no labels",
        "floats",
        "classes",
        "one class",
        "scalars",
        "no pixels",
        "structured",
        "pickle",
    ],
)
def test_an_npz_that_is_no_binary_medmnist_is_explained(tmp_path, arrays, says):
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(UserError, match=says):
        data.load(str(tmp_path / "m.npz"))


def test_text_called_npz_is_explained(tmp_path):
    (tmp_path / "m.npz").write_text("no archive")
    with pytest.raises(UserError, match="no readable"):
        data.load(str(tmp_path / "m.npz"))
