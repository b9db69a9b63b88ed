import io
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import data
from core.data import identity, kaggle_hub, manifest, zip_upload
from core.data.audit import apply
from core.data.manifest import Fix
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec
from tests.helpers import encode, film, write_dicom, write_tree, write_zip


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path / "films", {"NORMAL": 4, "PNEUMONIA": 5})


def test_a_data_set_is_found_by_its_name_and_by_its_key(folder):
    manifest.remember(str(folder), "children", licence="CC0")
    assert data.load("children").key == str(folder)
    assert data.load(str(folder)).name == "children"
    assert data.load("children").licence == "CC0"


def test_two_data_sets_cannot_bear_one_name(folder, tmp_path):
    other = write_tree(tmp_path / "other", {"NORMAL": 1, "PNEUMONIA": 1})
    manifest.remember(str(folder), "children")
    with pytest.raises(UserError, match="already"):
        manifest.remember(str(other), "children")
    assert manifest.remember(str(tmp_path / "deeper" / "children")).name == "children 2"


def test_a_set_that_is_forgotten_keeps_its_films(folder):
    manifest.remember(str(folder), "children")
    manifest.forget(str(folder))
    assert manifest.every() == []
    assert len(data.load(str(folder)).samples) == 9
    with pytest.raises(UserError):
        manifest.forget(str(folder))


def test_what_was_decoded_and_uploaded_goes_with_the_data_set(folder, workspace):
    films = {f"{name}/{n}.png": encode(film(n)) for name in ("NORMAL", "PNEUMONIA") for n in range(2)}
    kept = zip_upload.receive(io.BytesIO(write_zip(workspace.parent / "up.zip", films).read_bytes()), "up.zip")
    for key in (str(folder), str(kept)):
        prepare(data.load(key), ImageSpec(32))
        prepare(data.load(key), ImageSpec(48))
        manifest.remember(key)
        data.forget(key)
    assert list((workspace / "prepared").glob("*/")) == []
    assert not kept.exists()
    assert len(list(folder.rglob("*.jpeg"))) == 9


def test_an_earlier_state_of_the_films_is_not_kept(folder, workspace):
    prepare(data.load(str(folder)), ImageSpec(32))
    other = prepare(data.load(str(folder)), ImageSpec(48))
    os.utime(next((folder / "NORMAL").iterdir()), ns=(1, 1))
    again = prepare(data.load(str(folder)), ImageSpec(32))
    assert {path for path in (workspace / "prepared").iterdir() if path.is_dir()} == {other.folder, again.folder}


def test_no_fix_is_lost_when_many_are_made_at_once(folder):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: manifest.add_fix(str(folder), Fix("exclude", (f"{n}.png",))), range(24)))
    assert {fix.films[0] for fix in manifest.find(str(folder)).fixes} == {f"{n}.png" for n in range(24)}


def test_a_fix_is_undone_once_and_no_other_in_its_place(folder):
    first = manifest.add_fix(str(folder), Fix("exclude", ("a",))).fixes[0]
    second = manifest.add_fix(str(folder), Fix("exclude", ("b",))).fixes[1]
    manifest.undo_fix(str(folder), first)
    with pytest.raises(UserError, match="taken back already"):
        manifest.undo_fix(str(folder), first)
    assert manifest.find(str(folder)).fixes == (second,)


@pytest.mark.parametrize("name", ["phantoms", "phantoms:20", "kaggle:a/b", "/some/path", "a/b", "two\nlines", "x" * 61])
def test_a_name_that_looks_like_a_key_is_refused(folder, name):
    with pytest.raises(UserError, match="no name"):
        manifest.remember(str(folder), name)


def test_a_folder_called_phantoms_does_not_hide_the_phantoms(tmp_path):
    root = write_tree(tmp_path / "phantoms", {"NORMAL": 2, "PNEUMONIA": 2})
    assert manifest.remember(str(root)).name == "my phantoms"
    assert data.load("phantoms").synthetic


def test_a_fix_that_would_empty_a_class_is_refused(folder):
    prepared = prepare(data.load(str(folder)), ImageSpec(32))
    normal = [film for film in prepared.table["id"] if film.startswith("NORMAL")]
    with pytest.raises(UserError, match="no NORMAL film"):
        apply(prepared, Fix("exclude", tuple(normal)))
    assert data.load(str(folder)).fixes == ()


@pytest.mark.parametrize("damage", ["", "[]", '{"key": 1}', '{"key": "a", "name": "b", "fixes": [{"films": 3}]}'])
def test_a_damaged_manifest_is_passed_over(folder, workspace, damage):
    manifest.remember(str(folder), "children")
    (path,) = (workspace / "data_sets").glob("*.json")
    path.write_text(damage)
    assert manifest.every() == []
    assert len(data.load(str(folder)).samples) == 9


def test_the_card_lies_with_the_prepared_set_and_follows_the_fixes(folder):
    prepared = prepare(data.load(str(folder)), ImageSpec(32))
    card = json.loads((prepared.folder / "dataset.json").read_text())
    assert card["exclusions"] == []
    assert sum(card["films"].values()) == 9
    assert card["patients"] == 9
    assert str(folder) not in json.dumps(card)
    apply(prepared, Fix("exclude", (prepared.table["id"][0],), "a test"))
    card = json.loads((prepared.folder / "dataset.json").read_text())
    assert card["exclusions"][0]["films"] == 1
    assert prepared.table["id"][0] not in json.dumps(card)
    assert card["films"]["left out"] == 1
    assert "a test" in (prepared.folder / "dataset.md").read_text()


def test_the_hash_of_all_films_changes_with_one_of_them(folder):
    def hash_of_all():
        prepared = prepare(data.load(str(folder)), ImageSpec(32))
        return json.loads((prepared.folder / "dataset.json").read_text())["sha256"]["films"]

    before = hash_of_all()
    path = next((folder / "NORMAL").iterdir())
    os.utime(path, ns=(1, 1))
    assert hash_of_all() == before
    path.write_bytes(path.read_bytes() + b"\0")
    assert hash_of_all() != before


def test_a_patient_of_dicom_films_is_a_salted_hash_and_the_identity_is_nowhere(tmp_path, workspace):
    for name in ("NORMAL", "PNEUMONIA"):
        for number in range(4):
            write_dicom(tmp_path / f"films/{name}/{number}.dcm", film(number), f"{name}-4711-{number // 2}")
    source = data.load(str(tmp_path / "films"))
    assert source.source == "dicom_folder"
    assert len({sample.patient for sample in source.samples}) == 4
    assert {sample.view for sample in source.samples} == {"PA"}
    prepare(source, ImageSpec(32))
    kept = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert b"4711" not in kept
    assert b"Doe" not in kept


def test_the_salt_is_the_workspaces_own_and_private(workspace, tmp_path, monkeypatch):
    first = identity.pseudonym("4711")
    assert first == identity.pseudonym(" 4711 ")
    assert stat.S_IMODE((workspace / "salt").stat().st_mode) == 0o600
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "elsewhere"))
    assert identity.pseudonym("4711") != first


def test_headers_are_forgotten_with_their_data_set(tmp_path, workspace):
    for name in ("NORMAL", "PNEUMONIA"):
        write_dicom(tmp_path / f"films/{name}/a.dcm", film(), name)
    key = data.load(str(tmp_path / "films")).key
    manifest.remember(key)
    assert list((workspace / "headers").iterdir())
    data.forget(key)
    assert list((workspace / "headers").iterdir()) == []


def test_many_first_users_get_one_salt():
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: identity.pseudonym("4711"), range(40)))) == 1


def test_headers_are_read_once(tmp_path, monkeypatch):
    for name in ("NORMAL", "PNEUMONIA"):
        write_dicom(tmp_path / f"films/{name}/a.dcm", film(), name)
    first = data.load(str(tmp_path / "films"))
    monkeypatch.setattr(identity, "_read_header", None)
    assert data.load(str(tmp_path / "films")).samples == first.samples


def test_kaggle_out_of_reach_is_said_plainly(workspace):
    with pytest.raises(UserError, match="not on this machine") as caught:
        data.load(kaggle_hub.CHEST_XRAY)
    assert "make data" in caught.value.fix


@pytest.mark.parametrize("key", ["kaggle:", "kaggle:one", "kaggle:../../etc/passwd", "kaggle:a/b/c"])
def test_a_name_that_kaggle_cannot_have_is_refused(key):
    with pytest.raises(UserError, match="names no data set"):
        data.load(key)


def test_errors_of_kaggle_become_words(monkeypatch):
    import kagglehub
    import requests
    from kagglehub import exceptions

    def answer(error):
        def download(handle, output_dir):
            raise error

        monkeypatch.setattr(kagglehub, "dataset_download", download)
        with pytest.raises(UserError) as caught:
            kaggle_hub.download("kaggle:someone/films")
        return caught.value

    def status(code):
        response = requests.Response()
        response.status_code = code
        return exceptions.KaggleApiHTTPError("no", response=response)

    assert "cannot be reached" in answer(requests.ConnectionError("offline")).what
    assert "token" in answer(status(403)).fix
    assert "no data set" in answer(status(404)).what
    assert "503" in answer(status(503)).what
    assert "damaged" in answer(exceptions.DataCorruptionError("x")).what
    assert "cannot be written" in answer(OSError(28, "No space left on device")).what
    assert not kaggle_hub.is_downloaded("kaggle:someone/films")


def test_a_download_appears_only_when_it_is_whole(monkeypatch):
    import kagglehub

    def download(handle, output_dir):
        write_tree(kaggle_hub.Path(output_dir) / "chest_xray", {"NORMAL": 2, "PNEUMONIA": 2})
        assert not kaggle_hub.is_downloaded("kaggle:someone/films")

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    kaggle_hub.download("kaggle:someone/films")
    assert len(data.load("kaggle:someone/films").samples) == 4
