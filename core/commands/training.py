"""The command that trains: as a person calls it, and as a run's worker."""

import argparse
import contextlib
import dataclasses
import gc
import sys
import time
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from core import architectures, data, jobs, model_store, presets, provenance, runs, starting, workspace
from core.architectures import ARCHITECTURES
from core.commands.output import show
from core.errors import UserError
from core.settings import TrainSettings, parse

IS_QUEUED = "is queued: it starts when those before it have ended"


def train(chosen: argparse.Namespace) -> None:
    """Trains a run and follows it to its end, or only starts it, or is the worker of one."""
    if chosen.run:
        _work(chosen.run)
        return
    settings = _settings(chosen)
    # A path must mean the same to the worker; and what is wrong with it is best said at once.
    settings = dataclasses.replace(settings, data=data.load(settings.data).key)
    architectures.options_of(settings)
    starting.check(settings)
    run = runs.start(settings)
    if chosen.detach:
        status = run.status
        if status.state == "failed":
            raise UserError(status.error, fix=status.fix)
        words = IS_QUEUED if status.state == jobs.QUEUED else "has begun"
        show(chosen, {"run": run.name, "state": status.state}, f"Run {run.name} {words}.")
        return
    status = _follow(run)
    from core import evaluation

    report = evaluation.stored(run.folder).get("validation")
    found = {"run": run.name, "state": status.state, "validation": report.to_json()["metrics"] if report else None}
    figures = ", ".join(f"{name} {figure.value:.3f}" for name, figure in report.metrics.items()) if report else "none"
    show(chosen, found, f"Run {run.name} {status.state}. On the validation part: {figures}.")
    if chosen.like:
        _tell_differences(chosen.like, run)


def _tell_differences(before: str, run: runs.Run) -> None:
    """Says on standard error why the figures of a repeated run may differ from the first one's."""
    made_with = [workspace.read_json(runs.get(name).folder / provenance.FILE) for name in (before, run.name)]
    if all(isinstance(found, dict) for found in made_with):
        told = provenance.differences(*made_with)
        words = f"What is not as it was for {before}: {', '.join(told)}." if told else f"All is as it was for {before}."
        print(words, file=sys.stderr)


def _settings(chosen: argparse.Namespace) -> TrainSettings:
    values = _others(chosen)
    if not values.get("data") and not chosen.data:
        raise UserError("No data is named.", fix='Add --data with a folder or "phantoms", or --like with a run.')
    for name in ("data", "architecture", "start", "epochs"):
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


def _others(chosen: argparse.Namespace) -> dict[str, Any]:
    """The settings that are taken from elsewhere."""
    if chosen.like and chosen.preset:
        raise UserError("Both a run and a preset are named.", fix="Give --like or --preset.")
    if chosen.like:
        return runs.get(chosen.like).settings.to_json()
    return presets.apply(chosen.preset, chosen.data or "").to_json() if chosen.preset else {}


def release(chosen: argparse.Namespace) -> None:
    """Trains every fold that is not trained yet and stores the model that they make."""
    model_store.check_name(chosen.name)
    settings = _settings(chosen)
    settings = dataclasses.replace(settings, data=data.load(settings.data).key, folds=chosen.folds, fold=1)
    architectures.options_of(settings)
    starting.check(settings)
    from core import release as releasing

    found = releasing.train_folds(settings, chosen.folds, _follow)
    model = releasing.release(found, chosen.name, chosen.rule, chosen.target)
    from core import gating

    gating.add(model.name, settings.data)
    figures = model.card["cross_validation"]["metrics"]
    text = ", ".join(f"{name} {figure['value']:.3f}" for name, figure in figures.items())
    result = {"model": model.name, "runs": [run.name for run in found]} | model.card["cross_validation"]
    show(chosen, result, f"Model {model.name} stored. On films that its folds had not seen: {text}.")


def _work(name: str) -> None:
    """The worker's side: trains the run in this process."""
    run = runs.get(name)
    # TensorFlow is imported under the lock: launching waits for no more than that.
    with jobs.working(run.folder):
        # Looking for garbage while TensorFlow is loaded and traced finds none and takes 0.8 s; the
        # first batch turns it on again.
        gc.disable()
        jobs.update(run.folder, details={"stage": "Loading TensorFlow"})
        with hidden("sklearn", "matplotlib", "pandas"):
            from core import training

        training.train(run)
        from core import evaluation

        if run.has_model:
            jobs.update(run.folder, state="evaluating", done=0, total=0)
            stored = model_store.find(run.name)
            predictor = evaluation.Predictor.load(run.name)
            report = evaluation.evaluate(predictor, stored.split, run.settings.data, "validation")
            evaluation.save(report, run.folder)
            from core import gating

            gating.add(run.name, run.settings.data)
        jobs.update(run.folder, state="stopped" if runs.stop_requested(run.folder) else "finished")


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Keras imports these where it finds them. Training needs none, and a run would start 2 s later."""
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)


def _follow(run: runs.Run) -> jobs.Status:
    """Shows the run's progress until it ends; Ctrl-C asks it to stop. Raises UserError if it failed."""
    status = jobs.Status()
    told = False
    with tqdm(unit="batch", disable=not sys.stderr.isatty()) as bar:
        while jobs.is_open(status) or status.state == jobs.QUEUED:
            try:
                status = run.status
                bar.desc = status.state
                bar.total = status.total or None
                bar.update(max(status.done - bar.n, 0))
                if status.state == jobs.QUEUED:
                    if not told:
                        print(f"Run {run.name} {IS_QUEUED}. Ctrl-C takes it out.", file=sys.stderr, flush=True)
                        told = True
                    # Should nobody be left who sees the run before it end.
                    runs.dispatch()
                time.sleep(0.3)
            except KeyboardInterrupt:
                with contextlib.suppress(UserError):
                    runs.stop(run.name)
    if not run.folder.exists():
        raise UserError(f"Run {run.name} was removed.", fix="Start it again if that was a mistake.")
    if status.state == "interrupted":
        # Whoever saw the worker die needs a moment to write down how.
        time.sleep(1)
        status = run.status
    if status.state in ("failed", "interrupted") and status.error and not status.ours:
        raise UserError(status.error, fix=status.fix)
    if status.state not in ("finished", "stopped"):
        raise RuntimeError(f"run {run.name} is {status.state}: {status.error} see {run.folder / 'log.txt'}")
    return status
