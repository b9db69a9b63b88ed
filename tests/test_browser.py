"""The whole path in a real browser: open, train, watch, evaluate, upload, read the verdict."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from playwright.sync_api import expect, sync_playwright

from core import runs
from tests.conftest import PROJECT
from tests.helpers import encode, film, wait_for

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
# A first page, a first import of TensorFlow and a training epoch all take seconds.
PATIENCE = 60_000


class Server:
    """The dashboard in a process of its own."""

    def __init__(self, log):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://localhost:{self.port}"
        self.log = log
        self.start()

    def start(self):
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ)
        wait_for(self.healthy, bool, 30)

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "server.log")
    yield running
    running.stop()


@pytest.fixture
def page():
    """A browser page that remembers every error on its console."""
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 1000})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.errors = []
        page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        yield page
        browser.close()


def go(page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_a_visitor_trains_judges_and_asks(server, page, tmp_path):
    page.goto(server.address)
    expect(page.get_by_text("Research demonstration, not a medical device.")).to_be_visible()

    go(page, "Data set")
    expect(page.get_by_text("SYNTHETIC").first).to_be_visible()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("phantom-.*PNEUMONIA")).first).to_be_visible()

    go(page, "Train")
    page.get_by_role("spinbutton", name="Epochs").fill("3")
    page.get_by_role("spinbutton", name="Image size (pixels)").fill("64")
    page.get_by_role("textbox", name="Filters").fill("8, 16, 32")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile(r"Epoch \d of 3"))).to_be_visible()
    run = runs.every()[0]
    chart = page.get_by_test_id("stVegaLiteChart").first
    expect(chart).to_be_visible()
    before = chart.screenshot()
    wait_for(lambda: chart.screenshot() != before, bool, 60)

    # The tab goes, the server goes: the run stays, and the page finds it again.
    server.stop()
    server.start()
    page.goto(server.address)
    page.errors.clear()
    go(page, "Train")
    if runs.running():
        expect(page.get_by_text(run.name).first).to_be_visible()
    wait_for(lambda: run.status.state, lambda state: state == "finished", 120)

    go(page, "Evaluate")
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    page.get_by_text("Test", exact=True).click()
    page.get_by_role("button", name="Evaluate on the test part").click()
    expect(page.get_by_text(re.compile("Of [0-9]+ films with pneumonia it found"))).to_be_visible()
    assert "test" in (run.folder / "report.json").read_text()

    go(page, "Predict")
    upload = tmp_path / "film.png"
    upload.write_bytes(encode(film(7, "lobar")))
    page.locator("input[type=file]").set_input_files(upload)
    expect(page.get_by_role("heading", name=re.compile("Suggests (pneumonia|normal)"))).to_be_visible()
    expect(page.get_by_role("img", name="The uploaded film after preprocessing")).to_be_visible()

    for name in ("Runs", "About", "Overview"):
        go(page, name)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.errors == []
    log = server.log.read_text()
    assert not re.search("Traceback|Error|Warning", log), log
