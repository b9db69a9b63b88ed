"""Evaluation, its report and its page: `python -m benchmarks.evaluation`. Prints Markdown tables.

The model that ships, on the films of chest_xray where CHEST_XRAY_DATA is set, else on phantoms. Everything happens in a
workspace of its own, which is deleted afterwards.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from benchmarks.interleaved import interval, ratio, table
from core import answers, data, evaluation, metrics, model_store, reports
from core.data.prepare import Prepared, prepare
from core.prediction import BATCH, Predictor
from dashboard.judgement_figures import OF_THRESHOLD
from tests.browser import Server, chromium, go, new_page
from tests.conftest import PROJECT

MODEL, PHANTOMS = "chest-lite0", "phantoms:2000"
TURNS, VISITS, KEYS = 40, 8, 20
# Notes in the browser itself when a key goes down and when the figure says something else.
WATCH = """() => {
  const metrics = () => [...document.querySelectorAll('[data-testid=stMetric]')]
  const figure = () => metrics().map(m => m.innerText).find(text => text.includes('Sensitivity'))
  let last = figure()
  window.taken = []
  addEventListener('keydown', () => { window.pressed = performance.now() }, true)
  new MutationObserver(() => {
    const now = figure()
    if (now && now !== last && window.pressed) {
      window.taken.push(performance.now() - window.pressed)
      window.pressed = 0
    }
    last = now || last
  }).observe(document.body, {subtree: true, childList: true, characterData: true})
}"""


def main() -> None:
    given = os.environ.get("CHEST_XRAY_DATA")
    key = str((PROJECT / given / "chest_xray").resolve()) if given else PHANTOMS
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        predictor = Predictor.load(MODEL)
        prepared = prepare(data.load(key), predictor.spec)
        measure_throughput(predictor, prepared)
        measure_report(predictor, prepared)
        measure_page(Path(place))


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure_throughput(predictor: Predictor, prepared: Prepared) -> None:
    """Films a second from the prepared files to calibrated answers, and of the compiled call on films in memory."""
    parts = np.array_split(np.arange(len(prepared.films)), TURNS)

    def evaluated(rows: np.ndarray) -> None:
        for begin in range(0, len(rows), BATCH):
            predictor.probabilities(prepared.films[rows[begin : begin + BATCH]])

    def bare(films: np.ndarray) -> None:
        for begin in range(0, len(films), BATCH):
            predictor._call(films[begin : begin + BATCH])

    found: dict[str, list[float]] = {"evaluated": [], "compiled call alone": []}
    evaluated(parts[0])
    for rows in parts:
        films = np.ascontiguousarray(prepared.films[rows])[..., None]
        ways = {"evaluated": lambda r=rows: evaluated(r), "compiled call alone": lambda f=films: bare(f)}
        for name in random.sample(list(ways), len(ways)):
            found[name].append(len(rows) / seconds(ways[name]))
    table(["way", "films a second"], [[name, str(interval(speeds))] for name, speeds in found.items()])
    share = ratio(found["evaluated"], found["compiled call alone"])
    print(f"\n{len(prepared.films):,} films in {TURNS} parts, the ways in turns: {share} of the compiled call.\n")


def measure_report(predictor: Predictor, prepared: Prepared) -> None:
    """Everything after the answers."""
    probabilities = np.random.default_rng(0).beta(0.5, 0.5, len(prepared.films))
    rows = np.flatnonzero(~np.asarray(prepared.table["excluded"]))
    films = answers.table_of(prepared, rows, probabilities[rows])
    card, threshold = predictor.card, predictor.threshold
    found = []

    def report() -> None:
        found.append(evaluation.report_of(MODEL, card, prepared, "all", films, model_store.find(MODEL).split))

    lines = [("figures, curves, groups and cautions, 2,000 draws of patients", report)]
    lines += [
        ("the page to hand over (HTML)", lambda: reports.evaluation_html(found[-1], card)),
        ("the document (PDF)", lambda: reports.evaluation_pdf(found[-1], card)),
        ("figures at another threshold", lambda: metrics.measure(answers.judged(films, threshold / 2), OF_THRESHOLD)),
    ]
    measured = [[what, *(f"{seconds(work):.2f} s" for _ in range(3))] for what, work in lines]
    table([f"{len(films):,} films", "first", "second", "third"], measured)
    print()


def measure_page(place: Path) -> None:
    """The Evaluate page from the report that came with the model, and its threshold by keyboard."""
    with chromium() as browser:
        server = Server(place / "server.log")
        page = new_page(browser)
        page.goto(server.address)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        # What the server loads beside the first page is there when a visitor has read it.
        page.wait_for_timeout(8000)
        visits = [visited(page) for _ in range(VISITS)]
        taken = moved(page)
        page.close()
        server.stop()
    later = f"median {statistics.median(visits[1:]):.2f} s, slowest {max(visits[1:]):.2f} s"
    keys = f"median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms ({len(taken)} keys)"
    rows = [
        ["first visit to the figures", f"{visits[0]:.2f} s"],
        [f"{VISITS - 1} visits after it", later],
        ["key on the threshold to figures in the browser", keys],
    ]
    table(["Evaluate page, stored report", "measured"], rows)


def visited(page: Page) -> float:
    go(page, "About")
    begin = time.perf_counter()
    go(page, "Evaluate")
    expect(page.get_by_test_id("stMetric").filter(has_text="Calibration error")).to_be_visible()
    expect(
        page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas").nth(1)
    ).to_be_visible()
    return time.perf_counter() - begin


def moved(page: Page) -> list[float]:
    """Milliseconds from each key to the figure's change."""
    slider = page.get_by_role("slider", name="Threshold").first
    page.evaluate(WATCH)
    slider.focus()
    # From end to end: a step of .001 may move no film.
    for number in range(KEYS):
        slider.press("Home" if number % 2 else "End")
        page.wait_for_timeout(700)
    return page.evaluate("() => window.taken")


if __name__ == "__main__":
    main()
