import base64
import dataclasses
import html.parser
import json
import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from core import curves, evaluation, lineup, metrics, reports, wording
from core.breakdown import Group
from core.cautions import Caution
from core.lineup import Entry
from core.metrics import Interval, Judged
from core.model_card import NOTICE
from core.reports import Extras, contents, drawings, pdf
from core.reports.document import Example
from core.robustness import FAMILIES
from tests.conftest import PROJECT
from tests.helpers import damaged, report_on, scored

ODD = '<b>x</b>& "肺炎" <img src="http://example.org/x.png"/>'
UNKNOWN = Interval(math.nan, math.nan, math.nan)
CARD = {
    "architecture": "residual",
    "parameters": 79311,
    "image_spec": {"size": 112, "framing": "stretch"},
    "settings": {"epochs": 20, "options": {"filters": [16, 32]}, "mirror": False, "start": ""},
    "best_epoch": 20,
    "calibration": {"temperature": 0.9},
    "operating_point": {"threshold": 0.5, "rule": "the highest sensitivity + specificity"},
    "data": {"name": "Drawings", "synthetic": True, "sha256": {"films": "f" * 64}},
    "sha256": "0" * 64,
}
# All that the cards of models made by `core.release` hold besides.
FULL_CARD = CARD | {
    "created": "2026-11-23 08:19:33",
    "promoted": "2026-11-23 08:20:00",
    "calibration": {"temperature": 0.9, "bias": -0.1, "films": 100},
    "made_with": {"python": "3.11.7", "versions": {"keras": "3.15.1"}, "git": {"revision": "abc", "changed": True}},
    "cross_validation": {
        "by_shift": {"darker": {"films": 9, "sensitivity": 0.9, "specificity": 0.8, "roc_auc": 0.95}},
    },
    "looks": ["Nobody looked."],
    "limits": ["It knows two answers.", NOTICE],
    "attribution": [ODD],
    "data": CARD["data"]
    | {
        "licence": "CC BY",
        "patients": 7,
        "counts": [{"part": "train", "class": "NORMAL", "films": 5, "patients": 4}],
        "split": {"rule": "by patient", "seed": 0},
        "exclusions": [{"kind": "exclude", "films": 3, "why": "copies"}],
        "notes": [ODD],
    },
}


@pytest.fixture(scope="module")
def report():
    judged = scored()
    figures = metrics.measure(judged, ("sensitivity", "specificity", "accuracy", "roc_auc"))
    groups = [Group("View", ODD, 20, 11, figures), Group("View", "PA", 5, 5, figures | {"specificity": UNKNOWN})]
    found = [Caution("serious", ODD, ODD), Caution("note", "External", "Taken over unchanged.")]
    answers = pd.DataFrame({"film": [ODD, "b"], "label": [0, 1], "probability": [0.25, 0.5]})
    return report_on(judged, data=ODD, breakdown=groups, cautions=found, answers=answers)


def examples() -> list[Example]:
    film = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    return [Example(film, np.stack([film] * 3, axis=-1), ODD), *[Example(film, None, f"film {n}") for n in range(4)]]


MORE = Extras(examples())


def everything() -> Extras:
    """Damaged films and another model besides, with a figure that cannot be told."""
    judged = scored(40)
    tables = [
        pd.DataFrame({"film": names, "patient": names, "label": judged.labels, "probability": scores})
        for names in [[f"{ODD}{number}" for number in range(40)]]
        for scores in (judged.scores, 1 - judged.scores)
    ]
    return Extras(
        examples(), damaged(UNKNOWN), lineup.of({"first": Entry(tables[0], 0.5), "other": Entry(tables[1], 0.4)})
    )


class Parser(html.parser.HTMLParser):
    """Collects a page's text and what it would load, and finds tags that are not closed."""

    def __init__(self, page: str):
        super().__init__()
        self.text, self.loaded, self.open = "", [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href", "data", "srcset")]
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def pages(content: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", content))


def untold():
    """A report without figures, intervals and bands, on a part that is none of ours."""
    band = curves.Band(*[[math.nan] * 101] * 3)
    drawn = curves.of(scored(40))
    roc, pr = (dataclasses.replace(curve, band=band) for curve in (drawn.roc, drawn.pr))
    unknown = dict.fromkeys(metrics.METRICS, UNKNOWN)
    bandless = dataclasses.replace(drawn, roc=roc, pr=pr)
    return report_on(scored(40), metrics=unknown, curves=bandless, part="of our own", external=True)


ODD_REPORTS = {
    "nothing can be told": untold,
    # A resample may draw one of them twice, and holds one class.
    "two patients": lambda: report_on(Judged(np.array([0, 1]), np.array([0.2, 0.8]), ["a", "b"], 0.5), looks=3),
    "constant scores": lambda: report_on(dataclasses.replace(scored(40), scores=np.full(40, 0.7))),
    "none called": lambda: report_on(dataclasses.replace(scored(40), threshold=1.0)),
    "all wrong": lambda: report_on(dataclasses.replace(scored(40), scores=1.0 - scored(40).labels)),
}


def test_the_page_holds_every_figure_and_names_it(report):
    text = Parser(reports.evaluation_html(report, CARD)).text
    for name, figure in report.metrics.items():
        assert wording.TITLES[name] in text
        assert f"{wording.figure(figure.value)}" in text
        assert wording.interval(figure) in text


def test_the_page_says_what_must_be_known_first_first(report):
    text = Parser(reports.evaluation_html(report, FULL_CARD, MORE)).text
    wanted = ("Serious: ", "What was judged", "Figures", "Operating point", "Curves", "Group by group", "Single films")
    places = [text.index(title) for title in (NOTICE, *wanted, "The model's card", "data it was made from", "Limits")]
    assert places == sorted(places)
    assert text.rstrip().endswith(NOTICE)


def test_the_page_loads_nothing(report):
    page = reports.evaluation_html(report, FULL_CARD, MORE)
    loaded = Parser(page).loaded
    assert len(loaded) == 6 + 6
    assert all(source.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,")) for source in loaded)
    assert not re.search(r"url\(|@import|<script|<link", page)


def test_damaged_films_and_other_models_are_told_and_drawn(report):
    more = everything()
    page = Parser(reports.evaluation_html(report, FULL_CARD, more))
    assert sum("svg" in source for source in page.loaded) == 6 + len(FAMILIES) + 2
    for family in FAMILIES:
        assert wording.of_robustness(more.robustness, family) in page.text
    assert wording.of_comparison("first", "other", more.lineup.comparisons["other"]) in page.text
    assert page.text.count(ODD) > 20
    assert pages(reports.evaluation_pdf(report, FULL_CARD, more)) > pages(reports.evaluation_pdf(report, FULL_CARD))
    found = json.loads(json.dumps(reports.report_json(report, FULL_CARD, more), allow_nan=False))
    assert len(found["robustness"]["levels"]) == sum(map(len, FAMILIES.values()))
    assert len(found["comparisons"]["other"]["disagree"]) == len(more.lineup.comparisons["other"].disagree) > 0


def test_names_from_files_are_text_in_the_page(report):
    page = reports.evaluation_html(report, FULL_CARD, MORE)
    assert "<b>" not in page
    assert Parser(page).text.count(ODD) >= 6


def test_the_drawings_of_the_page_are_whole(report):
    sources = [source for source in Parser(reports.evaluation_html(report, CARD)).loaded if "svg" in source]
    for source in sources:
        content = base64.b64decode(source.split(",")[1]).decode()
        assert content.startswith("<?xml")
        assert content.rstrip().endswith("</svg>")


def test_the_pdf_has_pages(report):
    content = reports.evaluation_pdf(report, FULL_CARD, MORE)
    assert content.startswith(b"%PDF")
    assert pages(content) > 1
    assert b"example.org" not in content


def test_every_page_of_the_pdf_has_the_notice_and_its_number(report, monkeypatch):
    # Letters are numbered anew in every file, so the text is caught on its way there.
    drawn = []

    class Caught(pdf.Canvas):
        def drawString(self, x, y, text, **rest):
            drawn.append(text)
            super().drawString(x, y, text, **rest)

        def drawRightString(self, x, y, text, **rest):
            drawn.append(text)
            super().drawRightString(x, y, text, **rest)

    monkeypatch.setattr(pdf, "Canvas", Caught)
    count = pages(reports.evaluation_pdf(report, FULL_CARD, MORE))
    feet = [text for text in drawn if text != "•"]
    assert feet == [line for page in range(1, count + 1) for line in (NOTICE, f"Page {page}")]


def test_markup_in_names_is_text_in_the_pdf(report, monkeypatch):
    paragraphs, make = [], pdf.Paragraph
    monkeypatch.setattr(pdf, "Paragraph", lambda *given: paragraphs.append(make(*given)) or paragraphs[-1])
    pdf.of(contents.of(report, FULL_CARD, MORE))
    shown = [paragraph.getPlainText() for paragraph in paragraphs]
    assert sum(ODD in text for text in shown) >= 6


@pytest.mark.parametrize("name", ODD_REPORTS)
def test_an_odd_report_can_be_handed_over(name):
    report = ODD_REPORTS[name]()
    text = Parser(reports.evaluation_html(report, CARD)).text
    assert "nan" not in text
    assert pages(reports.evaluation_pdf(report, CARD)) > 1
    assert json.loads(json.dumps(reports.report_json(report, CARD), allow_nan=False))["answers"] is None


def test_the_json_holds_report_answers_and_card(report):
    found = json.loads(json.dumps(reports.report_json(report, FULL_CARD), allow_nan=False))
    assert found["notice"] == NOTICE
    assert found["card"] == FULL_CARD
    assert found["answers"] == [
        {"film": ODD, "label": 0, "probability": 0.25},
        {"film": "b", "label": 1, "probability": 0.5},
    ]
    again = evaluation.EvaluationReport.from_json(found["report"])
    assert again.metrics == report.metrics
    assert again.confusion == report.confusion


def test_a_long_name_without_spaces_stays_on_the_page(report):
    long = "person" * 100
    odd = dataclasses.replace(report, data=long, model=long)
    assert pages(reports.evaluation_pdf(odd, CARD, Extras([dataclasses.replace(examples()[0], caption=long)]))) > 1


def test_reports_are_made_by_several_threads_at_once(report):
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: pages(reports.evaluation_pdf(report, CARD)), range(3)))
    assert len(set(made)) == 1


def test_a_drawing_becomes_a_png_and_an_svg(report):
    drawn = drawings.confusion(report.confusion)
    assert drawings.as_png(drawn).startswith(b"\x89PNG")
    assert "<svg" in drawings.as_svg(drawn)


def test_asking_for_the_reports_loads_neither_matplotlib_nor_reportlab():
    script = "import sys; from core import reports; sys.exit(bool({'matplotlib', 'reportlab'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0
