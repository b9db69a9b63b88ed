"""Pages tell how long a run takes: here the machine was measured already, and no probe disturbs the tests."""

import pytest

from core import machine

MEASURED = {"speed": {"float32": 50.0, "bfloat16": 100.0}}


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    monkeypatch.setattr(machine, "measured", lambda: MEASURED)
