"""The command line is a contract: names, fields and exit codes."""

import json
import subprocess
import sys

import pytest

from core import cli
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
        assert set(answer) == {"file", "verdict", "probability", "threshold", "chest_film", "milliseconds"}
        assert answer["verdict"] in ("suggests_pneumonia", "suggests_normal")
        assert answer["chest_film"] is None
    for answer in (second, fourth):
        assert set(answer) == {"file", "error", "fix"}
    assert run("predict", "--model", "small", films / "a.png").returncode == 0

    again = json.loads(run("train", "--like", name, "--json").stdout)
    assert again["validation"] == trained["validation"]

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
        ["runs", "stop", "no-such-run"],
        ["runs", "remove", "../.."],
        ["evaluate", "--model", "none", "--data", "phantoms"],
        ["evaluate", "--model", "none", "--data", "phantoms", "--split", "train"],
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


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for command in ("prepare", "train", "runs", "evaluate", "predict", "models"):
        assert command in shown
        assert command in (PROJECT / "README.md").read_text()
