"""Where prepared data and runs live, and how files are written there."""

import contextlib
import json
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.errors import UserError

PROJECT = Path(__file__).resolve().parent.parent


def root() -> Path:
    """The workspace folder: PNEUMOSCOPE_WORKSPACE, or workspace/ in the project."""
    return Path(os.environ.get("PNEUMOSCOPE_WORKSPACE") or PROJECT / "workspace").absolute()


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns a disk that is full, read-only or out of reach into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{place} cannot be written: {error.strerror or error}.",
            fix="Free some space, or let PNEUMOSCOPE_WORKSPACE (for models: PNEUMOSCOPE_MODELS) name a folder "
            "you may write to.",
        ) from error


def make_folder(folder: Path) -> Path:
    """Creates the folder and its parents. Raises UserError if that is impossible."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_folder(path: Path) -> bool:
    """True for a folder in reach; a name too long or a parent that may not be entered is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """True for a file or folder in reach."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def write_json(path: Path, value: Any) -> None:
    """Writes beside, then replaces: a reader sees the old file or the new one, whole."""
    write_bytes(path, json.dumps(value, indent=1).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Atomic write of one file. Raises UserError if the disk refuses."""
    # Two sessions of one server are threads of one process.
    beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    with replacing(path, beside):
        beside.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path, beside: Path) -> Iterator[None]:
    """What is written to `beside` meanwhile takes the place of `path`, or is gone if that fails. Raises UserError."""
    with writing(path):
        try:
            yield
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def without_nan(value: Any) -> Any:
    """Plain values with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, default: Any = None) -> Any:
    """The file's content, or the default where it is missing or not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default
