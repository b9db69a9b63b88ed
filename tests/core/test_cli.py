"""The command line is a contract: names, fields and exit codes."""

import json
import signal
import subprocess
import sys

import pytest

from core import cli, jobs, model_store, robustness, runs
from core.robustness import FAMILIES
from core.settings import TrainSettings
from tests.conftest import PROJECT
from tests.helpers import encode, film, write_tree


def run(*arguments: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, as a user would."""
    command = [sys.executable, "-m", "core.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_the_whole_job_through_the_command_line(tmp_path):
    ran = run(
        *("train", "--data", "phantoms:60", "--architecture", "simple_cnn", "--epochs", 1, "--json"),
        *("--set", "image_size=48", "--set", "filters=8,16", "--set", "dense_units=16"),
    )
    assert ran.returncode == 0, ran.stderr
    trained = json.loads(ran.stdout)
    assert trained["state"] == "finished"
    name = trained["run"]

    listed = json.loads(run("runs", "--json").stdout)
    assert [(item["name"], item["state"]) for item in listed] == [(name, "finished")]

    report = json.loads(run("evaluate", "--model", name, "--data", "phantoms:60", "--json").stdout)
    assert set(report["confusion"]) == {"tn", "fp", "fn", "tp"}
    assert sum(report["confusion"].values()) == report["films"]
    for metric in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "roc_auc"):
        assert set(report[metric]) == {"value", "low", "high"}
    assert report["threshold"] == 0.5
    assert report["rule"]

    assert json.loads(run("models", "promote", name, "--name", "small", "--json").stdout)["model"] == "small"
    models = json.loads(run("models", "list", "--json").stdout)
    assert [(model["name"], model["default"]) for model in models] == [("small", True)]

    films = tmp_path / "films"
    films.mkdir()
    (films / "a.png").write_bytes(encode(film()))
    (films / "b.jpeg").write_text("no film")
    (films / "c.jpeg").write_bytes(encode(film(3, "lobar"), ".jpeg"))
    predicted = run("predict", "--model", "small", films, tmp_path / "missing.png", "--json")
    assert predicted.returncode == 2
    first, second, third, fourth = (json.loads(line) for line in predicted.stdout.splitlines())
    for answer in (first, third):
        assert set(answer) == {
            "file",
            "verdict",
            "probability",
            "threshold",
            "chest_film",
            "reasons",
            "warnings",
            "milliseconds",
        }
        assert answer["verdict"] in ("suggests_pneumonia", "suggests_normal")
        assert answer["chest_film"] is None
    for answer in (second, fourth):
        assert set(answer) == {"file", "error", "fix"}
    assert run("predict", "--model", "small", films / "a.png").returncode == 0

    again = json.loads(run("train", "--like", name, "--json").stdout)
    assert again["validation"] == trained["validation"]

    shown = json.loads(run("runs", "show", name, "--json").stdout)
    assert shown["settings"]["epochs"] == 1
    assert shown["metrics"]["epoch"] == [0]
    assert set(shown["reports"]["validation"]["metrics"]) >= {"accuracy", "roc_auc"}
    assert "Settings\n  data: phantoms:60\n" in run("runs", "show", name).stdout

    assert run("models", "remove", "small").returncode == 0
    assert run("runs", "remove", name).returncode == 0
    assert len(json.loads(run("runs", "--json").stdout)) == 1


def test_prepare_tells_what_it_did(tmp_path, capsys):
    root = write_tree(tmp_path / "films", {"NORMAL": 3, "PNEUMONIA": 3})
    (root / "NORMAL/note.jpeg").write_text("not a film")
    assert cli.main(["prepare", "--data", str(root), "--image-size", "32", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["films"], first["cached"]) == (6, False)
    assert [item["file"] for item in first["unreadable"]] == ["NORMAL/note.jpeg"]
    assert cli.main(["prepare", "--data", str(root), "--image-size", "32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cached"] is True


def test_queued_runs_are_moved_noted_and_taken_out(capsys):
    def said(*arguments: str):
        assert cli.main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    train = ("train", "--data", "phantoms:60", "--detach")
    busy = runs.create(TrainSettings())
    with jobs.working(busy.folder):
        jobs.update(busy.folder, state="training", details={"loss": float("nan")})
        first, second = said(*train), said(*train, "--set", "seed=3")
        assert first["state"] == second["state"] == "queued"
        assert said("runs", "move", second["run"], "--to", "1")["done"] == "moved to place 1"
        said("runs", "note", first["run"], "--tags", "slow, odd")
        said("runs", "note", first["run"], "--note", "Wait for it.")
        listed = {item["name"]: item for item in said("runs")}
        assert [listed[name]["place"] for name in (busy.name, first["run"], second["run"])] == [None, 2, 1]
        assert (listed[first["run"]]["tags"], listed[first["run"]]["note"]) == (["slow", "odd"], "Wait for it.")
        assert listed[busy.name]["details"] == {"loss": None}
        assert said("runs", "stop", second["run"])["done"] == "taken out of the queue"
        assert said("runs", "resume", second["run"])["done"] == "queued"
        (runs.runs_folder() / first["run"] / "settings.json").write_text("{")
        spoilt = {item["name"]: item for item in said("runs", "list")}[first["run"]]
        assert (spoilt["state"], spoilt.keys()) == ("unreadable", listed[first["run"]].keys())
        assert cli.main(["runs"]) == 0
        assert "unreadable" in capsys.readouterr().out
        assert said("runs", "remove", first["run"])["done"] == "removed"


def test_whoever_follows_a_queued_run_takes_it_out_of_the_queue_with_ctrl_c():
    busy = runs.create(TrainSettings())
    with jobs.working(busy.folder):
        jobs.update(busy.folder, state="training")
        command = [sys.executable, "-m", "core.cli", "train", "--data", "phantoms:60", "--json"]
        following = subprocess.Popen(
            command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )
        assert "is queued" in following.stderr.readline()
        (waiting,) = runs.queued()
        following.send_signal(signal.SIGINT)
        try:
            said, complaint = following.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            # Python loses an interrupt that arrives while it clears something away: people press again.
            following.send_signal(signal.SIGINT)
            said, complaint = following.communicate(timeout=30)
        assert following.returncode == 0, complaint
        assert json.loads(said) == {"run": waiting.name, "state": "stopped", "validation": None}
        assert runs.queued() == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["prepare"],
        ["prepare", "--data", "/nowhere"],
        ["prepare", "--data", "phantoms", "--image-size", "7"],
        ["prepare", "--data", "phantoms", "--image-size", "wide"],
        ["train"],
        ["train", "--data", "phantoms", "--epochs", "0"],
        ["train", "--data", "phantoms", "--epochs", "9" * 400],
        ["train", "--data", "phantoms", "--architecture", "castle"],
        ["train", "--data", "phantoms", "--set", "colour=blue"],
        ["train", "--data", "phantoms", "--set", "filters=many"],
        ["train", "--data", "phantoms", "--set", "kernel_size"],
        ["train", "--data", "phantoms", "--set", "kernel_size=99"],
        ["train", "--like", "no-such-run"],
        ["runs", "stop"],
        ["runs", "show"],
        ["runs", "show", "no-such-run"],
        ["runs", "move", "no-such-run"],
        ["runs", "move", "no-such-run", "--to", "0"],
        ["runs", "move", "no-such-run", "--to", "1"],
        ["runs", "note", "no-such-run"],
        ["runs", "note", "no-such-run", "--tags", "a"],
        ["runs", "resume", "no-such-run"],
        ["runs", "stop", "no-such-run"],
        ["runs", "remove", "../.."],
        ["evaluate", "--model", "none", "--data", "phantoms"],
        ["evaluate", "--model", "none", "--data", "phantoms", "--split", "train"],
        ["evaluate", "--model", "none", "--data", "phantoms", "--report", "report.docx"],
        ["evaluate", "--model", "none", "--data", "phantoms", "--report", "no/such/folder/report.pdf"],
        ["robustness", "--model", "none", "--data", "phantoms"],
        ["predict", "--model", "none", "film.png"],
        ["models", "promote"],
        ["models", "remove", "none"],
    ],
    ids=" ".join,
)
def test_a_users_mistake_gives_one_sentence_one_next_step_and_exit_code_2(arguments, capsys):
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    what, fix = printed.err.strip().splitlines()
    assert what
    assert fix


def test_an_evaluation_is_handed_over_with_damaged_films_and_beside_other_models(with_run, tmp_path, capsys):
    model_store.promote(with_run.name, "copy")
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "pdf", "json", "csv")}
    arguments = ["evaluate", "--model", with_run.name, "--data", "phantoms:60", "--split", "validation"]
    for file in files.values():
        arguments += ["--report", str(file)]
    assert cli.main([*arguments, "--robustness", "--against", "copy"]) == 0
    said = capsys.readouterr().out
    assert f"{with_run.name} and copy call all" in said
    assert all(f"{family:12} Accuracy " in said for family in FAMILIES)
    assert files["pdf"].read_bytes().startswith(b"%PDF")
    page = files["html"].read_text()
    assert all(title in page for title in ("Single films", "As the films get worse", "Beside other models"))
    whole = json.loads(files["json"].read_text())
    assert whole["comparisons"]["copy"]["differences"]["roc_auc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert len(files["csv"].read_text().splitlines()) == 1 + whole["report"]["films"]
    assert robustness.stored(with_run.folder, "validation").to_json() == whole["robustness"]
    model_store.promote(with_run.name, "other")
    assert robustness.stored(model_store.find("other").file.parent, "validation") is not None


def test_a_model_is_not_compared_with_itself(with_run, capsys):
    arguments = ["evaluate", "--model", with_run.name, "--data", "phantoms:60", "--split", "validation"]
    assert cli.main([*arguments, "--against", with_run.name]) == 2
    assert "cannot be compared with itself" in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for command in ("prepare", "train", "runs", "evaluate", "robustness", "predict", "models"):
        assert command in shown
        assert command in (PROJECT / "README.md").read_text()


def test_an_audit_is_read_mended_and_mended_back(tmp_path):
    root = write_tree(tmp_path / "films", {"NORMAL": 60, "PNEUMONIA": 60})
    first = sorted((root / "NORMAL").iterdir())[0]
    (root / "NORMAL/IM-999999-0001.jpeg").write_bytes(first.read_bytes())
    found = json.loads(run("audit", "--data", root, "--json").stdout)
    assert [finding["id"] for finding in found["findings"]] == ["small-validation", "exact-duplicates"] or [
        finding["id"] for finding in found["findings"]
    ] == ["exact-duplicates", "small-validation"]
    (copies,) = (finding for finding in found["findings"] if finding["id"] == "exact-duplicates")
    assert copies["groups"][0]["films"] == [f"NORMAL/{first.name}", "NORMAL/IM-999999-0001.jpeg"]
    page = tmp_path / "audit.html"
    fixed = run("audit", "--data", root, "--fix", "exact-duplicates", "--html", page, "--json")
    assert json.loads(fixed.stdout)["excluded"] == 1
    assert "left out" in page.read_text()
    assert str(tmp_path) not in page.read_text()
    undone = run("audit", "--data", root, "--undo", 1)
    assert undone.returncode == 0
    assert "exact-duplicates" in undone.stdout


def test_a_data_set_is_remembered_by_name_with_its_columns(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(encode(film(number)))
    rows = [f"{number}.png,{('well', 'sick')[number % 2]}" for number in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["picture,state", *rows]))
    columns = ("file=picture", "label=state", "normal=well", "pneumonia=sick")
    words = [word for column in columns for word in ("--column", column)]
    added = run("data", "add", "--data", tmp_path / "t.csv", "--name", "mine", "--licence", "CC0", *words, "--json")
    assert json.loads(added.stdout)["data"] == "mine"
    assert json.loads(run("prepare", "--data", "mine", "--json").stdout)["films"] == 4
    assert "mine" in {item["name"] for item in json.loads(run("data", "--json").stdout)}
    assert run("data", "remove", "--data", "mine").returncode == 0
    assert run("prepare", "--data", "mine").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("audit", "--data", "/nowhere"),
        ("audit", "--data", "phantoms:20", "--fix", "no-such-finding"),
        ("audit", "--data", "phantoms:20", "--undo", "3"),
        ("audit", "--data", "phantoms:20", "--undo", "0"),
        ("audit", "--data", "phantoms:20", "--html", "/nowhere/at/all/x.html"),
        ("data", "add"),
        ("data", "add", "--data", "/nowhere", "--column", "file"),
        ("data", "remove", "--data", "phantoms"),
        ("download", "--data", "kaggle:nothing"),
        ("prepare", "--data", "phantoms:20", "--framing", "round"),
    ],
    ids=" ".join,
)
def test_a_mistake_about_data_is_one_sentence_and_one_step(arguments, capsys):
    assert cli.main(list(arguments)) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2
