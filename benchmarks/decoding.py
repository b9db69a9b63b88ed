"""Speed and error of OpenCV's decoding modes on full-size films: `python -m benchmarks.decoding`.

Needs CHEST_XRAY_DATA. All modes run on the same films in turn, five rounds; two threads.
"""

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from tests.conftest import PROJECT

SIZE, ROUNDS = 150, 5
MODES = {
    "full": cv2.IMREAD_GRAYSCALE,
    "1/2": cv2.IMREAD_REDUCED_GRAYSCALE_2,
    "1/4": cv2.IMREAD_REDUCED_GRAYSCALE_4,
    "1/8": cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def decode(content: bytes, mode: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    return cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def main() -> None:
    cv2.setNumThreads(1)
    folder = PROJECT / os.environ["CHEST_XRAY_DATA"] / "originals"
    contents = [path.read_bytes() for path in sorted(folder.glob("*/*.jpeg"))]
    full = [decode(content, MODES["full"]).astype(int) for content in contents]
    large = [
        i for i, content in enumerate(contents) if min(cv2.imdecode(np.frombuffer(content, np.uint8), 0).shape) >= 600
    ]
    speeds: dict[str, list[float]] = {name: [] for name in MODES}
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            for name, mode in MODES.items():
                begin = time.perf_counter()
                list(pool.map(decode, contents, [mode] * len(contents)))
                speeds[name].append(len(contents) / (time.perf_counter() - begin))
    print("| decoding | films a second | mean error | largest mean error of a film |\n| --- | --- | --- | --- |")
    for name, mode in MODES.items():
        errors = [np.abs(decode(contents[i], mode) - full[i]).mean() for i in large]
        print(f"| {name} | {statistics.median(speeds[name]):.0f} | {np.mean(errors):.2f} | {max(errors):.2f} |")
    print(f"\n{len(contents)} films to {SIZE} px; errors in grey levels on the {len(large)} with sides of 600 or more.")


if __name__ == "__main__":
    main()
