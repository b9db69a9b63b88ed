"""The data card: what a data set is, in dataset.json for programs and dataset.md for people.

It lies with every prepared set, and travels into each run and each model made from it.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import workspace
from core.data import splits
from core.data.sample import CLASS_NAMES
from core.settings import TrainSettings

if TYPE_CHECKING:
    from core.data.prepare import Prepared

FILES = ("dataset.json", "dataset.md")


def describe(prepared: "Prepared", settings: TrainSettings, parts: np.ndarray) -> dict[str, Any]:
    """The card of a prepared set that was split into `parts` by these settings.

    Plain values. It names no place on this machine.
    """
    table, source = prepared.table, prepared.source
    counted = ~np.asarray(table["excluded"], dtype=bool)
    patients = np.asarray(table["patient"], dtype=object)
    return {
        "name": source.name,
        "source": source.source,
        "licence": source.licence,
        "synthetic": source.synthetic,
        "image_spec": dataclasses.asdict(prepared.spec),
        "patients": len(set(patients[counted])),
        "films": {part: int((parts == part).sum()) for part in (*splits.PARTS, splits.LEFT_OUT)},
        "counts": _counts(prepared, parts),
        "split": {
            "rule": splits.rule(table, settings),
            "seed": settings.seed,
            "validation_fraction": settings.validation_fraction,
            "test_fraction": settings.test_fraction,
        },
        # File names may be patients' names: the card travels, so it counts and hashes them.
        "exclusions": [
            dataclasses.asdict(fix)
            | {"films": len(fix.films), "sha256": hashlib.sha256("\n".join(sorted(fix.films)).encode()).hexdigest()}
            for fix in source.fixes
        ],
        "unreadable": len(prepared.unreadable),
        "notes": list(source.notes),
        "sha256": {"films": hash_of(table), "decoded": prepared.folder.name},
    }


def _counts(prepared: "Prepared", parts: np.ndarray) -> list[dict[str, Any]]:
    labels, patients = prepared.labels, np.asarray(prepared.table["patient"], dtype=object)
    found = []
    for part in (*splits.PARTS, splits.LEFT_OUT):
        for label, name in enumerate(CLASS_NAMES):
            here = (parts == part) & (labels == label)
            if here.any():
                found.append(
                    {"part": part, "class": name, "films": int(here.sum()), "patients": len(set(patients[here]))}
                )
    return found


def hash_of(table: dict[str, list]) -> str:
    """One hash for all films that were read: their names, labels and bytes, whatever their order."""
    lines = sorted(map(repr, zip(table["id"], table["label"], table["sha256"], strict=True)))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(card: dict[str, Any], folder: Path) -> None:
    """Writes both forms, unless the folder has this very card."""
    if workspace.read_json(folder / FILES[0]) != card:
        workspace.write_bytes(folder / FILES[1], text(card).encode())
        workspace.write_json(folder / FILES[0], card)


def text(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    split, size = card["split"], card["image_spec"]["size"]
    lines = [
        f"# {card['name']}{' (SYNTHETIC)' if card['synthetic'] else ''}",
        "",
        f"- Source: {card['source'].replace('_', ' ')}",
        f"- Licence: {card['licence'] or 'not stated'}",
        f"- Patients: {card['patients']:,}",
        f"- Films: brought to {size} × {size} pixels ({card['image_spec']['framing']}); "
        f"{card['unreadable']:,} files could not be read",
        f"- Split: {split['rule']}; seed {split['seed']}, validation {split['validation_fraction']:.0%}, "
        f"test {split['test_fraction']:.0%} where it is drawn",
        f"- SHA-256 of all films: `{card['sha256']['films']}`",
        "",
        "| part | class | films | patients |",
        "| --- | --- | --- | --- |",
        *(f"| {row['part']} | {row['class']} | {row['films']:,} | {row['patients']:,} |" for row in card["counts"]),
        "",
        "## Decided since",
        "",
    ]
    lines += [
        f"- {fix['made']}: "
        + (f"{fix['films']:,} films left out" if fix["kind"] == "exclude" else "all parts drawn anew by patient")
        + f" ({fix['why']})"
        for fix in card["exclusions"]
    ] or ["Nothing."]
    if card["notes"]:
        lines += ["", "## Notes", "", *(f"- {note}" for note in card["notes"])]
    return "\n".join(lines) + "\n"
