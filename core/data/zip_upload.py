"""A .zip of class folders, read where it lies: nothing is unpacked to disk."""

import dataclasses
import functools
import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from core import workspace
from core.data import tree
from core.data.archive import DAMAGE, check_archive, limit
from core.data.sample import DataSet, Sample
from core.errors import UserError

TITLE = "Archive (.zip)"
BLOCK = 1 << 20


def recognises(key: str) -> bool:
    """A path that ends in .zip."""
    return key.lower().endswith(".zip")


def load(key: str) -> DataSet:
    """The films of the archive. Raises UserError if it is damaged, unsafe or laid out otherwise."""
    path = tree.existing_file(key)
    archive = _opened(path, tree.file_stamp(path))
    found = tree.find(_tree(archive, path.name))
    return tree.data_set(found, str(path), path.stem, lambda inside: _stamp(inside.member), _read)


@dataclasses.dataclass(frozen=True)
class Inside:
    """A file or folder of an archive, as much of a path as `tree` needs; zipfile.Path looks through every
    name of the archive for each folder."""

    archive: zipfile.ZipFile
    shown: str
    member: zipfile.ZipInfo | None = None
    children: dict[str, "Inside"] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.shown.rsplit("/", 1)[-1]

    def __str__(self) -> str:
        return self.shown

    def is_dir(self) -> bool:
        return self.member is None

    def is_file(self) -> bool:
        return self.member is not None

    def iterdir(self) -> Iterator["Inside"]:
        return iter(self.children.values())

    def open(self, mode: str = "rb") -> IO[bytes]:
        return self.archive.open(self.member)

    def read_bytes(self) -> bytes:
        return self.archive.read(self.member)


def _tree(archive: zipfile.ZipFile, name: str) -> Inside:
    root = Inside(archive, name)
    for member in archive.infolist():
        # Some programs on Windows write backslashes.
        *folders, file = member.filename.replace("\\", "/").split("/")
        place = root
        for folder in folders:
            place = place.children.setdefault(folder, Inside(archive, f"{place.shown}/{folder}"))
        if file:
            place.children[file] = Inside(archive, f"{place.shown}/{file}", member)
    return root


def receive(upload: BinaryIO, name: str) -> Path:
    """Keeps an uploaded archive in the workspace, under its content's hash, once it has passed the checks.

    Raises UserError if it is too large, damaged or unsafe; then nothing is kept.
    """
    folder = workspace.make_folder(workspace.root() / "uploads")
    unfinished = folder / f"{os.getpid()}-{id(upload)}.part"
    digest = hashlib.sha256()
    try:
        with workspace.writing(folder), unfinished.open("wb") as out:
            while block := upload.read(BLOCK):
                digest.update(block)
                out.write(block)
                if out.tell() > limit("ZIP_GIGABYTES") * 1e9:
                    raise UserError(
                        f"The upload is larger than {limit('ZIP_GIGABYTES'):g} GB.",
                        fix="Split it, or raise PNEUMOSCOPE_ZIP_GIGABYTES.",
                    )
        _open(unfinished).close()
        stem = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in Path(name).stem)[:40]
        kept = folder / f"{stem or 'films'}-{digest.hexdigest()[:12]}.zip"
        with workspace.writing(folder):
            unfinished.replace(kept)
    finally:
        unfinished.unlink(missing_ok=True)
    return kept


def discard(key: str) -> None:
    """Deletes an archive that was uploaded; one that lies elsewhere stays."""
    if recognises(key) and Path(key).parent == workspace.root() / "uploads":
        Path(key).unlink(missing_ok=True)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{tree.printable(path.name)} is no readable .zip archive.", fix="Make it anew from the folder of films."
        ) from error
    try:
        check_archive(archive)
    except UserError:
        archive.close()
        raise
    return archive


@functools.lru_cache(maxsize=4)
def _opened(path: Path, stamp: str) -> zipfile.ZipFile:
    """One open archive for all readers: zipfile lets several threads read from it."""
    return _open(path)


def _stamp(member: zipfile.ZipInfo) -> str:
    return f"{member.file_size}-{member.CRC:08x}"


def _read(sample: Sample) -> bytes:
    tree.check_size(sample.place.member.file_size)
    try:
        return sample.place.read_bytes()
    except DAMAGE:
        raise UserError("The archive is damaged at this film.", fix="Make the archive anew.") from None
