"""The contract of a data source: what it hands on, whatever it reads."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from core.data.manifest import Fix

NORMAL, PNEUMONIA = 0, 1
CLASS_NAMES = ("NORMAL", "PNEUMONIA")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One film.

    id: unique in its data set and safe to show. patient: films of one patient share it; never an
    identity, see `core.data.identity`. label: 0 NORMAL, 1 PNEUMONIA. split: the official part
    ("train", "val", "test") or "". subtype: such as "bacteria", or "". view: such as "PA" or
    "LATERAL", or "". stamp: changes whenever the film's bytes do. place: what its source needs to
    find the bytes.
    """

    id: str
    patient: str
    label: int
    split: str = ""
    subtype: str = ""
    view: str = ""
    stamp: str = ""
    place: Any = dataclasses.field(default=None, compare=False)


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Films and the way to their bytes.

    key: the text that names the set on the command line. read: a sample's bytes; raises OSError
    or UserError. notes: what a user should know of how the films were taken in. licence: "" where it
    is not known. source: its name in SOURCES. fixes: what was decided about its films since. population: whose
    films these are, "" where it is not known.
    """

    key: str
    name: str
    synthetic: bool
    samples: tuple[Sample, ...]
    read: Callable[[Sample], bytes]
    notes: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    fixes: tuple[Fix, ...] = ()
    population: str = ""

    @cached_property
    def digest(self) -> str:
        """Changes with any film or what is known of it, but not with name or fixes: hexadecimal digits."""
        digest = hashlib.sha256(self.key.encode())
        for sample in self.samples:
            fields = (sample.id, sample.patient, sample.label, sample.split, sample.subtype, sample.view, sample.stamp)
            digest.update(json.dumps(fields).encode())
        return digest.hexdigest()
