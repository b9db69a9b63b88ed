"""The contract of a data source: what it hands on, whatever it reads."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

NORMAL, PNEUMONIA = 0, 1
CLASS_NAMES = ("NORMAL", "PNEUMONIA")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One film.

    id: unique in its data set and safe to show. patient: films of one patient share it.
    label: 0 NORMAL, 1 PNEUMONIA. split: the official part ("train", "val", "test") or "".
    subtype: such as "bacteria", or "". stamp: changes whenever the film's bytes do.
    """

    id: str
    patient: str
    label: int
    split: str = ""
    subtype: str = ""
    stamp: str = ""
    path: Path | None = None


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Films and the way to their bytes.

    key: the text that names the set on the command line. read: a sample's bytes; raises OSError
    or UserError. notes: what a user should know of how the films were taken in.
    """

    key: str
    name: str
    synthetic: bool
    samples: tuple[Sample, ...]
    read: Callable[[Sample], bytes]
    notes: tuple[str, ...] = ()
