"""Films in class folders, on disk or inside an archive: what several sources share."""

import dataclasses
from collections.abc import Callable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from core.data.identity import Headers, patient_of
from core.data.sample import CLASS_NAMES, DataSet, Sample
from core.errors import UserError

SPLITS = ("train", "val", "test")
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
DEEPEST = 20
LARGEST_FILE = 256_000_000
LAYOUT = "Choose the folder that holds NORMAL and PNEUMONIA, or train, val and test with those two inside."


@dataclasses.dataclass(frozen=True)
class Tree:
    """Class folders as they were found. root: the folder that was asked for. parts: {split: {class
    name: folders}}; the split is "" where class folders lie bare."""

    root: Traversable
    parts: dict[str, dict[str, list[Traversable]]]


def existing_folder(key: str) -> Path:
    """The folder of that name. Raises UserError if there is none in reach."""
    try:
        folder = Path(key).expanduser().resolve()
        if key.strip() and folder.is_dir():
            return folder
    except (OSError, RuntimeError, ValueError):
        # An unknown ~user, a name too long, a parent that may not be entered, a NUL byte.
        pass
    raise UserError(f"There is no folder {printable(key[:200])!r} that can be read.", fix=LAYOUT)


def existing_file(key: str) -> Path:
    """The file of that name. Raises UserError if there is none in reach."""
    try:
        path = Path(key).expanduser().resolve()
        if path.is_file():
            return path
    except (OSError, RuntimeError, ValueError):
        pass
    raise UserError(f"There is no file {printable(key[:200])!r} that can be read.", fix="Check its path and spelling.")


def printable(text: str) -> str:
    """File names may hold bytes that are no text; a screen and JSON need text."""
    return text.encode("utf-8", "replace").decode()


def find(folder: Traversable) -> Tree:
    """The class folders in it, whatever single folder lies around them. Raises UserError if there are none."""
    try:
        return Tree(folder, _find_parts(folder, str(folder), DEEPEST))
    except PermissionError as error:
        raise _not_allowed(error) from error


def _not_allowed(error: PermissionError) -> UserError:
    return UserError(f"{printable(str(error.filename))} may not be read.", fix="Change its permissions.")


def _find_parts(folder: Traversable, shown: str, depth: int) -> dict[str, dict[str, list[Traversable]]]:
    inside = _subfolders(folder)
    parts = [path for path in inside if path.name.lower() in SPLIT_WORDS]
    if parts:
        found: dict[str, dict[str, list[Traversable]]] = {}
        for path in parts:
            for name, folders in _class_folders(path).items():
                found.setdefault(SPLIT_WORDS[path.name.lower()], {}).setdefault(name, []).extend(folders)
        return {split: found[split] for split in SPLITS if split in found}
    if any(path.name.upper() in CLASS_NAMES for path in inside):
        return {"": _class_folders(folder)}
    # The Kaggle archive unpacks to chest_xray/chest_xray/train.
    if len(inside) == 1 and depth:
        return _find_parts(inside[0], shown, depth - 1)
    if not inside and not any(folder.iterdir()):
        raise UserError(f"The folder {printable(shown)} is empty.", fix=LAYOUT)
    raise UserError(
        f"{printable(shown)} has no folders NORMAL and PNEUMONIA.",
        fix=f"{LAYOUT} Films with their labels in a table: choose the CSV file.",
    )


def _subfolders(folder: Traversable) -> list[Traversable]:
    # Archives made on a Mac bring a __MACOSX folder of shadows.
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))]
    return sorted(found, key=lambda path: path.name)


def _class_folders(folder: Traversable) -> dict[str, list[Traversable]]:
    inside = _subfolders(folder)
    strangers = [path.name for path in inside if path.name.upper() not in CLASS_NAMES]
    if strangers:
        raise UserError(
            f"{printable(str(folder))} holds {len(inside)} class folders: "
            f"{printable(', '.join(path.name for path in inside))}.",
            fix="Keep exactly two, NORMAL and PNEUMONIA, and move every other folder out.",
        )
    found: dict[str, list[Traversable]] = {}
    for path in inside:
        found.setdefault(path.name.upper(), []).append(path)
    return found


def data_set(
    tree: Tree,
    key: str,
    name: str,
    stamp: Callable[[Traversable], str],
    read: Callable[[Sample], bytes] | None = None,
) -> DataSet:
    """The films of a tree; opens none but for the headers of DICOM files.

    stamp: a text that changes whenever the file does. Raises UserError if a class has no film.
    """
    headers = Headers(key)
    try:
        samples = [
            _sample(path, name_in_tree, split, label, stamp(path), headers)
            for split, class_folders in tree.parts.items()
            for label, class_name in enumerate(CLASS_NAMES)
            for class_folder in class_folders.get(class_name, [])
            for path, name_in_tree in files(class_folder, _relative(class_folder, tree.root))
        ]
    except PermissionError as error:
        raise _not_allowed(error) from error
    headers.save()
    check_classes(printable(str(tree.root)), samples)
    return DataSet(
        key=key,
        name=printable(name),
        synthetic=False,
        samples=tuple(sorted(samples, key=lambda sample: sample.id)),
        read=read or read_file,
        notes=notes(samples),
    )


def load_folder(key: str) -> DataSet:
    """The films of a folder on disk, by names, sizes and times. Raises UserError if the layout is another."""
    folder = existing_folder(key)
    return data_set(find(folder), str(folder), folder.name, file_stamp)


def _relative(path: Traversable, root: Traversable) -> str:
    inside, around = (PurePosixPath(str(place).replace("\\", "/")) for place in (path, root))
    return inside.relative_to(around).as_posix()


def files(folder: Traversable, shown: str, depth: int = DEEPEST) -> Iterator[tuple[Traversable, str]]:
    """Every file in a folder and the folders in it, with its path as text that begins with `shown`.

    Raises UserError if folders lie absurdly deep.
    """
    if not depth:
        raise UserError(f"Folders lie more than {DEEPEST} deep in {printable(shown[:100])}.", fix="Move the films up.")
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path, f"{shown}/{path.name}"
        elif path.is_dir() and not (isinstance(path, Path) and path.is_symlink()):
            yield from files(path, f"{shown}/{path.name}", depth - 1)


def _sample(path: Traversable, name_in_tree: str, split: str, label: int, stamp: str, headers: Headers) -> Sample:
    film = printable(name_in_tree)
    patient, subtype = patient_of(PurePosixPath(path.name).stem)
    from_header, view = headers.of(film, stamp, lambda: path.open("rb"))
    return Sample(
        id=film,
        patient=from_header or patient or film,
        label=label,
        split=split,
        subtype=subtype,
        view=view,
        stamp=stamp,
        place=path,
    )


def read_file(sample: Sample) -> bytes:
    """The bytes of a film on disk. Raises UserError if it is far too large to be one."""
    check_size(sample.place.stat().st_size)
    return sample.place.read_bytes()


def check_size(size: int) -> None:
    """Raises UserError for a file that is far too large to be a film. size: bytes."""
    if size > LARGEST_FILE:
        raise UserError(
            f"The file has {size / 1e6:,.0f} MB; {LARGEST_FILE / 1e6:,.0f} MB are allowed.",
            fix="Export the film at its usual size.",
        )


def check_classes(where: str, samples: list[Sample], fix: str = LAYOUT) -> None:
    """Raises UserError unless both classes have films."""
    if not samples:
        raise UserError(f"There are no films in {where}.", fix=fix)
    for label, name in enumerate(CLASS_NAMES):
        if not any(sample.label == label for sample in samples):
            raise UserError(
                f"{where} holds one class only: none of its films is {name}.",
                fix=f"A classifier learns by comparing. {fix}",
            )


def notes(samples: list[Sample]) -> tuple[str, ...]:
    """What must be said of films that name no patient."""
    unnamed = sum(sample.patient == sample.id for sample in samples)
    if not unnamed:
        return ()
    return (
        f"{unnamed:,} of {len(samples):,} films carry no patient number: each of those counts "
        "as a patient of its own, so a patient with several such films may land on both sides of a split.",
    )


def file_stamp(path: Path) -> str:
    """Size and time of change of a file on disk."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"
