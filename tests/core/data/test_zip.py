"""Archives from strangers: used where they are sound, refused with the reason where not, kept nowhere then."""

import contextlib
import io
import struct
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import data
from core.data import zip_upload
from core.data.prepare import prepare
from core.errors import UserError
from core.images import ImageSpec
from tests.helpers import encode, film, write_dicom, write_zip

FILMS = {f"films/{name}/{number}.png": encode(film(number)) for name in ("NORMAL", "PNEUMONIA") for number in range(3)}


def packed(members) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    out.seek(0)
    return out


def refused(workspace, archive: bytes, says: str):
    with pytest.raises(UserError, match=says) as caught:
        zip_upload.receive(io.BytesIO(archive), "films.zip")
    assert caught.value.fix
    assert list((workspace / "uploads").iterdir()) == []


def test_an_uploaded_archive_of_class_folders_is_a_data_set(workspace):
    kept = zip_upload.receive(packed(FILMS), "My films (1).zip")
    prepared = prepare(data.load(str(kept)), ImageSpec(32))
    assert len(prepared.films) == 6
    assert prepared.table["id"][0] == "films/NORMAL/0.png"
    assert [path.name for path in (workspace / "uploads").iterdir()] == [kept.name]


def test_the_same_upload_twice_is_kept_once(workspace):
    upload = packed(FILMS).getvalue()  # packed once: an archive bears the time at which it was made
    assert zip_upload.receive(io.BytesIO(upload), "a.zip") == zip_upload.receive(io.BytesIO(upload), "a.zip")
    assert len(list((workspace / "uploads").iterdir())) == 1


def test_dicom_films_in_an_archive_are_read_and_grouped(tmp_path):
    members = {}
    for name in ("NORMAL", "PNEUMONIA"):
        for number in range(2):
            path = write_dicom(tmp_path / f"{name}{number}.dcm", film(number), f"{name}-patient")
            members[f"{name}/{number}.dcm"] = path.read_bytes()
    prepared = prepare(data.load(str(write_zip(tmp_path / "d.zip", members))), ImageSpec(32))
    assert prepared.unreadable == []
    assert len(set(prepared.table["patient"])) == 2


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "C:\\evil.png", "NORMAL/../../evil.png", "..\\evil"])
def test_a_path_that_leads_out_is_refused(workspace, name):
    refused(workspace, packed(FILMS | {name: b"x"}).getvalue(), "leads out of it")


def test_a_link_is_refused(workspace):
    archive = packed(FILMS)
    with zipfile.ZipFile(archive, "a") as out:
        link = zipfile.ZipInfo("films/NORMAL/link.png")
        link.external_attr = 0o120777 << 16
        out.writestr(link, "/etc/passwd")
    refused(workspace, archive.getvalue(), "a link")


def test_an_encrypted_member_is_refused(workspace):
    content = bytearray(packed(FILMS).getvalue())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= 1
    refused(workspace, bytes(content), "encrypted")


def test_a_nested_archive_is_refused(workspace):
    refused(workspace, packed(FILMS | {"more.zip": packed(FILMS).getvalue()}).getvalue(), "another archive")


def test_a_bomb_is_refused_before_it_is_unpacked(workspace):
    refused(workspace, packed(FILMS | {"films/NORMAL/b.png": bytes(50_000_000)}).getvalue(), "zip bomb")


def test_a_declared_size_beyond_the_limit_is_refused(workspace, monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_ZIP_GIGABYTES", "0.001")
    refused(workspace, packed({"films/NORMAL/b.png": bytes(2_000_000)}).getvalue(), "0.001 GB are allowed")


def test_too_many_files_are_refused_and_the_limit_can_be_set(workspace, monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_ZIP_FILES", "5")
    refused(workspace, packed(FILMS).getvalue(), "6 files; 5 are allowed")
    monkeypatch.setenv("PNEUMOSCOPE_ZIP_FILES", "many")
    refused(workspace, packed(FILMS).getvalue(), "PNEUMOSCOPE_ZIP_FILES is 'many'")


def test_a_member_that_lies_about_its_size_costs_no_more_than_it_declares(tmp_path):
    members = FILMS | {"films/NORMAL/lie.png": bytes(9_000_000)}
    content = bytearray(packed(members).getvalue())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    (tmp_path / "lie.zip").write_bytes(content)
    prepared = prepare(data.load(str(tmp_path / "lie.zip")), ImageSpec(32))
    assert [item["file"] for item in prepared.unreadable] == ["films/NORMAL/lie.png"]


def test_a_damaged_member_is_listed_and_the_rest_goes_on(tmp_path):
    content = bytearray(packed(FILMS).getvalue())
    content[content.index(b"PK\x03\x04", 10) + 200] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(content)
    prepared = prepare(data.load(str(tmp_path / "damaged.zip")), ImageSpec(32))
    assert len(prepared.films) == 5
    assert "damaged" in prepared.unreadable[0]["error"]


def test_a_name_that_occurs_twice_is_refused(workspace):
    archive = packed(FILMS)
    with zipfile.ZipFile(archive, "a") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr("films/NORMAL/0.png", b"x")
    refused(workspace, archive.getvalue(), "twice")


def test_folders_absurdly_deep_are_refused(workspace):
    refused(workspace, packed(FILMS | {"NORMAL/" + "a/" * 1500 + "x.png": b"x"}).getvalue(), "deep")


def test_backslashes_between_folders_are_read_as_what_they_mean(tmp_path):
    members = {name.replace("/", "\\"): content for name, content in FILMS.items()}
    assert len(data.load(str(write_zip(tmp_path / "windows.zip", members))).samples) == 6


def test_a_folder_for_each_of_many_patients_is_listed_at_once(tmp_path):
    names = [f"{name}/p{number}/film.png" for name in ("NORMAL", "PNEUMONIA") for number in range(4000)]
    begin = time.perf_counter()
    assert len(data.load(str(write_zip(tmp_path / "many.zip", dict.fromkeys(names, b"x")))).samples) == 8000
    # A walk that looks through all names for each folder takes minutes.
    assert time.perf_counter() - begin < 20


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"PK\x03\x04", packed({}).getvalue()],
    ids=["empty", "text", "cut short", "no members"],
)
def test_what_is_no_archive_of_films_is_explained(tmp_path, content):
    (tmp_path / "odd.zip").write_bytes(content)
    with pytest.raises(UserError) as caught:
        data.load(str(tmp_path / "odd.zip"))
    assert caught.value.fix


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12), st.floats(0.3, 1))
def test_a_fuzzed_archive_loads_or_raises_a_user_error(tmp_path, damages, kept):
    small = {f"{name}/{n}.png": encode(film(n)[:32, :32]) for name in ("NORMAL", "PNEUMONIA") for n in range(2)}
    content = bytearray(packed(small).getvalue())
    # Most of what is worth damaging lies in the headers at both ends.
    for place, value in damages:
        content[int(place * 60) if value % 2 else -1 - int(place * 300)] = value
    path = tmp_path / "fuzzed.zip"
    path.write_bytes(content[: int(len(content) * kept)] if kept < 0.5 else content)
    with contextlib.suppress(UserError):
        prepare(data.load(str(path)), ImageSpec(32))
