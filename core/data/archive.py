"""Archives from strangers: what they may hold, and how much."""

import lzma
import os
import re
import stat
import zipfile
import zlib
from collections import Counter

from core.errors import UserError

# Each limit can be set by an environment variable of this name with PNEUMOSCOPE_ before it.
LIMITS = {"ZIP_GIGABYTES": 20.0, "ZIP_FILES": 200_000, "ZIP_RATIO": 200.0, "NPZ_GIGABYTES": 4.0}
# Below this size no ratio is suspicious: a black picture packs very well.
SMALL = 10_000_000
NESTED = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
ENCRYPTED = 0x1
DEEPEST = 20
# What zipfile and zlib raise on a member that is damaged.
DAMAGE = (EOFError, NotImplementedError, RuntimeError, ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


def limit(name: str) -> float:
    """A limit of LIMITS, or what the environment says. Raises UserError if that is no number."""
    text = os.environ.get(f"PNEUMOSCOPE_{name}", "")
    try:
        return float(text) if text else LIMITS[name]
    except ValueError:
        raise UserError(f"PNEUMOSCOPE_{name} is {text!r}.", fix="Set it to a number.") from None


def check_archive(archive: zipfile.ZipFile) -> None:
    """Raises UserError if the archive is a bomb or holds what none of ours does; unpacks nothing."""
    members = archive.infolist()
    if len(members) > limit("ZIP_FILES"):
        raise UserError(
            f"The archive holds {len(members):,} files; {limit('ZIP_FILES'):,.0f} are allowed.",
            fix="Split it, or raise PNEUMOSCOPE_ZIP_FILES.",
        )
    for member in members:
        _check_member(member)
    names = Counter(member.filename for member in members)
    if len(names) < len(members):
        twice = next(name for name, count in names.items() if count > 1)
        raise UserError(f"The archive holds {_shown(twice)} twice.", fix="Make the archive anew.")
    unpacked = check_unpacked(archive, "ZIP_GIGABYTES")
    packed = sum(member.compress_size for member in members)
    if unpacked > SMALL and unpacked > limit("ZIP_RATIO") * packed:
        raise UserError(
            f"The archive claims to unpack to {unpacked / max(packed, 1):,.0f} times its size, as a zip bomb does.",
            fix="Films do not pack that well: make the archive anew from the films themselves.",
        )


def check_unpacked(archive: zipfile.ZipFile, name: str) -> int:
    """Bytes that the archive says it unpacks to. Raises UserError if they exceed that limit of LIMITS."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > limit(name) * 1e9:
        raise UserError(
            f"The archive would unpack to {unpacked / 1e9:,.1f} GB; {limit(name):g} GB are allowed.",
            fix=f"Split it, or raise PNEUMOSCOPE_{name}.",
        )
    return unpacked


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    # ZipInfo cuts a name at a NUL byte and keeps what was written in orig_filename.
    written = member.orig_filename.replace("\\", "/")
    if written.startswith("/") or re.match("[A-Za-z]:", written) or ".." in written.split("/") or "\0" in written:
        raise UserError(
            f"The archive holds {_shown(name)}, a path that leads out of it.", fix="Make the archive anew, without it."
        )
    if written.count("/") > DEEPEST:
        raise UserError(
            f"The archive holds folders within folders, more than {DEEPEST} deep.", fix="Pack the class folders alone."
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"The archive holds {_shown(name)}, a link.", fix="Put the file itself into the archive.")
    if member.flag_bits & ENCRYPTED:
        raise UserError(
            f"{_shown(name)} in the archive is encrypted.", fix="Make the archive anew, without a password."
        )
    if name.lower().endswith(NESTED):
        raise UserError(
            f"The archive holds another archive, {_shown(name)}.", fix="Unpack that one first, then pack the films."
        )


def _shown(name: str) -> str:
    return repr(name[:100].encode("utf-8", "replace").decode())
