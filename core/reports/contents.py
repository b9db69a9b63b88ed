"""What the report of an evaluation says, from first to last."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from core import breakdown, wording
from core.bootstrap import RESAMPLES
from core.evaluation import EvaluationReport
from core.model_store import NOTICE
from core.reports.document import (
    Block,
    Document,
    Drawing,
    Drawings,
    Example,
    Examples,
    Heading,
    Paragraph,
    Points,
    Table,
    Warned,
)

# Of a table with a name and what it is.
NAMED = (1, 3)
LIMITS = (
    "The intervals tell how far chance may have moved the figures among films such as these, and nothing of films from "
    "other hospitals, devices or ages.",
    "Whether a film shows pneumonia was said by those who made the data set; where they erred, so do these figures.",
)


def of(report: EvaluationReport, card: dict[str, Any], examples: Sequence[Example]) -> Document:
    """The document. card: the model's."""
    parts = (_cautions, _judged, _figures, _answers, _curves, _groups)
    blocks = [block for part in parts for block in part(report)]
    blocks += _examples(examples)
    blocks += [block for part in (_model, _data, _limits) for block in part(card)]
    synthetic = " (SYNTHETIC)" if report.synthetic else ""
    return Document(
        title=f"Evaluation of {report.model}",
        subtitle=f"On {report.data}{synthetic}, {report.part} part. Made {report.made}. {NOTICE}",
        notice=NOTICE,
        blocks=blocks,
    )


def _cautions(report: EvaluationReport) -> Iterator[Block]:
    yield Heading("Before you believe the figures")
    for caution in report.cautions:
        yield Warned(caution.severity, caution.title, caution.text)
    if not report.cautions:
        yield Paragraph("None of the known cautions applies.")


def _judged(report: EvaluationReport) -> Iterator[Block]:
    yield Heading("What was judged")
    seen = f"{report.seen_patients:,}" if report.seen_patients else "none"
    rows = [
        ("Model", report.model),
        ("Data set", report.data + (" (SYNTHETIC: drawn by a computer)" if report.synthetic else "")),
        ("Relation", "not the data the model was made from" if report.external else "the data the model was made from"),
        ("Part", f"{report.part}: {wording.PARTS[report.part]}" if report.part in wording.PARTS else report.part),
        ("Films", f"{report.films:,}"),
        ("Patients", f"{report.patients:,}; the model was trained on films of {seen} of them"),
        ("Prevalence", f"{report.prevalence:.1%} of the films show pneumonia"),
        ("Made", report.made),
        ("SHA-256 of all films", report.films_hash),
    ]
    if report.looks:
        times = "once" if report.looks == 1 else f"{report.looks:,} times"
        rows.insert(4, ("Looks", f"this test part was evaluated {times} by then"))
    yield Table((), rows, NAMED)


def _figures(report: EvaluationReport) -> Iterator[Block]:
    from core.metrics import METRICS

    yield Heading("Figures")
    rows = [
        (wording.TITLES[name], _meaning(METRICS[name].__doc__), wording.figure(found.value), wording.interval(found))
        for name, found in report.metrics.items()
    ]
    yield Table(("Figure", "What it is", "Value", "95 % interval"), rows, (1.5, 4.4, 0.7, 1.4), figures=2)
    yield Paragraph(
        "Intervals of accuracy, sensitivity, specificity, PPV and NPV are Wilson's. The others are the middle 95 % of "
        f"a bootstrap of {RESAMPLES:,} resamples; patients are drawn, not films, for the films of one patient are "
        "alike.",
        quiet=True,
    )
    yield Paragraph(
        f"PPV and NPV hold where {report.prevalence:.1%} of the films show pneumonia, as here. Where it is rarer the "
        "same model has a lower PPV and a higher NPV.",
        quiet=True,
    )


def _meaning(docstring: str | None) -> str:
    return (
        (docstring or "")
        .split("\n")[0]
        .replace("Positive predictive value: s", "S")
        .replace("Negative predictive value: s", "S")
    )


def _answers(report: EvaluationReport) -> Iterator[Block]:
    from core.reports import drawings

    yield Heading("Operating point and answers")
    yield Paragraph(
        f"A film is called pneumonia from a probability of {wording.figure(report.threshold)} on. How that threshold "
        f"was set: {report.rule.rstrip('.')}."
    )
    c, found = report.confusion, report.curves.histogram
    yield Drawings(
        (
            Drawing(lambda: drawings.confusion(c), wording.of_confusion(c)),
            Drawing(lambda: drawings.histogram(found, report.threshold), wording.of_histogram(report)),
        )
    )


def _curves(report: EvaluationReport) -> Iterator[Block]:
    from core.reports import drawings

    found, c = report.curves, report.confusion
    yield Heading("Curves")
    yield Drawings(
        (
            Drawing(lambda: drawings.roc(found.roc, c), wording.of_roc(report)),
            Drawing(lambda: drawings.pr(found.pr, c), wording.of_pr(report)),
            Drawing(lambda: drawings.reliability(found.reliability), wording.of_reliability(report)),
            Drawing(lambda: drawings.decision(found.decision), wording.of_decision(report)),
        )
    )


def _groups(report: EvaluationReport) -> Iterator[Block]:
    if not report.breakdown:
        return
    names = breakdown.FIGURES
    yield Heading("Group by group")
    for way in dict.fromkeys(group.way for group in report.breakdown):
        yield Heading(way, below=True)
        rows = [
            (
                group.name,
                f"{group.films:,}",
                f"{group.pneumonia:,}",
                *(wording.with_interval(group.metrics[name]) if name in group.metrics else "" for name in names),
            )
            for group in report.breakdown
            if group.way == way
        ]
        header = ("Group", "Films", "Pneumonia", *(wording.TITLES[name] for name in names))
        yield Table(header, rows, (1.5, 0.6, 1.05, *[1.4] * len(names)), figures=1)
    yield Paragraph(
        "In brackets the 95 % interval. The ROC AUC of a kind of pneumonia is against all normal films. Where groups "
        "are small, differences between them may be chance.",
        quiet=True,
    )


def _examples(examples: Sequence[Example]) -> Iterator[Block]:
    if not examples:
        return
    yield Heading("Single films")
    if any(example.overlay is not None for example in examples):
        yield Paragraph(
            "Coloured: where the network looked for its answer. It shows attention; it does not locate disease.",
            quiet=True,
        )
    yield Examples(tuple(examples))


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
