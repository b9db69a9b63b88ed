"""What a reader must know before believing the figures. A new caution is one function and one line in CAUTIONS."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from core.data.checks.finding import NOTE, SERIOUS, SEVERITIES, WARNING

if TYPE_CHECKING:
    from core.evaluation import EvaluationReport

ABOUT_DATA = "The data: "
# Half an interval, a difference of two shares, an expected calibration error that are worth a word.
WIDE, SHIFTED, MISCALIBRATED = 0.05, 0.05, 0.05
# Looks at a test part from which on it is no longer one.
MANY_LOOKS = 2


@dataclasses.dataclass(frozen=True)
class Caution:
    """severity: one of SEVERITIES. title: what is the matter, with its figure. text: what it means."""

    severity: str
    title: str
    text: str

    @property
    def is_background(self) -> bool:
        """Good to know; it does not by itself make the figures doubtful."""
        return self.severity == NOTE or self.title.startswith(ABOUT_DATA)


def _one_answer(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    c = report.confusion
    for answer, others in (("pneumonia", c.tn + c.fn), ("normal", c.tp + c.fp)):
        if not others:
            share = report.metrics["accuracy"].value
            yield Caution(
                SERIOUS,
                f"This model says {answer} for every film",
                f"Its accuracy of {share:.1%} is the share of such films and nothing it has learnt.",
            )


def _seen(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    if report.seen_patients:
        yield Caution(
            SERIOUS,
            f"Trained on films of {report.seen_patients:,} of these {report.patients:,} patients",
            "What a model was trained on it knows by heart: these figures are better than it deserves.",
        )


def _kind_of_films(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    made_of_drawings = card["data"]["synthetic"]
    if made_of_drawings != report.synthetic:
        of, on = ("drawn phantoms", "real films") if made_of_drawings else ("real films", "drawn phantoms")
        yield Caution(
            SERIOUS, f"Made from {of}, judged on {on}", "These figures say nothing of what the model is made for."
        )


def _looks(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    if report.looks >= MANY_LOOKS:
        yield Caution(
            WARNING,
            f"This test part has been evaluated {report.looks} times",
            "Whoever looks again after changing something chooses by the test part, and it flatters the model.",
        )


def _wide(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    figures = {name: report.metrics[name] for name in ("sensitivity", "specificity")}
    widths = {name: (figure.high - figure.low) / 2 for name, figure in figures.items()}
    name, width = max(widths.items(), key=lambda item: item[1])
    if width >= WIDE:
        c = report.confusion
        films, kind = (c.tp + c.fn, "pneumonia") if name == "sensitivity" else (c.tn + c.fp, "normal")
        yield Caution(
            WARNING,
            f"Few films: the interval of the {name} is ±{width * 100:.0f} points",
            f"It rests on {films:,} {kind} films. Differences smaller than that mean nothing here.",
        )


def _prevalence(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    trained = trained_prevalence(card)
    if trained is not None and abs(trained - report.prevalence) >= SHIFTED:
        yield Caution(
            WARNING,
            f"Prevalence {report.prevalence:.0%} here, {trained:.0%} where the model was trained",
            "PPV, NPV, accuracy and calibration move with it; sensitivity, specificity and ROC AUC need not.",
        )


def _calibration(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    error = report.metrics["calibration_error"].value
    if error >= MISCALIBRATED:
        yield Caution(
            WARNING,
            f"Its probabilities are off by {error * 100:.0f} points on average",
            "On these films they are scores, not probabilities: read them for their order only.",
        )


def _external(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    if report.external:
        yield Caution(
            NOTE,
            f"External validation: made from {card['data']['name']}, judged on {report.data}",
            "The threshold was set on the films it was made from and is taken over unchanged.",
        )


def _audit(report: "EvaluationReport", card: dict[str, Any]) -> Iterator[Caution]:
    for finding in report.findings:
        yield Caution(finding["severity"], f"{ABOUT_DATA}{finding['title']}", finding["meaning"])


CAUTIONS: tuple[Callable[["EvaluationReport", dict[str, Any]], Iterator[Caution]], ...] = (
    _one_answer,
    _seen,
    _kind_of_films,
    _looks,
    _wide,
    _prevalence,
    _calibration,
    _external,
    _audit,
)


def of(report: "EvaluationReport", card: dict[str, Any]) -> list[Caution]:
    """All that apply to the report of the model with that card, the most severe first."""
    found = [caution for look in CAUTIONS for caution in look(report, card)]
    return sorted(found, key=lambda caution: SEVERITIES.index(caution.severity))


def trained_prevalence(card: dict[str, Any]) -> float | None:
    """Share of pneumonia among the films a model was trained on; None where its card does not tell."""
    counts = {row["class"]: row["films"] for row in card["data"].get("counts", ()) if row["part"] == "train"}
    total = sum(counts.values())
    return counts.get("PNEUMONIA", 0) / total if total else None
