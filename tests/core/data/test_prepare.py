import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from core import data
from core.data import prepare as preparing
from core.data.prepare import find, prepare
from core.errors import UserError
from core.images import ImageSpec, standardise
from tests.conftest import PROJECT
from tests.helpers import encode, film, write_tree

SPEC = ImageSpec(48)


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path / "films", {"NORMAL": 4, "PNEUMONIA": 5})


def test_prepare_and_predictor_see_identical_bytes(with_run):
    """Both go through `standardise`: what the network was trained on is what it is asked about."""
    from core.prediction import Predictor

    source = data.load("phantoms:20")
    predictor = Predictor.load(with_run.name)
    prepared = prepare(source, predictor.spec)
    for row, sample in enumerate(source.samples):
        assert prepared.films[row].tobytes() == predictor.predict(source.read(sample)).film.tobytes()


def test_rows_of_the_memory_map_match_the_table(folder):
    source = data.load(str(folder))
    prepared = prepare(source, SPEC)
    assert prepared.films.shape == (9, 48, 48)
    assert prepared.films.dtype == np.uint8
    for row, sample in enumerate(source.samples):
        assert prepared.table["id"][row] == sample.id
        assert prepared.labels[row] == sample.label
        assert np.array_equal(prepared.films[row], standardise(source.read(sample), SPEC))
        assert np.array_equal(prepared.film(row), prepared.films[row])
    assert prepared.mean_films[1] == pytest.approx(prepared.films[prepared.labels == 1].mean(axis=0), abs=0.51)
    assert prepared.histograms.sum(axis=1) == pytest.approx([1, 1])


def test_a_second_prepare_decodes_nothing(folder, monkeypatch):
    first = prepare(data.load(str(folder)), SPEC)
    monkeypatch.setattr(preparing.images, "standardise", None)
    again = prepare(data.load(str(folder)), SPEC)
    assert np.array_equal(first.films, again.films)


@pytest.mark.parametrize("change", ["touched", "replaced", "added", "other size"])
def test_a_changed_film_or_spec_is_prepared_anew(folder, change):
    prepare(data.load(str(folder)), SPEC)
    spec, path = SPEC, next((folder / "NORMAL").iterdir())
    if change == "touched":
        os.utime(path, ns=(1, 1))
    elif change == "replaced":
        path.write_bytes(encode(film(99), ".jpeg"))
    elif change == "added":
        (folder / "NORMAL/IM-9999-0001.jpeg").write_bytes(encode(film(98), ".jpeg"))
    else:
        spec = ImageSpec(49)
    assert find(data.load(str(folder)), spec) is None
    assert len(prepare(data.load(str(folder)), spec).films) == 9 + (change == "added")


def test_unreadable_films_are_listed_with_their_reason_and_skipped(folder):
    bad = {
        "text.jpeg": b"no picture",
        "half.jpeg": encode(film(), ".jpeg")[:2000],
        "empty.png": b"",
        "dot.png": encode(np.zeros((1, 1), np.uint8)),
        "huge.png": encode(np.zeros((20_000, 20_000), np.uint8)),
    }
    for name, content in bad.items():
        (folder / "NORMAL" / name).write_bytes(content)
    prepared = prepare(data.load(str(folder)), SPEC)
    assert len(prepared.films) == 9
    assert {item["file"] for item in prepared.unreadable} == {f"NORMAL/{name}" for name in bad}
    assert all(item["error"] and item["fix"] for item in prepared.unreadable)


def test_a_film_that_vanishes_while_preparing_is_listed(folder):
    source = data.load(str(folder))
    source.samples[0].place.unlink()
    assert [item["file"] for item in prepare(source, SPEC).unreadable] == [source.samples[0].id]


def test_odd_names_are_no_obstacle(folder):
    for name in ("Röntgen 肺 🫁.jpeg", "x" * 250 + ".png"):
        (folder / "NORMAL" / name).write_bytes(encode(film(5), name[-5:] if name.endswith("jpeg") else ".png"))
    broken = os.fsencode(folder / "NORMAL") + b"/\xff\xfe.png"
    with open(broken, "wb") as file:  # noqa: PTH123 - the name is no text
        file.write(encode(film(6)))
    prepared = prepare(data.load(str(folder)), SPEC)
    assert len(prepared.films) == 12
    assert all(name.encode("utf-8") for name in prepared.table["id"])


def test_a_class_with_no_readable_film_is_an_error_that_names_one(folder):
    for path in (folder / "NORMAL").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="No NORMAL film"):
        prepare(data.load(str(folder)), SPEC)
    assert find(data.load(str(folder)), SPEC) is None


def test_an_interrupted_prepare_leaves_nothing_half_valid(folder):
    source = data.load(str(folder))

    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, SPEC, interrupt)
    assert find(source, SPEC) is None
    assert len(prepare(source, SPEC).films) == 9


def test_a_killed_prepare_leaves_nothing_half_valid(folder):
    script = (
        "import os, sys; from core import data; from core.images import ImageSpec\n"
        "from core.data.prepare import prepare\n"
        "prepare(data.load(sys.argv[1]), ImageSpec(48), lambda done, total: done == 5 and os.kill(os.getpid(), 9))"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=PROJECT, check=False)
    assert killed.returncode == -9
    source = data.load(str(folder))
    assert find(source, SPEC) is None
    assert len(prepare(source, SPEC).films) == 9


def test_a_full_disk_is_said_plainly_and_leaves_nothing(folder, workspace):
    """A limit on file size makes a write fail half-way, as a full disk does."""
    ran = subprocess.run(
        [sys.executable, "-m", "core.cli", "prepare", "--data", str(folder), "--image-size", "64"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert ran.returncode == 2
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [path.suffix for path in (workspace / "prepared").iterdir()] in ([], [".lock"])


def test_a_workspace_that_cannot_be_written_is_said_plainly(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "file" / "workspace"))
    with pytest.raises(UserError, match="cannot be written") as caught:
        prepare(data.load(str(folder)), SPEC)
    assert "PNEUMOSCOPE_WORKSPACE" in caught.value.fix
