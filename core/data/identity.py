"""Patients without identity: who belongs together, but not who it is."""

import functools
import hashlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from core import dicom, workspace
from core.data.archive import DAMAGE
from core.errors import UserError
from core.headers import ENDINGS

# person1_bacteria_2.jpeg, IM-0115-0001.jpeg, NORMAL2-IM-0030-0001.jpeg
PNEUMONIA_NAME = re.compile(r"person(\d+)_(bacteria|virus)_\d+")
NORMAL_NAME = re.compile(r"((?:NORMAL2-)?IM-\d+)-\d+")
DICOM_ENDINGS = ENDINGS["DICOM"]


def pseudonym(patient: str) -> str:
    """A name for a patient that nobody can turn back, and that only this workspace gives.

    BLAKE2 keyed with a random salt (RFC 7693); 48 bits, enough for any data set of one machine.
    """
    return "p-" + hashlib.blake2b(patient.strip().encode(), key=_salt(workspace.root()), digest_size=6).hexdigest()


@functools.lru_cache(maxsize=8)
def _salt(root: Path) -> bytes:
    workspace.make_folder(root)
    path = root / "salt"
    with workspace.writing(path):
        beside = path.with_name(f"salt.{os.getpid()}.{threading.get_ident()}.part")
        beside.touch(mode=0o600)
        beside.write_bytes(os.urandom(32))
        try:
            # A link fails where there is one already: two first users get the same salt.
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_bytes()


def patient_of(stem: str) -> tuple[str, str]:
    """(patient, subtype) from a file's name without its ending, as the Kaggle set names its films.

    The number in personN restarts for each subtype, so both make the patient. A name of another
    kind tells neither: ("", "").
    """
    if match := PNEUMONIA_NAME.match(stem):
        number, subtype = match.groups()
        return f"{subtype}:{number}", subtype
    if match := NORMAL_NAME.match(stem):
        return match.group(1), ""
    return "", ""


class Headers:
    """What DICOM headers say of patient and view, read once and kept without identity.

    A file counts as known as long as its name and stamp stay. Use `save` when all are read.
    """

    def __init__(self, key: str):
        self.path = _headers_file(key)
        known = workspace.read_json(self.path)
        self.known: dict[str, list[str]] = known if isinstance(known, dict) else {}
        self.used: dict[str, list[str]] = {}

    def of(self, name: str, stamp: str, open_file: Callable) -> tuple[str, str]:
        """(pseudonym, view) of one file; ("", "") where it is no DICOM object or names no patient."""
        if Path(name).suffix.lower() not in DICOM_ENDINGS:
            return "", ""
        entry = f"{name}|{stamp}"
        if entry not in self.known:
            self.known[entry] = list(_read_header(open_file))
        self.used[entry] = self.known[entry]
        return self.used[entry][0], self.used[entry][1]

    def save(self) -> None:
        """Keeps what was read, where anything was."""
        if self.used and self.used.keys() != (workspace.read_json(self.path) or {}).keys():
            workspace.make_folder(self.path.parent)
            workspace.write_json(self.path, self.used)


def forget_headers(key: str) -> None:
    """Deletes what is kept of the data set's headers."""
    _headers_file(key).unlink(missing_ok=True)


def _headers_file(key: str) -> Path:
    return workspace.root() / "headers" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _read_header(open_file: Callable) -> tuple[str, str]:
    try:
        with open_file() as file:
            found = dicom.describe(file)
    except (OSError, UserError, *DAMAGE):
        # What is wrong with the film is said when it is decoded.
        return "", ""
    return pseudonym(found.patient_id) if found.patient_id.strip() else "", found.view
