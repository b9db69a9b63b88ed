"""How fast and how steadily films are answered over HTTP: `python -m benchmarks.rest`. Prints a Markdown table.

A real server with the models that ship; a film of about two megapixels, of the originals of CHEST_XRAY_DATA where that
is set, else a phantom enlarged. Time on the server is what it says itself (Server-Timing): from the moment the request
reaches the route until its answer is made, the body's arrival included.
"""

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import requests

from benchmarks.interleaved import table
from benchmarks.main_job import resident_megabytes
from core.images import read_header
from tests.browser import Server
from tests.conftest import PROJECT
from tests.helpers import encode, film

MEGAPIXELS = 2.0
WARM_UP = 20
Row = list[str]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=300, help="one after another, of each kind")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--predictions", type=int, default=5000, help="while the server's memory is looked at")
    parser.add_argument("--starts", type=int, default=3)
    chosen = parser.parse_args()
    name, content = two_megapixels()
    print(f"The film: {name}, {len(content) / 1000:.0f} kB\n")
    with tempfile.TemporaryDirectory() as place:
        os.environ["PNEUMOSCOPE_WORKSPACE"] = place
        rows = measure(Path(place), content, chosen)
    table(["what", "goal", "measured"], rows)


def two_megapixels() -> tuple[str, bytes]:
    """What to call the film, and its file: a JPEG whose size is as near to MEGAPIXELS as there is."""
    given = os.environ.get("CHEST_XRAY_DATA")
    files = (PROJECT / given / "originals").resolve().rglob("*.jpeg") if given else []
    found = {file: read_header(file.read_bytes()) for file in files}
    if not found:
        return "a phantom enlarged to 1600 × 1250", encode(cv2.resize(film(3, "lobar"), (1600, 1250)), ".jpeg")
    nearest = min(found, key=lambda file: abs(found[file].width * found[file].height - MEGAPIXELS * 1e6))
    return f"one of the originals, {found[nearest].width} × {found[nearest].height}", nearest.read_bytes()


def measure(place: Path, content: bytes, chosen: argparse.Namespace) -> list[Row]:
    starts = [start_to_answer(place / f"start-{number}.log", content) for number in range(chosen.starts)]
    server = Server(place / "server.log")
    try:
        ask = asking(server, content)
        ask("?heatmap=true")
        rows = [
            ["server start to first answer", "≤ 8 s", ", ".join(f"{taken:.1f} s" for taken in starts)],
            *one_by_one("one film, JPEG to verdict", "≤ 60, ≤ 150 ms", chosen.requests, lambda: ask("")),
            *one_by_one("the same with heat map", "", chosen.requests, lambda: ask("?heatmap=true")),
            at_once(server, content, chosen.clients),
            steady(server, content, chosen.predictions),
        ]
    finally:
        server.stop()
    if "Traceback" in (place / "server.log").read_text():
        raise RuntimeError("The server's log holds a traceback.")
    return rows


def start_to_answer(log: Path, content: bytes) -> float:
    """Seconds from the start of the process to the first answer, asked for as soon as the server listens."""
    begin = time.perf_counter()
    server = Server(log)
    try:
        asking(server, content)("")
        return time.perf_counter() - begin
    finally:
        server.stop()


def asking(server: Server, content: bytes) -> Callable[[str], requests.Response]:
    """A client that keeps its connection."""
    session = requests.Session()

    def ask(query: str) -> requests.Response:
        url = f"http://127.0.0.1:{server.port}/api/predict{query}"
        answer = session.post(url, files={"file": ("film", content)}, timeout=60)
        answer.raise_for_status()
        return answer

    return ask


def on_server(answer: requests.Response) -> float:
    """Milliseconds, as the server says."""
    return float(re.search(r"dur=([\d.]+)", answer.headers["Server-Timing"])[1])


def one_by_one(what: str, goal: str, count: int, ask: Callable[[], requests.Response]) -> list[Row]:
    there, here = [], []
    for _ in range(WARM_UP + count):
        begin = time.perf_counter()
        there.append(on_server(ask()))
        here.append((time.perf_counter() - begin) * 1000)
    return [
        [f"{what}, {place}", goal if place == "on the server" else "", spread(taken[WARM_UP:])]
        for place, taken in (("on the server", there), ("for the client", here))
    ]


def spread(taken: list[float]) -> str:
    return f"p50 {statistics.median(taken):.1f} ms, p99 {percentile(taken, 99):.1f} ms"


def percentile(taken: list[float], share: int) -> float:
    return statistics.quantiles(taken, n=100, method="inclusive")[share - 1]


def at_once(server: Server, content: bytes, clients: int, each: int = 25) -> Row:
    """Clients that ask again as soon as they are answered."""

    def client(_: int) -> list[float]:
        ask, taken = asking(server, content), []
        for _ in range(each):
            begin = time.perf_counter()
            ask("")
            taken.append(time.perf_counter() - begin)
        return taken

    with ThreadPoolExecutor(clients) as people:
        begin = time.perf_counter()
        taken = [seconds for own in people.map(client, range(clients)) for seconds in own]
        rate = len(taken) / (time.perf_counter() - begin)
    late = f"p95 {percentile(taken, 95):.2f} s, slowest {max(taken):.2f} s"
    return [
        f"{clients} clients at once, {len(taken)} films",
        "no error, p95 ≤ 1.5 s",
        f"no error, {late}, {rate:.0f}/s",
    ]


def steady(server: Server, content: bytes, predictions: int) -> Row:
    """Memory of the server's process along the way, after one client and then ten."""
    ask, sizes = asking(server, content), []
    for number in range(predictions + 1):
        if number % (predictions // 5) == 0:
            sizes.append(resident_megabytes(server.process.pid))
        ask("?heatmap=true" if number % 10 == 0 else "")
    change = (sizes[-1] / sizes[0] - 1) * 100
    along = ", ".join(f"{size:.0f}" for size in sizes)
    return [f"server, MB, over {predictions:,} predictions", "± 5 %", f"{along} ({change:+.1f} %)"]


if __name__ == "__main__":
    main()
