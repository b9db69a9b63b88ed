"""A data set of Kaggle by its name, fetched once with kagglehub and then read from disk."""

import dataclasses
import re
import shutil
from pathlib import Path

from filelock import FileLock

from core import workspace
from core.data import tree
from core.data.sample import DataSet
from core.errors import UserError

TITLE = "Kaggle, by name"
PREFIX = "kaggle:"
CHEST_XRAY = "kaggle:paultimothymooney/chest-xray-pneumonia"
# As its page on Kaggle states them (Kermany et al. 2018, Mendeley Data).
LICENCES = {CHEST_XRAY: "CC BY 4.0"}
POPULATIONS = {CHEST_XRAY: "films of children of 1 to 5 years, of one centre (Guangzhou)"}
HANDLE = re.compile(r"[A-Za-z0-9_-]{1,80}/[A-Za-z0-9_.-]{1,80}")


def recognises(key: str) -> bool:
    """kaggle:OWNER/NAME."""
    return key.startswith(PREFIX)


def load(key: str) -> DataSet:
    """The films of a data set that was downloaded. Raises UserError if it was not, or is laid out otherwise."""
    folder = folder_of(key)
    if not is_downloaded(key):
        raise UserError(
            f"{_handle(key)} is not on this machine yet.",
            fix="Download it on the Data set page, or with `make data`.",
        )
    found = tree.data_set(tree.find(folder), key, _handle(key).split("/")[1], tree.file_stamp)
    return dataclasses.replace(found, licence=LICENCES.get(key, ""), population=POPULATIONS.get(key, ""))


def folder_of(key: str) -> Path:
    """Where the data set lies once it is downloaded."""
    return workspace.root() / "kaggle" / _handle(key).replace("/", "--")


def is_downloaded(key: str) -> bool:
    """True once the whole data set is on this machine."""
    return folder_of(key).is_dir()


def download(key: str) -> Path:
    """Fetches the data set, unless it is there. Raises UserError when offline, refused or out of space."""
    folder = folder_of(key)
    if folder.is_dir():
        return folder
    workspace.make_folder(folder.parent)
    unfinished = folder.with_name(f"{folder.name}.part")
    with workspace.writing(folder.parent), FileLock(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return folder
        try:
            _fetch(_handle(key), unfinished)
            # The folder appears under its name only when it is whole.
            unfinished.replace(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _handle(key: str) -> str:
    handle = key.removeprefix(PREFIX)
    if not HANDLE.fullmatch(handle):
        raise UserError(f"{key[:120]!r} names no data set of Kaggle.", fix=f"Write {PREFIX}OWNER/NAME.")
    return handle


def _fetch(handle: str, folder: Path) -> None:
    # Both take their time to import, and only a download needs them.
    import kagglehub
    import requests
    from kagglehub import exceptions

    try:
        kagglehub.dataset_download(handle, output_dir=str(folder))
    except (exceptions.UnauthenticatedError, exceptions.CredentialError) as error:
        raise _no_access(handle) from error
    except exceptions.KaggleApiHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise _no_access(handle) from error
        if status == 404:
            raise UserError(
                f"Kaggle has no data set {handle}.", fix="Check owner and name on its page at kaggle.com."
            ) from error
        raise UserError(f"Kaggle answered with status {status}.", fix="Try again later.") from error
    except exceptions.DataCorruptionError as error:
        raise UserError(f"{handle} arrived damaged.", fix="Download it again.") from error
    except requests.RequestException as error:
        raise UserError(
            "Kaggle cannot be reached from this machine.",
            fix="Connect to the internet, or download the archive from kaggle.com elsewhere and choose the .zip here.",
        ) from error
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}.", fix="Free some space and try again."
        ) from error


def _no_access(handle: str) -> UserError:
    return UserError(
        f"Kaggle wants to know who asks for {handle}.",
        fix="Create an API token at kaggle.com/settings and set KAGGLE_API_TOKEN, or put kaggle.json into ~/.kaggle.",
    )
