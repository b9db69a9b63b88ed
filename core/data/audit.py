"""An honest look at a data set: what in it would make a score better than it deserves."""

import dataclasses
from typing import Any

import numpy as np

from core.data import manifest
from core.data.checks import CHECKS, parts, shortcuts
from core.data.checks.finding import SEVERITIES, Films, Finding
from core.data.manifest import Fix
from core.data.prepare import Prepared, prepare
from core.data.sample import CLASS_NAMES
from core.errors import UserError

RANDOM_SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Audit:
    """What the audit has to say of one data set.

    findings: the most severe first. films, patients: that count; excluded: films a fix leaves out.
    balance: {"part", "class", "films", "patients"} of each official part, or of the whole. prevalence_p:
    of the chi-square test that all official parts have one prevalence; None where there is one part.
    shared_if_random: share of the films of a validation part drawn film by film, a tenth of all, that would
    have a film of the same patient in train. nuisances: see `core.data.checks.shortcuts`.
    """

    data: str
    synthetic: bool
    films: int
    patients: int
    excluded: int
    findings: tuple[Finding, ...]
    balance: tuple[dict[str, Any], ...]
    prevalence_p: float | None
    shared_if_random: float
    nuisances: tuple[shortcuts.Nuisance, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for export; no place on this machine is among them."""
        return dataclasses.asdict(self)

    def finding(self, id: str) -> Finding:
        """The finding of that id. Raises UserError if the audit has none such."""
        for finding in self.findings:
            if finding.id == id:
                return finding
        known = ", ".join(finding.id for finding in self.findings) or "none"
        raise UserError(f"The audit has no finding {id!r}.", fix=f"Findings: {known}.")


def audit(prepared: Prepared) -> Audit:
    """Every check of CHECKS on the films that no fix excludes."""
    films = Films(prepared)
    findings = [finding for check in CHECKS for finding in check(films)] if len(films) else []
    return Audit(
        data=prepared.name,
        synthetic=prepared.synthetic,
        films=len(films),
        patients=len(set(films.column("patient"))),
        excluded=len(prepared.films) - len(films),
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        balance=tuple(_balance(films)),
        prevalence_p=parts.prevalence_p(films) if len(films) else None,
        shared_if_random=_shared_if_random(films.column("patient")),
        nuisances=tuple(shortcuts.nuisances(films)) if len(films) else (),
        notes=prepared.source.notes,
    )


def apply(prepared: Prepared, fix: Fix) -> Prepared:
    """Records the fix in the data set's manifest; returns the prepared set as it is with it.

    Raises UserError if it would leave a class without films.
    """
    gone = set(fix.films)
    left = {
        label
        for film, label, excluded in zip(
            prepared.table["id"], prepared.table["label"], prepared.table["excluded"], strict=True
        )
        if not excluded and film not in gone
    }
    for label, name in enumerate(CLASS_NAMES):
        if label not in left:
            raise UserError(
                f"That would leave no {name} film.", fix="Look at the films and mend the data set where it comes from."
            )
    manifest.add_fix(prepared.source.key, fix)
    return _again(prepared)


def undo(prepared: Prepared, fix: Fix) -> Prepared:
    """Takes back a recorded fix. Raises UserError if it is not recorded (any more)."""
    manifest.undo_fix(prepared.source.key, fix)
    return _again(prepared)


def _again(prepared: Prepared) -> Prepared:
    kept = manifest.find(prepared.source.key)
    return prepare(dataclasses.replace(prepared.source, fixes=kept.fixes if kept else ()), prepared.spec)


def _balance(films: Films) -> list[dict[str, Any]]:
    split, labels, patients = films.column("split"), films.column("label"), films.column("patient")
    found = []
    for part in ("train", "val", "test", ""):
        for label, name in enumerate(CLASS_NAMES):
            here = (split == part) & (labels == label)
            if (split == part).any():
                found.append(
                    {
                        "part": part or "all",
                        "class": name,
                        "films": int(here.sum()),
                        "patients": len(set(patients[here])),
                    }
                )
    return found


def _shared_if_random(patients: np.ndarray) -> float:
    """Expected share, exactly: a film shares unless all others of its patient are drawn for validation too."""
    _, which, films_of = np.unique(patients.astype(str), return_inverse=True, return_counts=True)
    total = len(patients)
    drawn = round(RANDOM_SHARE * total)
    if drawn < 1 or total < 2:
        return 0.0
    alone = np.ones(films_of.max() + 1)
    for others in range(1, len(alone) - 1):
        alone[others + 1] = alone[others] * max(drawn - others, 0) / (total - others)
    return float(np.mean(1 - alone[films_of[which]]))
