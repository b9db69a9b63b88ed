"""Measures the main job as a user meets it: `make bench`. Prints a Markdown table.

With CHEST_XRAY_DATA set the films of chest_xray are prepared too. Everything happens in a workspace
of its own, which is deleted afterwards.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect

from core import machine, runs
from tests.browser import Server, chromium, go, new_page
from tests.conftest import PROJECT
from tests.helpers import wait_for

SWITCHES = 24


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        os.environ["PNEUMOSCOPE_MODELS"] = f"{place}/models"
        rows = [*measure_prepare(), *measure_dashboard(Path(place))]
    print("| what | measured |\n| --- | --- |")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


def measure_prepare() -> list[tuple[str, str]]:
    given = os.environ.get("CHEST_XRAY_DATA")
    if not given:
        return [("films of chest_xray prepared", "not measured: CHEST_XRAY_DATA is not set")]
    folder = (PROJECT / given / "chest_xray").resolve()
    rows = []
    for name in ("prepared", "prepared again"):
        begin = time.perf_counter()
        command = [sys.executable, "-m", "core.cli", "prepare", "--data", str(folder), "--json"]
        found = json.loads(subprocess.run(command, cwd=PROJECT, capture_output=True, check=True).stdout)
        wall = time.perf_counter() - begin
        figure = f"{found['seconds']:.2f} s ({wall:.2f} s with the start of the process)"
        rows.append((f"{found['films']:,} films of chest_xray {name}", figure))
    return rows


def measure_dashboard(place: Path) -> list[tuple[str, str]]:
    with chromium() as browser:
        begin = time.perf_counter()
        server = Server(place / "server.log")
        page = new_page(browser)
        page.goto(server.address)
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        first = time.perf_counter() - begin
        go(page, "Data set")
        expect(page.get_by_role("img", name="Mean film of class NORMAL")).to_be_attached()
        usable = time.perf_counter() - begin
        for name in ("Runs", "Evaluate", "Predict", "About"):
            go(page, name)
        memory = resident_megabytes(server.process.pid)
        trained, shown = measure_start(page)
        switches = measure_switches(page)
        page.close()
        server.stop()
    return [
        ("server start to first page in the browser", f"{first:.1f} s"),
        ("server start to phantoms prepared and shown", f"{usable:.1f} s"),
        ("server process after every page, before a model", f"{memory:.0f} MB"),
        ("click on Start to first batch trained", f"{trained:.1f} s"),
        ("click on Start to first batch shown in the browser", f"{shown:.1f} s"),
        (
            f"page switch while a run trains, {SWITCHES} switches",
            f"median {statistics.median(switches):.2f} s, slowest {max(switches):.2f} s",
        ),
    ]


def measure_start(page) -> tuple[float, float]:
    """Seconds until the worker has trained a batch, and until the page says so."""
    # Any figures: else the page has the machine measured just now, once in its life.
    machine.remember({"speed": {"float32": 100.0, "bfloat16": 200.0}})
    go(page, "Train")
    page.get_by_role("spinbutton", name="Epochs").fill("500")
    begin = time.perf_counter()
    page.get_by_role("button", name="Start training").click()
    wait_for(lambda: [run.status.state for run in runs.every()], ["training"].__eq__, 60)
    trained = time.perf_counter() - begin
    expect(page.get_by_text(re.compile("Epoch 1 of"))).to_be_visible()
    return trained, time.perf_counter() - begin


def measure_switches(page) -> list[float]:
    names = ("Data set", "Runs", "Evaluate", "Train", "Overview", "Predict")
    seconds = []
    for number in range(SWITCHES):
        time.sleep(0.7)
        begin = time.perf_counter()
        go(page, names[number % len(names)])
        seconds.append(time.perf_counter() - begin)
    go(page, "Train")
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Evaluate this run")).to_be_visible()
    return seconds


def resident_megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
