"""Train, validation and test: drawn by patient, so that no child is on both sides."""

import re
from collections.abc import Mapping

import numpy as np

from core.data.sample import CLASS_NAMES
from core.errors import UserError
from core.settings import TrainSettings

PARTS = ("train", "validation", "test")
# A film that a fix excludes, or one in an official training folder whose patient also sits in the
# official test part.
LEFT_OUT = "left out"


def split_as(
    table: Mapping[str, list], settings: TrainSettings, recorded: Mapping[str, str] | None = None
) -> np.ndarray:
    """The part of every film as a run's settings have it: drawn (`split`) or in blocks (`split_in_blocks`)."""
    if settings.folds:
        return split_in_blocks(table, settings.folds, settings.fold, recorded)
    return split(table, settings.validation_fraction, settings.test_fraction, settings.seed, recorded)


def split_in_blocks(
    table: Mapping[str, list], folds: int, fold: int, recorded: Mapping[str, str] | None = None
) -> np.ndarray:
    """The part of every film where block number `fold` of `folds` validates: (n,) as from `split`.

    The patients of each class, subtype and series of names lie in the order of their numbers and are cut
    into blocks of as many films: numbers that are near each other were probably given at the same time. No
    test part is drawn; an official one stays.
    """
    parts, free = _known_parts(table, recorded)
    patients = np.asarray(table["patient"], dtype=object)
    for stratum in _strata(table, patients, free):
        for members in _series(patients, stratum):
            # A patient lies where the middle of its films does.
            _, patient_of_film, films_of_patient = np.unique(
                [_in_order(patients[film]) for film in members], axis=0, return_inverse=True, return_counts=True
            )
            middle = np.cumsum(films_of_patient) - films_of_patient / 2
            block = (middle * folds / len(members)).astype(int)
            parts[members[block[patient_of_film.ravel()] == fold - 1]] = "validation"
    return parts


def _series(patients: np.ndarray, films: np.ndarray) -> list[np.ndarray]:
    """The films by what their patients' names have beside numbers."""
    names = np.array([re.sub(r"\d+", "#", patients[film]) for film in films])
    return [films[names == name] for name in np.unique(names)]


def _in_order(patient: str) -> list[str]:
    """Sorts by number where names differ in their numbers only."""
    return [*(number.zfill(20) for number in re.findall(r"\d+", patient)), patient]


def split(
    table: Mapping[str, list],
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    recorded: Mapping[str, str] | None = None,
) -> np.ndarray:
    """The part of every film: (n,) of "train", "validation", "test" or "left out".

    table: columns of a prepared set; films it calls excluded are left out. An official test part stays
    the test part, and official train and val are pooled; where there is no official test part, one is
    drawn. Patients are drawn within each class and subtype until the wanted share of films is reached.
    recorded: parts that patients had in an earlier split and keep, even where the official part is another.
    Repeatable for a seed.
    """
    parts, free = _known_parts(table, recorded)
    patients = np.asarray(table["patient"], dtype=object)
    shares = {"validation": validation_fraction}
    if not _official_test(table).any():
        shares["test"] = test_fraction
    random = np.random.default_rng(seed)
    for stratum in _strata(table, patients, free):
        _draw(parts, patients, stratum, shares, random)
    return parts


def _excluded(table: Mapping[str, list]) -> np.ndarray:
    return np.asarray(table.get("excluded", [False] * len(table["patient"])), dtype=bool)


def _official_test(table: Mapping[str, list]) -> np.ndarray:
    return (np.asarray(table["split"], dtype=object) == "test") & ~_excluded(table)


def _known_parts(table: Mapping[str, list], recorded: Mapping[str, str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Every film's part as far as it is decided: "train" otherwise; and which films are free to go elsewhere."""
    patients = np.asarray(table["patient"], dtype=object)
    excluded = _excluded(table)
    official_test = _official_test(table)
    parts = np.full(len(patients), "train", dtype=object)
    parts[np.isin(patients, patients[official_test])] = LEFT_OUT
    parts[official_test] = "test"
    known = np.array([(recorded or {}).get(patient, "") for patient in patients], dtype=object)
    # What a patient's films were once used for cannot be undone, whatever is official by now.
    parts[known != ""] = known[known != ""]
    if official_test.any():
        parts[(parts == "test") & ~official_test] = LEFT_OUT
    parts[excluded] = LEFT_OUT
    return parts, (parts == "train") & (known == "")


def split_by_default(table: Mapping[str, list]) -> np.ndarray:
    """`split` with the shares and the seed that a run has unless it is told otherwise."""
    defaults = TrainSettings()
    return split(table, defaults.validation_fraction, defaults.test_fraction, defaults.seed)


def by_patient(table: Mapping[str, list], parts: np.ndarray) -> dict[str, str]:
    """{patient: part}, to be recorded. An excluded film says nothing of where its patient belongs."""
    found: dict[str, str] = {}
    excluded = table.get("excluded", [False] * len(parts))
    for patient, part, gone in zip(table["patient"], parts.tolist(), excluded, strict=True):
        # A patient of the official test part may have films in train, which are left out.
        if not gone and found.get(patient, LEFT_OUT) == LEFT_OUT:
            found[patient] = part
    return found


def rule(table: Mapping[str, list], settings: TrainSettings | None = None) -> str:
    """How `split_as` shares out these films, in words."""
    official = bool(_official_test(table).any())
    if settings and settings.folds:
        kept = "the official test part stays; " if official else ""
        return (
            f"{kept}block {settings.fold} of {settings.folds} of the patients, in the order of their numbers, validates"
        )
    if official:
        return "the official test part stays; the rest is drawn by patient within each class and subtype"
    return "all parts are drawn by patient within each class and subtype"


def _strata(table: Mapping[str, list], patients: np.ndarray, free: np.ndarray) -> list[np.ndarray]:
    """Film indices of each class and subtype; a patient with several lies where the first film does."""
    stratum_of: dict[str, tuple[int, str]] = {}
    members: dict[tuple[int, str], list[int]] = {}
    for film in np.flatnonzero(free):
        stratum = stratum_of.setdefault(patients[film], (table["label"][film], table["subtype"][film]))
        members.setdefault(stratum, []).append(film)
    return [np.array(members[stratum]) for stratum in sorted(members)]


def _draw(
    parts: np.ndarray, patients: np.ndarray, films: np.ndarray, shares: dict[str, float], random: np.random.Generator
) -> None:
    names, patient_of_film = np.unique(patients[films].astype(str), return_inverse=True)
    films_of_patient = np.bincount(patient_of_film)
    order = random.permutation(len(names))
    reached = np.cumsum(films_of_patient[order])
    begin, wanted = 0, 0.0
    for number, (part, share) in enumerate(shares.items()):
        wanted += share * len(films)
        # The cut that comes nearest, but at least one patient for each part where there are enough to go round.
        end = int(np.argmin(np.abs(reached - wanted))) + 1
        parts_to_come = len(shares) - number
        end = min(max(end, begin + 1), len(names) - parts_to_come) if len(names) > len(shares) else begin
        parts[films[np.isin(patient_of_film, order[begin:end])]] = part
        begin = end


def check_trainable(parts: np.ndarray, labels: np.ndarray) -> None:
    """Raises UserError if the training or the validation part lacks a class."""
    for part in ("train", "validation"):
        for label, name in enumerate(CLASS_NAMES):
            if not ((parts == part) & (labels == label)).any():
                raise UserError(
                    f"The {part} part holds no {name} film: there are too few patients to share out.",
                    fix="Add films of more patients, outside an official test part, or change the shares.",
                )
