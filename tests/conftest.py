"""Every test has a workspace and a models folder of its own."""

import os
import signal
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("PNEUMOSCOPE_MODELS", str(tmp_path / "models"))
    return tmp_path / "workspace"


@pytest.fixture(scope="session", autouse=True)
def no_step_back():
    """A worker gives way to the dashboard; the tests' own process must not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.jobs.lower_priority", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def interrupts_arrive():
    """A shell starts what is to run in the background deaf to Ctrl-C, and every child inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def real_films() -> Path:
    """The folder that CHEST_XRAY_DATA names; tests on real films are skipped where it is not set."""
    given = os.environ.get("CHEST_XRAY_DATA")
    if not given:
        pytest.skip("CHEST_XRAY_DATA is not set: no real films to test on")
    return (PROJECT / given).resolve()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run on small phantoms, trained once for all tests by the real worker."""
    from core import runs
    from core.settings import TrainSettings
    from tests.helpers import wait_until_ended

    place = tmp_path_factory.mktemp("trained")
    before = os.environ.get("PNEUMOSCOPE_WORKSPACE")
    os.environ["PNEUMOSCOPE_WORKSPACE"] = str(place)
    try:
        run = runs.start(TrainSettings(data="phantoms:60", epochs=2, image_size=64, options={"dense_units": 32}))
        wait_until_ended(run)
        assert run.status.state == "finished", (run.folder / "log.txt").read_text()
    finally:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = before or ""
    return run


@pytest.fixture
def with_run(trained, monkeypatch):
    """The workspace that holds the finished run."""
    monkeypatch.setenv("PNEUMOSCOPE_WORKSPACE", str(trained.folder.parent.parent))
    return trained
