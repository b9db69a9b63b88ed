"""How often a test part was looked at: who looks often enough chooses by it, without wanting to."""

import datetime

from filelock import FileLock

from core import workspace

FILE = "looks.json"


def count(films: str) -> int:
    """How many times the test part of these films (their hash, see `core.data.card`) was judged on this machine."""
    return len(_all().get(films, []))


def record(films: str, model: str) -> int:
    """Notes that a model was judged on the test part of these films; returns how often any was by now."""
    file = workspace.make_folder(workspace.root()) / FILE
    with workspace.writing(file), FileLock(file.with_suffix(".lock")):
        looks = _all()
        looks.setdefault(films, []).append({"model": model, "made": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"})
        workspace.write_json(file, looks)
        return len(looks[films])


def _all() -> dict[str, list]:
    found = workspace.read_json(workspace.root() / FILE, {})
    return found if isinstance(found, dict) else {}
