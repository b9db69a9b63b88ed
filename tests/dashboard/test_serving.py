"""What comes in over HTTP leaves no trace and brings nothing down; models are loaded once, and warmed up."""

import asyncio
import http.client
import importlib
import socket
import struct
import sys
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import requests
from starlette.requests import Request

from core import model_store
from core.errors import UserError
from core.prediction import Predictor
from dashboard import api, loaded, server
from dashboard.loaded import Models
from dashboard.uploads import FORM, RAW, Limits
from tests.browser import Server
from tests.dashboard.rest import NAME, put_model, serving
from tests.helpers import encode, film, wait_for

FILM = encode(film(3, "lobar"), ".jpeg")
LARGE = encode(np.random.default_rng(0).integers(0, 256, (1200, 1200), np.uint8))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
SENSIBLE = (200, 400, 413, 415, 422)


def huge_png() -> bytes:
    """25,000 × 25,000 pixels, as its header says."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 25_000, 25_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(25_001) * 2_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def form(boundary: str, *films: bytes) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode() + film + b"\r\n"
        for film in films
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


@pytest.fixture
def model(workspace):
    return put_model()


@pytest.mark.parametrize("content", [b"", SVG, huge_png(), FILM[:900], b"\x00" * 5000])
def test_a_file_that_is_no_film_gets_a_sentence(model, content):
    with serving() as client:
        answer = client.predict(("patient", content))
        assert answer.status_code == 422
        assert answer.json()["error"].endswith(".")
        assert client.predict(("a", FILM)).status_code == 200


def test_the_real_files_that_are_no_chest_films_are_answered(model, real_films):
    files = sorted(file for file in (real_films / "dicom" / "other").rglob("*") if file.is_file())
    assert files
    with serving() as client:
        alone = [client.predict((file.name, file.read_bytes())) for file in files]
        together = client.predict(*((file.name, file.read_bytes()) for file in files))
    assert {answer.status_code for answer in alone} <= {200, 422}
    assert [one["file"] for one in together.json()] == [file.name for file in files]
    for one, answer in zip(together.json(), alone, strict=True):
        assert ("error" in one) == (answer.status_code == 422)


def test_no_upload_however_broken_brings_the_server_down(model):
    random = np.random.default_rng(7)
    whole = form("x", FILM, LARGE[:5000])
    kinds = [
        *RAW,
        FORM,
        f"{FORM}; boundary=x",
        f"{FORM}; boundary=",
        f'{FORM}; boundary="\xff"',
        "text/plain",
        ";;",
        "",
    ]
    with serving() as client:
        for number in range(150):
            body = bytearray(whole[: random.integers(0, len(whole) + 1)] if number % 3 else random.bytes(300))
            for place in random.integers(0, max(1, len(body)), number % 5):
                body[place : place + 1] = random.bytes(1)
            kind = f"{FORM}; boundary=x" if number % 2 else kinds[random.integers(len(kinds))]
            answer = client.ask("POST", "/predict", data=bytes(body), headers={"Content-Type": kind.encode("latin-1")})
            assert answer.status_code in SENSIBLE, (number, kind, answer.text)
        assert client.predict(("a", FILM)).status_code == 200


@pytest.mark.parametrize("cut", [1, 2, 10, 300])
def test_a_form_that_is_cut_short_is_refused_whole(model, cut):
    # Without its last line break a form is whole all the same.
    whole = form("x", FILM, FILM).removesuffix(b"\r\n")
    headers = {"Content-Type": f"{FORM}; boundary=x"}
    with serving() as client:
        assert len(client.ask("POST", "/predict", data=whole, headers=headers).json()) == 2
        assert client.ask("POST", "/predict", data=whole[:-cut], headers=headers).status_code == 400


def test_a_client_that_leaves_in_the_middle_leaves_its_place(model):
    with serving(Limits(requests=1, held_bytes=2 * len(FILM))) as client:
        for _ in range(3):
            line = http.client.HTTPConnection("127.0.0.1", client.port)
            line.putrequest("POST", "/api/predict")
            line.putheader("Content-Type", "image/jpeg")
            line.putheader("Content-Length", str(len(FILM)))
            line.endheaders(FILM[:100])
            line.close()
        wait_for(
            lambda: client.ask("POST", "/predict", data=FILM, headers={"Content-Type": "image/jpeg"}).status_code,
            {200}.__contains__,
        )


@pytest.fixture
def rolled(monkeypatch):
    """The temporary files that grew too large for memory."""
    found = []

    def rollover(self):
        found.append(self)
        original(self)

    original = tempfile.SpooledTemporaryFile.rollover
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rollover)
    with tempfile.SpooledTemporaryFile(1) as proof:
        proof.write(b"ab")
    assert found == [proof]
    found.clear()
    return found


def test_no_film_sent_over_rest_is_spooled_to_a_file(model, rolled):
    with serving() as client:
        assert len(client.predict(("a", LARGE), ("b", LARGE)).json()) == 2
    assert rolled == []


def test_no_film_sent_to_a_page_is_spooled_to_a_file(rolled):
    async def receive():
        return {"type": "http.request", "body": form("x", LARGE)}

    async def sizes():
        headers = [(b"content-type", f"{FORM}; boundary=x".encode())]
        # As Streamlit reads what its pages are sent.
        async with Request({"type": "http", "headers": headers}, receive).form() as read:
            return [file.size for _, file in read.multi_items()]

    assert asyncio.run(sizes()) == [len(LARGE)]
    assert rolled == []


def test_the_real_server_answers_and_neither_writes_nor_logs_what_it_is_sent(model, tmp_path):
    log = tmp_path / "server.log"
    running = Server(log)
    try:
        address = f"{running.address}/api"
        assert requests.get(f"{address}/health", timeout=30).json()["state"] in loaded.STATES
        assert requests.post(f"{address}/predict", files={"f": ("a", FILM)}, timeout=60).status_code == 200
        wait_for(lambda: requests.get(f"{address}/health", timeout=30).json()["state"], loaded.READY.__eq__)
        process, page = psutil.Process(running.process.pid), requests.get(running.address, timeout=30)
        assert page.headers.items() >= server.HEADERS.items()
        before, written = log.read_text(), process.io_counters().write_chars
        for content in (FILM, LARGE, LARGE + b"patient", FILM[:500], SVG):
            for _ in range(3):
                requests.post(f"{address}/predict", files={"f": ("Doe^Jane.dcm", content)}, timeout=60)
        cut = form("Doe^Jane", FILM)[:-9]
        headers = {"Content-Type": f"{FORM}; boundary=Doe^Jane"}
        assert requests.post(f"{address}/predict", data=cut, headers=headers, timeout=60).status_code == 400
        assert process.io_counters().write_chars - written < len(LARGE)
        assert log.read_text() == before
        assert "Traceback" not in before
    finally:
        running.stop()


def test_a_server_stopped_while_it_warms_up_ends(model, tmp_path):
    running = Server(tmp_path / "server.log")
    try:
        maps = psutil.Process(running.process.pid).memory_maps
        wait_for(lambda: [file.path for file in maps()], lambda paths: any("tensorflow" in path for path in paths))
        running.stop()
        said = (tmp_path / "server.log").read_text()
        assert not any(word in said for word in ("Traceback", "Fatal"))
    finally:
        running.process.kill()
        running.process.wait()


def test_connections_wait_for_nobody_before_they_send():
    with socket.create_server(("127.0.0.1", 0)) as listening, tempfile.TemporaryFile() as other:
        assert not listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        server.send_at_once()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert other.write(b"still open")


def fake_loading(monkeypatch, loads: list[str]) -> None:
    def load(name):
        loads.append(name)
        return SimpleNamespace(name=name)

    monkeypatch.setattr(Predictor, "load", load)


def test_a_model_is_loaded_once_for_all_who_ask_at_the_same_time(monkeypatch):
    loads = []
    fake_loading(monkeypatch, loads)
    models = Models()
    with ThreadPoolExecutor(10) as people:
        found = list(people.map(lambda _: models.predictor("a", "1"), range(50)))
    assert loads == ["a"]
    assert all(one is found[0] for one in found)


def test_a_thread_that_does_not_see_a_module_hides_it_from_no_other():
    sys.modules.pop("colorsys", None)
    with loaded.unseen("colorsys"), ThreadPoolExecutor(1) as other:
        with pytest.raises(ImportError):
            importlib.import_module("colorsys")
        assert other.submit(importlib.import_module, "colorsys").result().rgb_to_hsv
    sys.modules.pop("colorsys")
    assert importlib.import_module("colorsys")


def test_only_the_models_used_last_stay_loaded_and_a_changed_one_is_another(monkeypatch):
    loads = []
    fake_loading(monkeypatch, loads)
    models = Models(most=2)
    for key in (("a", "1"), ("b", "1"), ("a", "1"), ("c", "1"), ("a", "1"), ("b", "1"), ("b", "2")):
        models.predictor(*key)
    assert loads == ["a", "b", "c", "b", "b"]
    assert models.has("b", "2")
    assert not models.has("c", "1")


def test_a_model_that_vanishes_while_it_is_loaded_is_told_in_a_sentence(model, monkeypatch):
    def load(name):
        model_store.remove(name)
        raise ValueError("File not found")

    monkeypatch.setattr(Predictor, "load", load)
    monkeypatch.setattr(api, "MODELS", Models())
    with serving() as client:
        answer = client.predict(("a", FILM), query=f"?model={NAME}")
    assert (answer.status_code, "no model" in answer.json()["error"]) == (404, True)


def settled(models: Models) -> loaded.Status:
    return wait_for(lambda: models.status, lambda status: status.state in (loaded.READY, loaded.FAILED))


def test_the_default_model_is_warmed_up_and_another_one_after_it(model, monkeypatch):
    models, answered, predict = Models(), [], Predictor.predict
    monkeypatch.setattr(Predictor, "predict", lambda self, data: answered.append(self.name) or predict(self, data))
    assert models.keep_warm().state == loaded.IDLE
    models.warm_up()
    assert models.status in (loaded.Status(loaded.STARTING, NAME), loaded.Status(loaded.READY, NAME))
    assert settled(models) == loaded.Status(loaded.READY, NAME)
    assert answered == [NAME]
    model_store.remove(NAME)
    models.keep_warm()
    assert settled(models).state == loaded.FAILED
    put_model("better")
    models.keep_warm()
    assert settled(models) == loaded.Status(loaded.READY, "better")


def test_a_warm_up_that_fails_says_so_until_the_model_answers_after_all(model, monkeypatch):
    class Tired:
        name = NAME

        def predict(self, data):
            raise RuntimeError("out of memory")

    models = Models()
    monkeypatch.setattr(Predictor, "load", lambda name: Tired())
    models.warm_up()
    status = settled(models)
    assert (status.state, status.model, bool(status.error and status.fix)) == (loaded.FAILED, NAME, True)
    models.predictor(NAME, "another hash")
    assert models.status.state == loaded.READY


@pytest.mark.parametrize("value", ["0", "many", "-3", "1.5"])
def test_a_limit_that_is_no_number_is_said_at_the_start(monkeypatch, value):
    monkeypatch.setenv("PNEUMOSCOPE_MOST_FILES", "5")
    assert Limits.from_environment() == Limits(files=5)
    monkeypatch.setenv("PNEUMOSCOPE_MOST_FILES", value)
    with pytest.raises(UserError, match="PNEUMOSCOPE_MOST_FILES"):
        api.app()


def test_the_event_loop_answers_while_every_worker_is_busy(model, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(Predictor, "predict", lambda self, data: go.wait(30) and None)
    with serving() as client, ThreadPoolExecutor(api.WORKERS + 1) as people:
        waiting = [people.submit(client.predict, ("a", FILM)) for _ in range(api.WORKERS + 1)]
        assert client.ask("GET", "/openapi.json").status_code == 200
        assert not any(answer.done() for answer in waiting)
        go.set()
