"""What the report of an evaluation says, from first to last."""

from collections.abc import Iterator
from typing import Any

from core import breakdown, wording
from core.bootstrap import RESAMPLES
from core.evaluation import EvaluationReport
from core.model_card import NOTICE
from core.reports import cards, extras
from core.reports.document import NAMED, Block, Document, Drawing, Drawings, Heading, Paragraph, Table, Warned
from core.reports.extras import Extras


def of(report: EvaluationReport, card: dict[str, Any], more: Extras) -> Document:
    """The document. card: the model's."""
    parts = (_cautions, _judged, _figures, _answers, _curves, _groups)
    blocks = [block for part in parts for block in part(report)]
    blocks += extras.blocks(more)
    blocks += cards.blocks(card)
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
            Drawing(lambda: drawings.histogram(found, report.threshold), wording.of_histogram(found)),
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
