"""Films that a visitor hands in: single files, or an archive of them; nothing is written to disk."""

import dataclasses
import io
import zipfile
from collections.abc import Callable

from core.data import tree
from core.data.archive import DAMAGE, check_archive
from core.data.tree import check_size
from core.errors import UserError

# A visitor waits for these; a data set of more is what the Data set page is for.
MOST_FILMS = 1000
# What programs put into archives beside the films.
ASIDE = ("__MACOSX/", "Thumbs.db", "desktop.ini")


@dataclasses.dataclass(frozen=True)
class HandedIn:
    """name: as its sender calls it. read: gives the file's bytes; raises UserError where they are damaged."""

    name: str
    read: Callable[[], bytes]


def films_in(name: str, content: bytes) -> list[HandedIn]:
    """The file itself, or what an archive holds, in the order of their names.

    content: of the file. Raises UserError if an archive is damaged, unsafe, empty or too large.
    """
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return [HandedIn(name, lambda: content)]
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (*DAMAGE, OSError):
        raise UserError(
            f"{tree.printable(name)} is no readable .zip archive.", fix="Make it anew from the films."
        ) from None
    check_archive(archive)
    members = [member for member in archive.infolist() if not member.is_dir() and not _is_aside(member.filename)]
    if not 0 < len(members) <= MOST_FILMS:
        raise UserError(
            f"{tree.printable(name)} holds {len(members):,} files; from 1 to {MOST_FILMS:,} are taken at a time.",
            fix="Hand in fewer, or add them as a data set." if members else "Put films into it.",
        )
    members.sort(key=lambda member: member.filename)
    return [HandedIn(member.filename, lambda member=member: _read(archive, member)) for member in members]


def _is_aside(name: str) -> bool:
    file = name.rsplit("/", 1)[-1]
    return name.startswith(ASIDE) or file.startswith(".") or file in ASIDE


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    check_size(member.file_size)
    try:
        return archive.read(member)
    except DAMAGE:
        raise UserError("The archive is damaged at this film.", fix="Make the archive anew.") from None
