"""Makes .venv and fills it: `python3 bootstrap.py app`, or `tests` for the tests' needs as well.

Needs nothing but Python and a package registry, and says clearly what else is missing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = "requirements.lock"
NEEDS = {"app": ["requirements.txt"], "tests": ["requirements.txt", "requirements-dev.txt"]}
OLDEST, NEWEST = (3, 11), (3, 13)
# What OpenCV's wheel expects of the system.
OPENCV_PACKAGES = ["libgl1", "libglib2.0-0"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(purpose: str) -> None:
    """Completes the environment for the purpose; does nothing where nothing changed."""
    check_python()
    make_environment()
    install(NEEDS[purpose])
    check_opencv()
    if purpose == "tests":
        ensure_browser()


def fail(what: str, fix: str) -> None:
    """Ends with one sentence and one next step."""
    sys.exit(f"{what}\n{fix}")


def check_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        fail(
            f"Python {sys.version.split()[0]} is not supported: TensorFlow runs on 3.11 to 3.13.",
            "Install one of those and run again with PYTHON=python3.12, say.",
        )


def make_environment() -> None:
    # Without pip it is the rest of an interrupted attempt.
    if PYTHON.exists() and PYTHON.with_name("pip").exists():
        return
    print("Creating .venv ...", flush=True)
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        fail(
            "Python's venv module cannot make an environment here.",
            "On Debian and Ubuntu: apt-get install python3-venv. " + done.stderr.strip()[-300:],
        )


def install(needs: list[str]) -> None:
    """Installs the locked versions, once for each state of the requirement files."""
    stamp = VENV / f".installed-{len(needs)}"
    files = [*needs, LOCK]
    state = hashlib.sha256(b"".join((PROJECT / name).read_bytes() for name in files)).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    print("Installing packages (about 2 GB, one to five minutes the first time) ...", flush=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", LOCK]
    for name in needs:
        command += ["--requirement", name]
    if subprocess.run(command, cwd=PROJECT, check=False).returncode:
        fail("The packages could not be installed.", "See pip's message above: is a package registry in reach?")
    stamp.write_text(state)


def check_opencv() -> None:
    load = [str(PYTHON), "-c", "import cv2"]
    if subprocess.run(load, capture_output=True, check=False).returncode == 0:
        return
    install_from_debian(OPENCV_PACKAGES)
    done = subprocess.run(load, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(
            f"OpenCV cannot be loaded: {done.stderr.strip()[-200:]}",
            f"Install the system's {' and '.join(OPENCV_PACKAGES)} (their Debian names) and run again.",
        )


def ensure_browser() -> None:
    """A Chromium for the browser test: from the PATH, from Debian, or Playwright's own."""
    if any(map(shutil.which, BROWSERS)):
        return
    install_from_debian(["chromium"])
    if any(map(shutil.which, BROWSERS)):
        return
    print("Fetching Playwright's Chromium ...", flush=True)
    if subprocess.run([str(PYTHON), "-m", "playwright", "install", "chromium"], check=False).returncode:
        fail(
            "The browser test needs Chromium, and none could be installed.",
            "Install Chromium so that `chromium` is on the PATH, and run again.",
        )


def install_from_debian(packages: list[str]) -> None:
    """Tries apt-get, as root or through a sudo that asks nothing; quietly gives up otherwise."""
    if not shutil.which("apt-get"):
        return
    prefix = []
    if os.geteuid() != 0:
        if (
            subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
            if shutil.which("sudo")
            else 1
        ):
            return
        prefix = ["sudo", "-n"]
    print(f"Installing {' '.join(packages)} from Debian ...", flush=True)
    quiet = {"stdout": subprocess.DEVNULL, "check": False}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*prefix, "apt-get", "update", "-qq"], env=environment, **quiet)
    subprocess.run(
        [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment, **quiet
    )


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in NEEDS:
        fail("Say what the environment is for.", "python3 bootstrap.py app, or python3 bootstrap.py tests")
    main(sys.argv[1])
