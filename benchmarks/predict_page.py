"""The Predict page as a visitor meets it: `python -m benchmarks.predict_page`. Prints a Markdown table.

The model that ships; films of originals where CHEST_XRAY_DATA is set, else phantoms. Everything happens in a workspace
of its own, which is deleted afterwards.
"""

import os
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

import psutil
from playwright.sync_api import Page, expect

from benchmarks.interleaved import table
from tests.browser import Server, chromium, go, new_page
from tests.conftest import PROJECT
from tests.helpers import encode, film

DROPS, MANY = 12, 500
VERDICT = "Calibrated probability of pneumonia"
# Notes in the browser itself when the file is there and when the verdict is.
WATCH = """() => {
  window.verdict = 0
  const shown = () => [...document.querySelectorAll('[data-testid=stProgress]')].some(e => e.innerText.includes('%'))
  document.querySelector('input[type=file]').addEventListener('change', () => {
    const dropped = performance.now()
    const watch = new MutationObserver(() => {
      if (shown()) { window.verdict = performance.now() - dropped; watch.disconnect() }
    })
    watch.observe(document.body, {subtree: true, childList: true, characterData: true})
  }, {once: true, capture: true})
}"""


def main() -> None:
    films = films_at_hand()
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        begin = time.perf_counter()
        server = Server(Path(place) / "server.log")
        page = new_page(browser)
        page.goto(server.address)
        go(page, "Predict")
        page.locator("input[type=file]").set_input_files(films[0])
        expect(page.get_by_text(VERDICT)).to_be_visible()
        rows = [["server start to the first verdict on the page", f"{time.perf_counter() - begin:.1f} s"]]
        taken = [dropped(page, films[number % len(films)]) for number in range(DROPS)]
        spread = f"median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms"
        rows.append([f"drop of a film to its verdict, {DROPS} films", spread])
        rows += many(page, server, Path(place), films)
        page.close()
        server.stop()
    table(["Predict page", "measured"], rows)


def films_at_hand() -> list[dict]:
    """Files as Playwright takes them."""
    given = os.environ.get("CHEST_XRAY_DATA")
    found = sorted((PROJECT / given / "originals").rglob("*.jpeg"))[:60] if given else []
    contents = [file.read_bytes() for file in found] or [encode(film(seed), ".jpeg") for seed in range(20)]
    return [{"name": f"{n}.jpeg", "mimeType": "image/jpeg", "buffer": content} for n, content in enumerate(contents)]


def dropped(page: Page, one: dict) -> float:
    """Milliseconds from the file in the browser to its verdict."""
    page.get_by_role("button", name="Remove").first.click()
    expect(page.get_by_text(VERDICT)).to_have_count(0)
    page.wait_for_timeout(500)
    page.evaluate(WATCH)
    page.locator("input[type=file]").set_input_files(one)
    page.wait_for_function("() => window.verdict > 0")
    return page.evaluate("() => window.verdict")


def many(page: Page, server: Server, place: Path, films: list[dict]) -> list[list[str]]:
    """An archive of MANY films, three times: the later ones show whether memory grows."""
    rows, process = [], psutil.Process(server.process.pid)
    for turn in ("first", "second", "third"):
        # A file of the same name would be no change to the browser.
        upload = place / f"{turn}.zip"
        with zipfile.ZipFile(upload, "w") as archive:
            for number in range(MANY):
                archive.writestr(f"{number:03}.jpeg", films[number % len(films)]["buffer"])
        page.get_by_role("button", name="Remove").first.click()
        page.wait_for_timeout(1000)
        begin = time.perf_counter()
        page.locator("input[type=file]").set_input_files(upload)
        expect(page.get_by_text("Choose a row to see its film.")).to_be_visible()
        wall = time.perf_counter() - begin
        memory = process.memory_info().rss / 1e6
        figure = f"{wall:.1f} s; server {memory:.0f} MB"
        rows.append([f"{MANY} films in an archive of {upload.stat().st_size / 1e6:.0f} MB, {turn} time", figure])
    return rows


if __name__ == "__main__":
    main()
