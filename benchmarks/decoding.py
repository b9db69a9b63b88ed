"""Speed and error of decoding full-size films: `python -m benchmarks.decoding`.

Needs CHEST_XRAY_DATA. Every way runs on the same films in turn, in rounds of changing order; two threads.
The yardstick is libjpeg-turbo alone: decoded in grey at the smallest of its scales that is no smaller than the square.
"""

import os
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import simplejpeg

from core import images
from core.images import ImageSpec, standardise
from tests.conftest import PROJECT

SIZE, ROUNDS = 224, 11
MARGINS = (1.0, 1.25, 1.5, 2.0)
YARDSTICK = "libjpeg-turbo's scaled decoding alone"
Way = Callable[[bytes], np.ndarray]


def full(content: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def scaled(content: bytes) -> np.ndarray:
    return simplejpeg.decode_jpeg(content, "GRAY", strict=False, min_height=SIZE, min_width=SIZE)[..., 0]


def scaled_and_resized(content: bytes) -> np.ndarray:
    return cv2.resize(scaled(content), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def ours(content: bytes) -> np.ndarray:
    return standardise(content, ImageSpec(SIZE))


def with_margin(margin: float) -> Way:
    def way(content: bytes) -> np.ndarray:
        images.MARGIN = margin
        return ours(content)

    return way


WAYS: dict[str, Way] = {
    YARDSTICK: scaled,
    "the same and INTER_AREA": scaled_and_resized,
    "full decoding and INTER_AREA": full,
    "`standardise` as it is": with_margin(images.MARGIN),
    **{f"`standardise`, margin {margin}": with_margin(margin) for margin in MARGINS},
}


def seconds(contents: list[bytes]) -> dict[str, list[float]]:
    """Wall time of each way over all films, a figure a round."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            for name in random.sample(list(WAYS), len(WAYS)):
                begin = time.perf_counter()
                list(pool.map(WAYS[name], contents))
                taken[name].append(time.perf_counter() - begin)
    return taken


def errors(way: Way, contents: list[bytes], right: list[np.ndarray]) -> list[np.ndarray]:
    return [cv2.absdiff(way(content), film) for content, film in zip(contents, right, strict=True)]


def main() -> None:
    folder = PROJECT / os.environ["CHEST_XRAY_DATA"] / "originals"
    contents = [path.read_bytes() for path in sorted(folder.glob("*/*.jpeg"))]
    right = [full(content) for content in contents]
    taken = seconds(contents)
    print("| way | films a second | ratio | mean error | largest mean of a film | largest of a pixel |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, way in WAYS.items():
        speed = len(contents) / statistics.median(taken[name])
        ratio = statistics.median(yard / own for yard, own in zip(taken[YARDSTICK], taken[name], strict=True))
        row = f"| {name} | {speed:.0f} | {ratio:.2f} |"
        if name == YARDSTICK:
            print(row, "| | |")
            continue
        strays = errors(way, contents, right)
        means = [stray.mean() for stray in strays]
        print(row, f"{np.mean(means):.2f} | {max(means):.2f} | {max(stray.max() for stray in strays)} |")
    print(f"\n{len(contents)} films to {SIZE} px; errors in grey levels against full decoding and INTER_AREA.")


if __name__ == "__main__":
    main()
