"""An evaluation to hand over: as a page, as a PDF, as JSON."""

from typing import Any

import core
from core import workspace
from core.evaluation import EvaluationReport
from core.model_card import NOTICE
from core.reports import contents, pages
from core.reports.extras import Extras

# matplotlib and reportlab are imported where they are called: every page reads this file as it starts.
NONE = Extras()


def evaluation_html(report: EvaluationReport, card: dict[str, Any], more: Extras = NONE) -> str:
    """The report as one HTML page that holds all it shows. card: the model's."""
    return pages.of(contents.of(report, card, more))


def evaluation_pdf(report: EvaluationReport, card: dict[str, Any], more: Extras = NONE) -> bytes:
    """The report as a PDF file, for A4. card: the model's."""
    from core.reports import pdf

    return pdf.of(contents.of(report, card, more))


def report_json(report: EvaluationReport, card: dict[str, Any], more: Extras = NONE) -> dict[str, Any]:
    """Everything the report rests on, as plain values: the report, its answers to the single films, the model's card.

    A figure that cannot be told is null; so is what is not at hand. Of single films shown, pictures are not in it.
    """
    answers = None if report.answers is None else report.answers.to_dict("records")
    return workspace.without_nan(
        {
            "notice": NOTICE,
            "pneumoscope": core.__version__,
            "report": report.to_json(),
            "answers": answers,
            **more.to_json(),
            "card": card,
        }
    )
