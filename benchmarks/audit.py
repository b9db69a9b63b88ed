"""Measures the audit and the Data set page: `python -m benchmarks.audit`. Prints a Markdown table.

Needs CHEST_XRAY_DATA. Everything happens in a workspace of its own, which is deleted afterwards.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect

from benchmarks.main_job import resident_megabytes
from tests.browser import Server, chromium, go, new_page
from tests.conftest import PROJECT

PAINTS = 7


def main() -> None:
    folder = (PROJECT / os.environ["CHEST_XRAY_DATA"] / "chest_xray").resolve()
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        os.environ["PNEUMOSCOPE_MODELS"] = f"{place}/models"
        rows = [("audit of chest_xray, cold: nothing prepared", f"{seconds_of_audit(folder):.1f} s")]
        warm = statistics.median(seconds_of_audit(folder) for _ in range(3))
        rows += [("the same, warm", f"{warm:.1f} s"), *measure_page(Path(place))]
    print("| what | measured |\n| --- | --- |")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


def seconds_of_audit(folder: Path) -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "core.cli", "audit", "--data", str(folder), "--json"]
    subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)
    return time.perf_counter() - begin


def measure_page(place: Path) -> list[tuple[str, str]]:
    with chromium() as browser:
        server = Server(place / "server.log")
        page = new_page(browser)
        page.goto(server.address)
        page.get_by_test_id("stSidebar").get_by_role("combobox").click()
        page.get_by_role("option", name="chest_xray").click()
        paints = []
        for _ in range(PAINTS):
            go(page, "About")
            page.wait_for_timeout(500)
            begin = time.perf_counter()
            go(page, "Data set")
            expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
            expect(page.get_by_role("img", name="Mean film of class NORMAL")).to_be_attached()
            paints.append(time.perf_counter() - begin)
        memory = page_through(page, server.process.pid)
        server.stop()
    figures = ", ".join(f"{figure:.0f}" for figure in memory)
    return [
        ("Data set page on a prepared set, first after the server's start", f"{paints[0]:.2f} s"),
        (f"the same, the {PAINTS - 1} times after", f"median {statistics.median(paints[1:]):.2f} s"),
        ("server, MB, at six points while every page of the gallery is turned", figures),
    ]


def page_through(page, process: int) -> list[float]:
    """Turns every page of the gallery; the server's memory at points on the way."""
    page.get_by_role("tab", name="Gallery").click()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    turn = page.get_by_role("button", name="Next page")
    memory, turned = [], 0
    while turn.is_enabled():
        if turned % 54 == 0:
            memory.append(resident_megabytes(process))
        first = page.get_by_test_id("stImage").first.get_by_role("img")
        before = first.get_attribute("src")
        turn.click()
        expect(first).not_to_have_attribute("src", before)
        turned += 1
    return [*memory, resident_megabytes(process)]


if __name__ == "__main__":
    main()
