"""Commands on models: predict, gate, list, promote, remove."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core import model_store, runs, workspace
from core.commands.output import DONE, USERS_FAULT, progress, show
from core.errors import UserError


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
        show(chosen, found, text)
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
    return {"file": str(file), **predictor.predict(content).to_json()}


def gate(chosen: argparse.Namespace) -> None:
    """Adds a gate and the uncertain band to a model and its card, or renews them."""
    stored = model_store.find(chosen.model)
    key = chosen.data or _data_of(stored)
    with progress(chosen, "fitting the gate") as move:
        from core import gating

        found = gating.add(stored.name, key, chosen.population, move)
    made, band = found["gate"], found["uncertain"]
    text = f"Model {stored.name}: no gate, for its films are too few."
    if made:
        measured = made["measured"]
        text = (
            f"Model {stored.name}: gate fitted on {made['fitted']['films']:,} films; refuses "
            f"{measured['refused']:.2%} of {measured['films']:,} others."
        )
    if band:
        text += f" Uncertain from {band['low']:.3f} to {band['high']:.3f}."
    show(chosen, {"model": stored.name} | found, text)


def _data_of(stored: model_store.StoredModel) -> str:
    if stored.file.parent.parent == runs.runs_folder():
        return runs.get(stored.name).settings.data
    raise UserError("A promoted model does not say where its films lie.", fix="Add --data with their data set.")


def manage_models(chosen: argparse.Namespace) -> None:
    """Lists, promotes or removes models."""
    if chosen.action == "list":
        found = model_store.listed()
        text = "\n".join(f"{card['name']}{'  (default)' if card['default'] else ''}" for card in found)
        show(chosen, found, text or "No models yet: promote a run.")
        return
    if not chosen.run:
        raise UserError(f"`models {chosen.action}` needs a name.", fix="`runs list` and `models list` show the names.")
    if chosen.action == "remove":
        model_store.remove(chosen.run)
        show(chosen, {"model": chosen.run, "done": "removed"}, f"Model {chosen.run} removed.")
        return
    model = model_store.promote(chosen.run, chosen.name or f"model-{chosen.run}")
    show(chosen, {"model": model.name, "done": "promoted"}, f"Run {chosen.run} promoted to model {model.name}.")
