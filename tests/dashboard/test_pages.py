"""Every page through the entrypoint, without a browser."""

import io
import shutil
import sys
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from core import data, model_store, runs
from core.data import manifest
from core.data import prepare as preparing
from core.data.phantoms import load
from core.images import ImageSpec
from dashboard.app_pages import PAGES
from tests.conftest import PROJECT
from tests.dashboard.opened import open_page, press, texts
from tests.helpers import encode, film, wait_for, write_tree

NOTICE = "Research demonstration, not a medical device."


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_in_an_empty_workspace_with_the_notice_in_sight(name):
    app = open_page(name)
    assert not app.exception
    assert app.title[0].value == PAGES[name].title
    assert NOTICE in texts(app)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_with_a_finished_run_and_a_model(with_run, name):
    model_store.promote(with_run.name, "shown")
    preparing.prepare(load("phantoms:60"), ImageSpec())
    app = open_page(name)
    app.session_state["data"] = "phantoms:60"
    app.run()
    assert not app.exception
    assert not app.error
    assert NOTICE in texts(app)


def test_the_data_set_page_counts_films_and_says_synthetic():
    prepared = preparing.prepare(load("phantoms"), ImageSpec())
    app = open_page("dataset")
    assert not app.exception
    counts = app.dataframe[0].value
    assert counts["Films"].sum() == len(prepared.films)
    assert set(counts["Part"]) == {"train", "validation", "test"}
    assert any("SYNTHETIC" in element.value for element in app.markdown)


def add_folder(app: AppTest, place) -> AppTest:
    app.text_input(key="folder_path").set_value(str(place))
    return next(button for button in app.button if button.label == "Add").click().run()


def open_tab(app: AppTest, name: str) -> AppTest:
    app.session_state["dataset_tab"] = name
    return app.run()


def test_the_data_set_page_prepares_what_is_not_prepared(tmp_path):
    root = write_tree(tmp_path / "films", {"NORMAL": 30, "PNEUMONIA": 30})
    (root / "NORMAL" / "note.jpeg").write_text("no film")
    app = add_folder(open_page("dataset"), root)
    assert app.session_state["data"] == str(root.resolve())
    wait_for(lambda: app.run().dataframe, bool, 30)
    assert not app.exception
    open_tab(app, "Audit")
    assert any("1 file cannot be read" in element.value for element in app.markdown)
    press(app, "Show 1 film")
    assert "not a readable" in app.dataframe[0].value["Why"][0]


def test_a_finding_shows_its_films_is_fixed_and_the_fix_is_taken_back(tmp_path):
    root = write_tree(tmp_path / "films", {"NORMAL": 90, "PNEUMONIA": 90})
    first = sorted((root / "NORMAL").iterdir())[0]
    (root / "PNEUMONIA/person9_virus_1.jpeg").write_bytes(first.read_bytes())
    preparing.prepare(data.load(str(root)), ImageSpec())
    app = open_tab(add_folder(open_page("dataset"), root), "Audit")
    press(app, "Show 2 films")
    assert not app.exception
    assert "both labels" in texts(app)
    press(app, "Drop the copies")
    assert [fix.films for fix in data.load(str(root)).fixes] == [
        (f"NORMAL/{first.name}", "PNEUMONIA/person9_virus_1.jpeg")
    ]
    assert "Drop the copies" not in {button.label for button in app.button}
    assert any("2 films left out" in element.value for element in app.markdown)
    press(app, "Undo")
    assert data.load(str(root)).fixes == ()
    assert any("byte by byte" in element.value for element in app.markdown)


@pytest.mark.parametrize("tab", ["Overview", "Audit", "Distributions", "Gallery", "Data card"])
def test_every_tab_of_the_data_set_page_opens(tmp_path, tab):
    root = write_tree(
        tmp_path / "films", {"train/NORMAL": 9, "train/PNEUMONIA": 9, "val/NORMAL": 1, "val/PNEUMONIA": 1}
    )
    (root / "train/NORMAL" / "note.jpeg").write_text("no film")
    (root / "train/NORMAL" / "IM-1-1.png").write_bytes(encode(film(3)[:200, :150]))
    preparing.prepare(data.load(str(root)), ImageSpec())
    app = open_tab(add_folder(open_page("dataset"), root), tab)
    assert not app.exception
    assert not app.error


def test_a_table_asks_for_its_columns_and_is_used(tmp_path):
    rows = [f"{number}.png,{('well', 'sick')[number % 2]}" for number in range(6)]
    (tmp_path / "films.csv").write_text("\n".join(["image,finding", *rows]))
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(encode(film(number)))
    app = add_folder(open_page("dataset"), tmp_path)
    assert app.selectbox(key="column_file").value == "image"
    press(app, "Use this table")
    assert "Name at least one value" in app.error[0].value
    app.multiselect(key="column_normal_finding").set_value(["well"])
    app.multiselect(key="column_pneumonia_finding").set_value(["sick"])
    press(app, "Use this table")
    assert not app.exception
    assert app.session_state["data"] == str(tmp_path / "films.csv")
    assert [sample.label for sample in data.load(str(tmp_path / "films.csv")).samples] == [0, 1] * 3


def test_an_uploaded_archive_becomes_a_data_set_and_a_bad_one_is_explained(workspace):
    films = {f"{name}/{n}.png": encode(film(n)) for name in ("NORMAL", "PNEUMONIA") for n in range(2)}
    app = open_page("dataset")
    app.segmented_control(key="add_way").set_value("Upload a .zip").run()
    app.file_uploader[0].upload("bad.zip", zipped(films | {"../x": b""}))
    press(app, "Add")
    assert not app.exception
    assert app.error
    assert app.session_state["data"] == "phantoms"
    app.file_uploader[0].upload("my films.zip", zipped(films))
    press(app, "Add")
    assert not app.exception
    assert data.load("my films").source == "zip_upload"
    assert app.session_state["data"] == data.load("my films").key


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_the_data_set_is_switched_from_every_page(tmp_path, name):
    root = write_tree(tmp_path / "films", {"NORMAL": 3, "PNEUMONIA": 3})
    manifest.remember(str(root), "children")
    app = open_page(name)
    app.sidebar.selectbox[0].set_value(str(root)).run()
    assert not app.exception
    assert app.session_state["data"] == str(root)


def test_kaggle_out_of_reach_is_explained_on_the_page(monkeypatch):
    monkeypatch.setenv("KAGGLE_API_ENDPOINT", "http://localhost:1")
    app = open_page("dataset")
    app.segmented_control(key="add_way").set_value("From Kaggle").run()
    press(app, "Download")
    wait_for(lambda: app.run().error, bool, 60)
    assert not app.exception
    assert "internet" in app.error[0].value


@pytest.mark.parametrize("films", [{}, {"NORMAL": 1}, {"NORMAL": 1, "PNEUMONIA": 1, "COVID": 1}], ids=str)
def test_a_folder_that_will_not_do_is_explained_and_nothing_is_lost(tmp_path, films):
    root = tmp_path / "films"
    root.mkdir()
    write_tree(root, films)
    app = open_page("dataset")
    add_folder(app, root)
    assert not app.exception
    assert app.error[0].value
    assert app.session_state["data"] == "phantoms"


def test_settings_that_cannot_be_built_start_nothing_and_say_why():
    app = open_page("train")
    app.text_input(key="simple_cnn_filters").set_value("8, 8, 8, 8, 8, 8, 8, 8, 8").run()
    assert not app.exception
    assert "fewer filters" in app.error[0].value
    assert app.button(key="start").disabled
    assert runs.every() == []


def test_start_trains_with_the_settings_on_the_page():
    app = open_page("train")
    app.number_input(key="train_epochs").set_value(1)
    app.number_input(key="train_image_size").set_value(32)
    app.text_input(key="simple_cnn_filters").set_value("4, 8")
    app.selectbox(key="train_optimizer").set_value("sgd")
    press(app, "Start training")
    assert not app.exception
    assert not app.error
    (run,) = runs.every()
    assert (run.settings.epochs, run.settings.image_size, run.settings.optimizer) == (1, 32, "sgd")
    assert run.settings.options["filters"] == (4, 8) or run.settings.options["filters"] == [4, 8]
    wait_for(lambda: run.status.state, lambda state: state == "finished", 90)
    assert any("best model" in element.value for element in app.run().success)


def test_opening_the_pages_has_not_loaded_tensorflow_into_a_fresh_server():
    import subprocess

    script = (
        "import sys; from streamlit.testing.v1 import AppTest; from dashboard.app_pages import PAGES\n"
        "app = AppTest.from_file('dashboard/app.py', default_timeout=30).run()\n"
        "for page in PAGES.values():\n"
        "    assert not app.switch_page(f'app_pages/{page.script}').run().exception\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0


DAMAGED_FILES = ("status.json", "settings.json", "report.json", "card.json", "split.json", "metrics.csv", "steps.bin")


@pytest.mark.parametrize("damage", ["", "[5]", '{"state": 5, "validation": {}}', "epoch,loss\nx,y\n", "\x00\xff"])
def test_a_run_folder_edited_by_hand_breaks_no_page(with_run, tmp_path, monkeypatch, damage):

    for name in DAMAGED_FILES:
        copy = tmp_path / "edited" / "runs" / f"run-{name}"
        shutil.copytree(with_run.folder, copy)
        (copy / name).write_text(damage, encoding="latin-1")
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "edited"))
    monkeypatch.setenv("PNEUMOSCOPE_MODELS", str(tmp_path / "edited" / "runs"))
    (tmp_path / "edited" / "data_sets.json").write_text(damage, encoding="latin-1")
    for name in PAGES:
        app = open_page(name)
        assert not app.exception
        for run in runs.every() if name == "train" else ():
            app.session_state["watched_run"] = run.name
            assert not app.run().exception


def test_a_damaged_prepared_set_is_prepared_anew():
    prepared = preparing.prepare(load("phantoms:20"), ImageSpec(32))
    folder = preparing.folder_of(load("phantoms:20"), ImageSpec(32))
    for name in ("index.json", "statistics.npz", "films.u8"):
        (folder / name).write_bytes(b"")
        assert preparing.find(load("phantoms:20"), ImageSpec(32)) is None
        assert (preparing.prepare(load("phantoms:20"), ImageSpec(32)).films == prepared.films).all()
