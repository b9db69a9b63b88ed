"""What a report says of its model, of the data the model was made from, and of its limits."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from core import wording
from core.model_card import NOTICE
from core.reports.document import NAMED, Block, Heading, Paragraph, Points, Table

LIMITS = (
    "The intervals tell how far chance may have moved the figures among films such as these, and nothing of films from "
    "other hospitals, devices or ages.",
    "Whether a film shows pneumonia was said by those who made the data set; where they erred, so do these figures.",
)


def blocks(card: dict[str, Any]) -> list[Block]:
    """From a model's card."""
    return [block for part in (_model, _data, _limits) for block in part(card)]


def _model(card: dict[str, Any]) -> Iterator[Block]:
    calibration, point, spec = card["calibration"], card["operating_point"], card["image_spec"]
    yield Heading("The model's card")
    rows = [
        ("Architecture", f"{card['architecture']}, {card['parameters']:,} parameters"),
        (
            "Films it sees",
            f"{spec['size']} × {spec['size']} pixels, framing {spec['framing']}, equalised: "
            f"{spec.get('equalise', 'none')}",
        ),
        ("Best epoch", f"{card['best_epoch']} of {card['settings']['epochs']}"),
        (
            "Calibration",
            f"temperature {calibration['temperature']:.3f}, bias {calibration.get('bias', 0.0):+.3f}"
            + (f", fitted on {calibration['films']:,} films" if "films" in calibration else ""),
        ),
        ("Operating point", f"{wording.figure(point['threshold'])}: {point['rule']}"),
        ("SHA-256", card["sha256"]),
        *(
            (title, str(card[name]))
            for name, title in (("created", "Created"), ("promoted", "Promoted"))
            if name in card
        ),
    ]
    yield Table((), [*rows, *_made_with(card.get("made_with") or {})], NAMED)
    if card.get("looks"):
        yield Points(card["looks"])
    yield from _shifts(card)
    yield Heading("Settings", below=True)
    settings = [(name.replace("_", " "), _plain(value)) for name, value in card["settings"].items()]
    # In two columns, which a reader goes down one after the other.
    half = (len(settings) + 1) // 2
    rows = [(*left, *right) for left, right in zip_longest(settings[:half], settings[half:], fillvalue=("", ""))]
    yield Table(("Setting", "Value") * 2, rows, (1, 1, 1, 1))


def _made_with(made: dict[str, Any]) -> Iterator[tuple[str, str]]:
    versions = made.get("versions") or {}
    if versions:
        wanted = [name for name in ("tensorflow", "keras", "numpy") if name in versions]
        python = f"Python {made['python']}, " if "python" in made else ""
        yield "Made with", python + ", ".join(f"{name} {versions[name]}" for name in wanted)
    if made.get("git"):
        yield "Revision", f"{made['git']['revision']}{', changed since' if made['git'].get('changed') else ''}"


def _shifts(card: dict[str, Any]) -> Iterator[Block]:
    """How a released model did on films as other departments would take them."""
    shifts = card.get("cross_validation", {}).get("by_shift")
    if not shifts:
        return
    names = ("sensitivity", "specificity", "roc_auc")
    yield Heading("Films as other departments would take them", below=True)
    rows = [
        (shift, f"{found['films']:,}", *(wording.figure(found[name]) for name in names))
        for shift, found in shifts.items()
    ]
    header = ("Films", "How many", *(wording.TITLES[name] for name in names))
    yield Table(header, rows, (2, 1, 1, 1, 1), figures=1)
    yield Paragraph("Exposure, framing and sharpness were changed by us, in films not trained on.", quiet=True)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in ("", None) else str(value)


def _data(card: dict[str, Any]) -> Iterator[Block]:
    data = card["data"]
    split = data.get("split", {})
    yield Heading("The card of the data it was made from")
    left_out = [
        f"{fix['films']:,} films ({fix['why']})" for fix in data.get("exclusions", ()) if fix["kind"] == "exclude"
    ]
    rows = [
        ("Name", data["name"] + (" (SYNTHETIC: drawn by a computer)" if data["synthetic"] else "")),
        ("Licence", data.get("licence") or "not stated"),
        *((("Patients", f"{data['patients']:,}"),) if "patients" in data else ()),
        *((("Split", f"{split['rule']}; seed {split['seed']}"),) if split else ()),
        ("Left out", "; ".join(left_out) or "nothing"),
        ("Unreadable files", f"{data.get('unreadable', 0):,}"),
        ("SHA-256 of all films", data["sha256"]["films"]),
    ]
    yield Table((), rows, NAMED)
    if data.get("counts"):
        counts = [(row["part"], row["class"], f"{row['films']:,}", f"{row['patients']:,}") for row in data["counts"]]
        yield Table(("Part", "Class", "Films", "Patients"), counts, (1, 1, 1, 1), figures=2)
    if data.get("notes"):
        yield Points(data["notes"])


def _limits(card: dict[str, Any]) -> Iterator[Block]:
    yield Heading("Limits")
    yield Points([*LIMITS, *(limit for limit in card.get("limits", ()) if limit != NOTICE), NOTICE])
    if card.get("attribution"):
        yield Heading("Attribution", below=True)
        yield Points(card["attribution"])
