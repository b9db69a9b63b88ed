"""A dashboard in a process of its own, and a browser to look at it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PROJECT
from tests.helpers import wait_for

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
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
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/server.py", "--server.port", str(self.port)]
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


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium from the PATH, else the one that Playwright fetched."""
    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        yield browser
        browser.close()


def new_page(browser: Browser) -> Page:
    """A page that is patient and remembers every error on its console in `errors`."""
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.errors = []
    page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


def go(page: Page, name: str) -> None:
    """Opens a page of the menu."""
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
