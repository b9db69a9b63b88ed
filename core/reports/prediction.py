"""The answer to one film to hand over: a page or a sheet of paper. It names no file, for names may be a patient's."""

import dataclasses
import datetime
from typing import Any

import numpy as np

from core import wording
from core.data.checks.finding import NOTE, WARNING
from core.metrics import Interval
from core.model_card import NOTICE
from core.prediction import Prediction
from core.reports import pages
from core.reports.document import NAMED, Block, Document, Example, Examples, Heading, Paragraph, Points, Table, Warned


@dataclasses.dataclass(frozen=True)
class Asked:
    """A film and what was said of it.

    overlay: where the network looked, (size, size, 3) uint8 RGB, or None. sha256: of the film's file. worth: at which
    prevalence, in (0, 1), and the PPV or NPV there, whichever goes with the verdict; None where it is not known.
    """

    prediction: Prediction
    overlay: np.ndarray | None
    sha256: str
    worth: tuple[float, Interval] | None = None


def prediction_html(asked: Asked, name: str, card: dict[str, Any]) -> str:
    """As one HTML page that holds all it shows. name, card: the model's."""
    return pages.of(_document(asked, name, card))


def prediction_pdf(asked: Asked, name: str, card: dict[str, Any]) -> bytes:
    """As a PDF file of one page of A4. name, card: the model's."""
    from core.reports import pdf

    return pdf.of(_document(asked, name, card))


def _document(asked: Asked, name: str, card: dict[str, Any]) -> Document:
    found, data = asked.prediction, card["data"]
    blocks: list[Block] = [Heading(wording.VERDICTS[found.verdict]), Paragraph(wording.of_prediction(found))]
    blocks += [Warned(WARNING, "Why", reason) for reason in found.reasons]
    blocks += [Warned(NOTE, "Mind", text) for text in found.warnings]
    caption = "The film as the model saw it"
    if asked.overlay is not None:
        caption += "; beside it where the network looked: attention, not localisation of disease"
    blocks.append(Examples((Example(found.film, asked.overlay, f"{caption}."),)))
    blocks.append(Table((), [*_answer(asked), *_model(name, card)], NAMED))
    blocks.append(Points([NOTICE, *(limit for limit in card.get("limits", ()) if limit != NOTICE)]))
    synthetic = " (SYNTHETIC: drawn by a computer)" if data["synthetic"] else ""
    return Document(
        title="A model's answer to one chest film",
        subtitle=f"By {name}, made from {data['name']}{synthetic}. {datetime.datetime.now():%Y-%m-%d %H:%M}. {NOTICE}",
        notice=NOTICE,
        blocks=blocks,
    )


def _answer(asked: Asked) -> list[tuple[str, str]]:
    found = asked.prediction
    rows = [("Probability of pneumonia", f"{wording.probability(found.probability)}, calibrated")]
    if asked.worth and found.verdict in ("suggests_pneumonia", "suggests_normal"):
        rows.append(("Worth", wording.of_worth(asked.worth[0], found.verdict == "suggests_pneumonia", asked.worth[1])))
    return [*rows, ("SHA-256 of the film's file", asked.sha256)]


def _model(name: str, card: dict[str, Any]) -> list[tuple[str, str]]:
    point = card["operating_point"]
    return [
        ("Model", f"{name}: {card['architecture']}, {card['parameters']:,} parameters"),
        ("Operating point", f"{wording.figure(point['threshold'])}: {point['rule']}"),
        ("Made from", f"{card['data']['name']}; licence: {card['data'].get('licence') or 'not stated'}"),
        ("SHA-256 of the model", card["sha256"]),
    ]
