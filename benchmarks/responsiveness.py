"""How soon the dashboard answers while a run trains on all cores: `python -m benchmarks.responsiveness`.

Clicks through the pages and on a widget of the Data set page, and waits for what each brings; a Markdown table. With
CHEST_XRAY_DATA set the run trains on its films, otherwise on phantoms, the mission's network at 150 px. Everything
happens in a workspace of its own, which is deleted afterwards.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.interleaved import table
from benchmarks.training import real_films
from core import jobs, runs
from core.settings import TrainSettings
from tests.browser import Server, chromium, go, new_page
from tests.helpers import wait_for

PAGES = ("Data set", "Runs", "Train", "Overview", "Evaluate", "Predict")
# A person looks before clicking on.
PAUSE = 0.7
GOAL = 0.5
FIRST_FILM = "[data-testid=stImage] img"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clicks", type=int, default=60, help="of each kind")
    parser.add_argument("--data", default=real_films() or "phantoms:2000")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        os.environ["PNEUMOSCOPE_MODELS"] = f"{place}/models"
        rows = measure(Path(place), chosen)
    table(["click", "clicks", "p50, s", "p95, s", "slowest, s", "goal, p95"], rows)


def measure(place: Path, chosen: argparse.Namespace) -> list[list[str]]:
    with chromium() as browser:
        server = Server(place / "server.log")
        page = new_page(browser)
        page.goto(server.address)
        for name in PAGES[1:]:
            go(page, name)
        go(page, "Data set")
        expect(page.get_by_role("tab", name="Gallery")).to_be_visible()
        rows = click_through(page, chosen.clicks, "at rest")
        run = train(chosen.data)
        rows += click_through(page, chosen.clicks, "while a run trains")
        if run.status.state != "training":
            raise RuntimeError(f"The run is {run.status.state}: {run.status.error}")
        runs.stop(run.name)
        wait_for(lambda: jobs.is_open(run.status), lambda at_work: not at_work)
        page.close()
        server.stop()
    return rows


def click_through(page: Page, count: int, when: str) -> list[list[str]]:
    switches = clicks(count, lambda number: switch(page, number))
    go(page, "Data set")
    page.get_by_role("tab", name="Gallery").click()
    return [
        row(f"page switch {when}", switches),
        row(f"page of the gallery {when}", clicks(count, lambda _: turn(page))),
    ]


def train(data: str) -> runs.Run:
    """A run that trains on all cores for as long as it is let."""
    run = runs.start(TrainSettings(data=data, epochs=1000))
    wait_for(lambda: run.status.state, lambda state: state == "training")
    return run


def clicks(count: int, click: Callable[[int], None]) -> list[float]:
    seconds = []
    for number in range(count):
        time.sleep(PAUSE)
        begin = time.perf_counter()
        click(number)
        seconds.append(time.perf_counter() - begin)
    return seconds


def switch(page: Page, number: int) -> None:
    name = PAGES[number % len(PAGES)]
    page.get_by_role("link", name=name, exact=True).first.click()
    # Looked at with every frame; `expect` would look again after 0.1, 0.25 and 0.5 s only.
    page.wait_for_function("name => document.querySelector('h1')?.innerText.trim() === name", arg=name)


def turn(page: Page) -> None:
    """Turns a page of the gallery, on or back, and waits for its films."""
    before = page.locator(FIRST_FILM).first.get_attribute("src")
    on = page.get_by_role("button", name="Next page")
    (on if on.is_enabled() else page.get_by_role("button", name="Previous page")).click()
    page.wait_for_function(
        "([film, before]) => { const image = document.querySelector(film);"
        " return image && image.complete && image.getAttribute('src') !== before }",
        arg=[FIRST_FILM, before],
    )


def row(what: str, seconds: list[float]) -> list[str]:
    middle, late = statistics.median(seconds), statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    goal = f"≤ {GOAL}" if "trains" in what else ""
    return [what, f"{len(seconds)}", f"{middle:.2f}", f"{late:.2f}", f"{max(seconds):.2f}", goal]


if __name__ == "__main__":
    main()
