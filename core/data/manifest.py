"""What is remembered of a data set: its name, how to read it, and what was decided about its films.

One small file a data set in workspace/data_sets/. The films themselves are never touched.
"""

import dataclasses
import datetime
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from core import workspace
from core.errors import UserError

EXCLUDE, REGROUP = "exclude", "regroup"
LONGEST_NAME = 60


@dataclasses.dataclass(frozen=True)
class Fix:
    """One decision. kind: EXCLUDE leaves `films` (ids) out of every part; REGROUP forgets the official
    parts, so that all of them are drawn anew by patient. why: the finding that led to it."""

    kind: str
    films: tuple[str, ...] = ()
    why: str = ""
    made: str = ""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A remembered data set. columns: of a table source, see `core.data.csv_table`."""

    key: str
    name: str
    licence: str = ""
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()

    @classmethod
    def from_json(cls, values: Any) -> Self | None:
        """The manifest that was written, or None if this is none."""
        try:
            fixes = tuple(Fix(**(fix | {"films": tuple(fix["films"])})) for fix in values["fixes"])
            found = cls(**(values | {"fixes": fixes}))
        except (KeyError, TypeError):
            return None
        texts = (found.key, found.name, found.licence)
        return found if all(isinstance(text, str) for text in texts) and isinstance(found.columns, dict) else None


def _folder() -> Path:
    return workspace.root() / "data_sets"


def _file(key: str) -> Path:
    return _folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def every() -> list[Manifest]:
    """All remembered data sets, by name; a file that is damaged is passed over."""
    found = [Manifest.from_json(workspace.read_json(path)) for path in sorted(_folder().glob("*.json"))]
    return sorted(filter(None, found), key=lambda manifest: manifest.name.lower())


def find(key: str) -> Manifest | None:
    """What is remembered under that key."""
    return Manifest.from_json(workspace.read_json(_file(key)))


def key_of(text: str) -> str:
    """The key of the data set that bears this name; any other text is a key already, and a key goes first."""
    if find(text):
        return text
    return next((manifest.key for manifest in every() if manifest.name == text), text)


def remember(key: str, name: str = "", **changes: Any) -> Manifest:
    """Writes down a data set, or changes what is known of it; an empty name keeps or makes one.

    Raises UserError if another data set bears the name, or if it is no name.
    """
    name = name.strip()
    if name and not _is_name(name):
        raise UserError(
            f"{name[:LONGEST_NAME]!r} is no name for a data set.",
            fix=f"Use up to {LONGEST_NAME} letters that look like no path, no phantoms and nothing of Kaggle's.",
        )

    def change(old: Manifest) -> Manifest:
        if name and any(other.name == name and other.key != key for other in every()):
            raise UserError(f"There is a data set named {name!r} already.", fix="Choose another name.")
        return dataclasses.replace(old, **({"name": name} if name else {}), **changes)

    return _change(key, change)


def forget(key: str) -> None:
    """Drops what is remembered, fixes included. Raises UserError if nothing is."""
    if find(key) is None:
        raise UserError(f"No data set {key!r} is remembered.", fix="`data list` shows those that are.")
    with workspace.writing(_file(key)):
        _file(key).unlink(missing_ok=True)


def add_fix(key: str, fix: Fix) -> Manifest:
    """Writes down one more decision about the data set's films."""
    made = dataclasses.replace(fix, made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}")
    return _change(key, lambda old: dataclasses.replace(old, fixes=(*old.fixes, made)))


def undo_fix(key: str, fix: Fix) -> Manifest:
    """Takes back a decision. Raises UserError if it is not recorded (any more)."""

    def change(old: Manifest) -> Manifest:
        if fix not in old.fixes:
            raise UserError("This was taken back already.", fix="Reload the page to see what is decided now.")
        place = old.fixes.index(fix)
        return dataclasses.replace(old, fixes=old.fixes[:place] + old.fixes[place + 1 :])

    return _change(key, change)


def _change(key: str, change: Callable[[Manifest], Manifest]) -> Manifest:
    path = _file(key)
    workspace.make_folder(path.parent)
    # Two visitors may decide at once: neither decision may get lost.
    with workspace.writing(path), FileLock(path.with_name(".lock")):
        changed = change(find(key) or Manifest(key, free_name(Path(key).stem)))
        workspace.write_json(path, dataclasses.asdict(changed))
    return changed


def free_name(stem: str) -> str:
    """The stem, or the stem with a number, that no data set bears yet."""
    stem = re.sub(r"[^\w. -]+", "-", stem).strip()[: LONGEST_NAME - 6] or "films"
    if not _is_name(stem):
        stem = f"my {stem}"
    taken = {manifest.name for manifest in every()}
    number = 1
    while (name := stem if number == 1 else f"{stem} {number}") in taken:
        number += 1
    return name


def _is_name(text: str) -> bool:
    """A name must not look like a key, or one would hide the other."""
    looks_like_key = "/" in text or "\\" in text or text.lower().startswith(("phantoms", "kaggle:"))
    return len(text) <= LONGEST_NAME and text.isprintable() and not looks_like_key
