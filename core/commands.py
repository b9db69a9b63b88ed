"""What each command of the command line does; `core.cli` reads the words and catches the mistakes."""

import argparse
import contextlib
import dataclasses
import gc
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core import architectures, data, jobs, model_store, runs, workspace
from core.architectures import ARCHITECTURES
from core.data import prepare as preparing
from core.errors import UserError
from core.images import ImageSpec
from core.settings import TrainSettings, parse

DONE, USERS_FAULT = 0, 2


def _show(chosen: argparse.Namespace, value: Any, text: str) -> None:
    print(json.dumps(value) if chosen.json else text)


@contextlib.contextmanager
def _progress(chosen: argparse.Namespace, state: str) -> Iterator[Any]:
    """A bar on standard error, or the status of the job that a page follows."""
    if getattr(chosen, "job", None):
        folder = jobs.folder_for(chosen.job)
        with jobs.working(folder):
            yield jobs.Meter(folder, state)
            jobs.update(folder, state="finished")
        return
    with tqdm(unit="film", desc=state, leave=False, disable=not sys.stderr.isatty()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def prepare(chosen: argparse.Namespace) -> None:
    """Decodes every film of a data set once."""
    begin = time.perf_counter()
    with _progress(chosen, "preparing") as progress:
        # The settings know the range of an image size.
        spec = ImageSpec(TrainSettings(image_size=chosen.image_size).image_size)
        source = data.load(chosen.data)
        cached = preparing.find(source, spec) is not None
        prepared = preparing.prepare(source, spec, progress)
    seconds = time.perf_counter() - begin
    found = {
        "data": prepared.name,
        "films": len(prepared.films),
        "unreadable": prepared.unreadable,
        "image_size": spec.size,
        "cached": cached,
        "seconds": round(seconds, 3),
    }
    lines = [f"{item['file']}: {item['error']} {item['fix']}" for item in prepared.unreadable]
    lines.append(f"{len(prepared.films):,} films of {prepared.name} ready at {spec.size} px in {seconds:.1f} s.")
    _show(chosen, found, "\n".join(lines))


def train(chosen: argparse.Namespace) -> None:
    """Trains a run and follows it, or is the worker of one."""
    if chosen.run:
        _work(chosen.run)
        return
    settings = _settings(chosen)
    # A path must mean the same to the worker; and what is wrong with it is best said at once.
    settings = dataclasses.replace(settings, data=data.load(settings.data).key)
    architectures.options_of(settings)
    run = runs.start(settings)
    status = _follow(run)
    from core import evaluation

    report = evaluation.stored(run.folder).get("validation")
    found = {"run": run.name, "state": status.state, "validation": report.to_json()["metrics"] if report else None}
    figures = ", ".join(f"{name} {figure.value:.3f}" for name, figure in report.metrics.items()) if report else "none"
    _show(chosen, found, f"Run {run.name} {status.state}. On the validation part: {figures}.")


def _settings(chosen: argparse.Namespace) -> TrainSettings:
    values = runs.get(chosen.like).settings.to_json() if chosen.like else {}
    if not values and not chosen.data:
        raise UserError("No data is named.", fix='Add --data with a folder or "phantoms", or --like with a run.')
    for name in ("data", "architecture", "epochs"):
        if getattr(chosen, name) is not None:
            values[name] = getattr(chosen, name)
    architecture = values.get("architecture", TrainSettings.architecture)
    module = ARCHITECTURES.get(architecture)
    own = {field.name: field for field in dataclasses.fields(TrainSettings) if "label" in field.metadata}
    options = {field.name: field for field in dataclasses.fields(module.Options)} if module else {}
    for setting in chosen.set:
        key, equals, text = setting.partition("=")
        if not equals or key not in own | options:
            raise UserError(
                f"--set {setting} is not understood.", fix=f"Write KEY=VALUE; keys: {', '.join(own | options)}."
            )
        if key in own:
            values[key] = parse(own[key], text)
        else:
            values["options"] = values.get("options", {}) | {key: parse(options[key], text)}
    return TrainSettings.from_json(values)


def _work(name: str) -> None:
    """The worker's side: trains the run in this process."""
    run = runs.get(name)
    # TensorFlow is imported under the lock: launching waits for no more than that.
    with jobs.working(run.folder):
        # Looking for garbage while TensorFlow is loaded and traced finds none and takes 0.8 s; the
        # first batch turns it on again.
        gc.disable()
        with _hidden("sklearn", "matplotlib", "pandas"):
            from core import training

        training.train(run)
        from core import evaluation

        if run.has_model:
            jobs.update(run.folder, state="evaluating", done=0, total=0)
            stored = model_store.find(run.name)
            predictor = evaluation.Predictor.load(run.name)
            report = evaluation.evaluate(predictor, stored.split, run.settings.data, "validation")
            evaluation.save(report, run.folder)
        jobs.update(run.folder, state="stopped" if runs.stop_requested(run.folder) else "finished")


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Keras imports these where it finds them. Training needs none, and a run would start 2 s later."""
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def _follow(run: runs.Run) -> jobs.Status:
    """Shows the run's progress until it ends; Ctrl-C asks it to stop. Raises UserError if it failed."""
    with tqdm(unit="batch", disable=not sys.stderr.isatty()) as bar:
        while jobs.is_open(status := run.status):
            bar.desc = status.state
            bar.total = status.total or None
            bar.update(max(status.done - bar.n, 0))
            try:
                time.sleep(0.3)
            except KeyboardInterrupt:
                with contextlib.suppress(UserError):
                    runs.stop(run.name)
    if status.state == "failed" and not status.ours:
        raise UserError(status.error, fix=status.fix)
    if status.state not in ("finished", "stopped"):
        raise RuntimeError(f"run {run.name} is {status.state}: {status.error} see {run.folder / 'log.txt'}")
    return status


def manage_runs(chosen: argparse.Namespace) -> None:
    """Lists, stops, resumes or removes runs."""
    if chosen.action == "list":
        found = [_describe(run) for run in runs.every()]
        text = "\n".join(f"{run['name']}  {run['state']:12}  {run['data']}" for run in found)
        _show(chosen, found, text or "No runs yet.")
        return
    if not chosen.run:
        raise UserError(f"`runs {chosen.action}` needs a run.", fix="`runs list` shows the names.")
    action = {"stop": runs.stop, "resume": runs.resume, "remove": runs.remove}[chosen.action]
    action(chosen.run)
    word = {"stop": "asked to stop", "resume": "resumed", "remove": "removed"}[chosen.action]
    _show(chosen, {"run": chosen.run, "done": word}, f"Run {chosen.run} {word}.")


def _describe(run: runs.Run) -> dict[str, Any]:
    status = run.status
    return {
        "name": run.name,
        "state": status.state,
        "data": run.settings.data,
        "architecture": run.settings.architecture,
        "has_model": run.has_model,
        "details": status.details,
        "error": status.error,
        "fix": status.fix,
    }


def evaluate(chosen: argparse.Namespace) -> None:
    """Judges a model on a part of a data set."""
    with _progress(chosen, "evaluating") as progress:
        stored = model_store.find(chosen.model)
        source = data.load(chosen.data)
        from core import evaluation

        predictor = evaluation.Predictor.load(chosen.model)
        report = evaluation.evaluate(predictor, stored.split, source.key, chosen.split, progress)
        own = stored.file.parent.parent == runs.runs_folder() and runs.get(stored.name).settings.data == source.key
        if own:
            evaluation.save(report, stored.file.parent)
    values = report.to_json()
    found = values.pop("metrics") | values
    lines = [f"{report.films:,} films of {report.patients:,} patients, {report.part} part of {report.data}"]
    lines += [f"{name:12} {m.value:.3f} ({m.low:.3f} to {m.high:.3f})" for name, m in report.metrics.items()]
    lines.append(f"confusion    {dataclasses.asdict(report.confusion)} at {report.rule}")
    _show(chosen, found, "\n".join(lines))


def predict(chosen: argparse.Namespace) -> int:
    """Asks a model about films; an unreadable one is told and the rest go on."""
    from core.prediction import Predictor

    predictor = Predictor.load(chosen.model)
    worst = DONE
    for file in _files(chosen.files):
        try:
            found = _predict_one(predictor, file)
            text = f"{file}: {found['verdict'].replace('_', ' ')}, probability {found['probability']:.3f}"
        except UserError as error:
            worst = USERS_FAULT
            found = {"file": str(file), "error": error.what, "fix": error.fix}
            text = f"{file}: {error}"
        _show(chosen, found, text)
    return worst


def _files(paths: list[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if workspace.is_folder(path):
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
            if not inside:
                raise UserError(f"The folder {path} is empty.", fix="Name a film or a folder of films.")
            yield from inside
        else:
            yield path


def _predict_one(predictor: Any, file: Path) -> dict[str, Any]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"The file cannot be read: {error.strerror}.", fix="Check its name and permissions.") from None
    prediction = predictor.predict(content)
    return {
        "file": str(file),
        "verdict": prediction.verdict,
        "probability": prediction.probability,
        "threshold": prediction.threshold,
        "chest_film": prediction.chest_film,
        "milliseconds": round(prediction.milliseconds, 2),
    }


def manage_models(chosen: argparse.Namespace) -> None:
    """Lists, promotes or removes models."""
    if chosen.action == "list":
        found = [model.card | {"name": model.name, "default": i == 0} for i, model in enumerate(model_store.promoted())]
        text = "\n".join(f"{card['name']}{'  (default)' if card['default'] else ''}" for card in found)
        _show(chosen, found, text or "No models yet: promote a run.")
        return
    if not chosen.run:
        raise UserError(f"`models {chosen.action}` needs a name.", fix="`runs list` and `models list` show the names.")
    if chosen.action == "remove":
        model_store.remove(chosen.run)
        _show(chosen, {"model": chosen.run, "done": "removed"}, f"Model {chosen.run} removed.")
        return
    model = model_store.promote(chosen.run, chosen.name or f"model-{chosen.run}")
    _show(chosen, {"model": model.name, "done": "promoted"}, f"Run {chosen.run} promoted to model {model.name}.")
