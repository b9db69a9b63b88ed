"""Models with their cards: those promoted to models/, and those that runs left behind.

models/<name>/ holds model.keras, card.json, card.md, split.json, report.json and answers-PART.csv (see evaluation),
robustness-PART.json where damaged films were judged, the data card, dataset.json and dataset.md, and scores.csv of a
model that `core.release` made.
"""

import dataclasses
import datetime
import functools
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import model_card, runs, workspace
from core.calibration import Calibration, OperatingPoint
from core.data.card import FILES as DATA_CARD_FILES
from core.errors import UserError
from core.settings import TrainSettings

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
CARD_FIELDS = {
    "architecture",
    "best_epoch",
    "calibration",
    "data",
    "image_spec",
    "operating_point",
    "parameters",
    "settings",
    "sha256",
}


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A model file and what is known about it. card: see `core.training` for its fields."""

    name: str
    file: Path
    card: dict[str, Any]

    @property
    def split(self) -> dict[str, str]:
        """{patient: part} of the films the model was made with."""
        recorded = workspace.read_json(self.file.parent / "split.json")
        return recorded if isinstance(recorded, dict) else {}


def models_folder() -> Path:
    """models/ in the project, or PNEUMOSCOPE_MODELS."""
    return Path(os.environ.get("PNEUMOSCOPE_MODELS") or workspace.PROJECT / "models").absolute()


def promoted() -> list[StoredModel]:
    """The models in models/, the latest promoted first; the first is the default."""
    folders = sorted(models_folder().iterdir()) if models_folder().is_dir() else []
    found = [
        StoredModel(folder.name, folder / "model.keras", card)
        for folder in folders
        if not folder.name.startswith(".") and (card := _read_card(folder / "card.json"))
    ]
    return sorted(found, key=lambda model: model.card.get("promoted", ""), reverse=True)


def listed() -> list[dict[str, Any]]:
    """The cards of the promoted models as the command line and REST list them: `default` is true for the first."""
    return [model.card | {"name": model.name, "default": place == 0} for place, model in enumerate(promoted())]


def find(name: str) -> StoredModel:
    """The promoted model or the run of that name, whole and unchanged. Raises UserError."""
    for file, card_file in (
        (models_folder() / name / "model.keras", models_folder() / name / "card.json"),
        (runs.runs_folder() / name / "best.keras", runs.runs_folder() / name / "card.json"),
    ):
        card = _read_card(card_file) if Path(name).name == name else None
        if card:
            if not file.is_file() or file_hash(file) != card["sha256"]:
                raise UserError(
                    f"The file of model {name} is missing or is not the one its card was written for.",
                    fix="Promote the run again, or choose another model.",
                )
            return StoredModel(name, file, card)
    raise UserError(
        f"There is no model or run with a model named {name!r}.", fix="`models list` and `runs list` show the names."
    )


def _read_card(path: Path) -> dict[str, Any] | None:
    """The card, or None where there is none or something in it is missing."""
    card = workspace.read_json(path)
    return card if isinstance(card, dict) and card.keys() >= CARD_FIELDS else None


def settings_of(card: dict[str, Any], data: str) -> TrainSettings:
    """The settings a model was trained with, for that data set; a card names no place on a machine."""
    return TrainSettings.from_json(card["settings"] | {"data": data})


def new_card(
    settings: TrainSettings,
    parameters: int,
    best_epoch: int,
    data: dict[str, Any],
    calibration: Calibration,
    films: int,
    operating_point: OperatingPoint,
    made_with: dict[str, Any],
) -> dict[str, Any]:
    """What every model's card says. films: how many it was calibrated on. data: the data card."""
    values = settings.to_json()
    del values["data"]
    return {
        "created": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
        "architecture": settings.architecture,
        "parameters": parameters,
        "image_spec": data["image_spec"],
        "settings": values,
        "best_epoch": best_epoch,
        "data": data,
        "calibration": dataclasses.asdict(calibration) | {"films": films},
        "operating_point": dataclasses.asdict(operating_point),
        "made_with": made_with,
    }


def check_name(name: str) -> None:
    """Raises UserError if no model can be stored under that name: it is odd, or taken."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a model.", fix="Use up to 60 small letters, digits, dots, dashes and underscores."
        )
    if (runs.runs_folder() / name).exists():
        raise UserError(f"{name} is the name of a run.", fix="Give the model a name of its own.")
    if (models_folder() / name).exists():
        raise UserError(
            f"There is a model named {name} already.", fix="Choose another name or remove that model first."
        )


def promote(run_name: str, name: str) -> StoredModel:
    """Copies a run's best model to models/NAME. Raises UserError if the name is taken or odd."""
    check_name(name)
    source = find(runs.get(run_name).name)
    return store(name, source.card, source.split, lambda folder: _copy(source, folder))


def _copy(source: StoredModel, folder: Path) -> None:
    shutil.copyfile(source.file, folder / "model.keras")
    beside = source.file.parent
    judged = [*beside.glob("answers-*.csv"), *beside.glob("robustness-*.json")]
    for file in (*(beside / name for name in (*DATA_CARD_FILES, "gate.npz", "report.json")), *judged):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)


def store(name: str, card: dict[str, Any], split: dict[str, str], fill: Callable[[Path], None]) -> StoredModel:
    """Makes models/NAME, whole or not at all.

    fill: writes model.keras and whatever else belongs to it into the folder it is given. Raises UserError if
    the name is taken or odd, or the disk refuses.
    """
    check_name(name)
    target = models_folder() / name
    unfinished = target.with_name(f".{name}.{os.getpid()}.part")
    workspace.make_folder(unfinished)
    try:
        with workspace.writing(target):
            fill(unfinished)
            workspace.write_json(unfinished / "split.json", split)
            now = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
            card = card | {"name": name, "promoted": now, "sha256": file_hash(unfinished / "model.keras")}
            workspace.write_json(unfinished / "card.json", card)
            (unfinished / "card.md").write_text(model_card.text(card), encoding="utf-8")
            unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return StoredModel(name, target / "model.keras", card)


def remove(name: str) -> None:
    """Deletes a promoted model for good. Raises UserError if there is none."""
    if name not in {model.name for model in promoted()}:
        raise UserError(f"There is no promoted model {name!r}.", fix="`models list` shows the names.")
    with workspace.writing(models_folder() / name):
        shutil.rmtree(models_folder() / name)


def file_hash(file: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    status = file.stat()
    return _file_hash(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _file_hash(file: Path, size: int, changed: int) -> str:
    # A page asks at every click, and a model has 76 MB: an unchanged file is read once.
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_card(stored: StoredModel, card: dict[str, Any]) -> None:
    """Puts another card in the place of a model's own, with its text where it has one. Raises UserError."""
    folder = stored.file.parent
    workspace.write_json(folder / "card.json", card)
    if (folder / "card.md").is_file():
        workspace.write_bytes(folder / "card.md", model_card.text(card).encode())
