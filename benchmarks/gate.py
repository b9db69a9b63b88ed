"""What the gate refuses: `CHEST_XRAY_DATA=... python -m benchmarks.gate`. Prints a Markdown table.

The shipped model of chest films. Nothing here chooses anything: the gate is as its card has it. scikit-learn's pictures
come with it; scikit-image's with its package, where that is installed (its `data` folder; nothing is downloaded).
"""

import importlib.util
import os
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.interleaved import table
from core import data, gating, images, ood
from core.data import phantoms
from core.data.prepare import Prepared, prepare
from core.errors import UserError
from core.headers import FILM_ENDINGS
from core.prediction import Prediction, Predictor
from core.shifts import placed
from tests.conftest import PROJECT
from tests.helpers import encode

MODEL, EVERY, DRAWN, ROUNDS = "chest-lite0", 18, 200, 60


def files(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix.lower() in FILM_ENDINGS | {".gif"}:
            yield file.read_bytes()


def drawn() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Pictures drawn by the computer, some hundred of a kind."""
    chance, side = np.random.default_rng(0), 224
    yield "noise", [chance.integers(0, 256, (side, side)).astype(np.uint8) for _ in range(DRAWN)]
    yield "flat", [np.full((side, side), level, np.uint8) for level in np.linspace(0, 255, DRAWN).astype(np.uint8)]
    rows, columns = np.mgrid[:side, :side] / side
    slopes = []
    for angle, (low, high) in zip(
        chance.uniform(0, 2 * np.pi, DRAWN), np.sort(chance.uniform(0, 255, (DRAWN, 2)), axis=1), strict=True
    ):
        slope = np.cos(angle) * columns + np.sin(angle) * rows
        slope = (slope - slope.min()) / (slope.max() - slope.min())
        slopes.append((low + slope * (high - low)).astype(np.uint8))
    yield "gradients", slopes
    kinds = ("", "lobar", "patchy")
    yield (
        "phantoms",
        [
            phantoms.draw(np.random.default_rng(5_000 + n), np.random.default_rng([n, 9]), kinds[n % 3])
            for n in range(DRAWN)
        ],
    )


def photographs() -> Iterator[tuple[str, list[bytes]]]:
    from sklearn.datasets import load_sample_images

    yield "scikit-learn's photographs", [encode(picture[..., ::-1]) for picture in load_sample_images().images]
    if found := importlib.util.find_spec("skimage"):
        yield "scikit-image's pictures", list(files(Path(found.origin).parent / "data"))


def changed(plain: Prepared, rows: np.ndarray) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Films under what a careless hand does to them, before their contrast is evened out."""

    def cropped(film: np.ndarray, share: float) -> np.ndarray:
        edge = round(len(film) * (1 - share) / 2)
        return cv2.resize(film[edge:-edge, edge:-edge], film.shape[::-1])

    ways = {
        "inverted": lambda film: 255 - film,
        "turned by 90 degrees": np.rot90,
        "turned by 180 degrees": lambda film: np.rot90(film, 2),
        "turned by 10 degrees": lambda film: placed(film, 10, 1),
        "turned by 20 degrees": lambda film: placed(film, 20, 1),
        "mirrored": lambda film: film[:, ::-1],
        "cropped to 90 % of each side": lambda film: cropped(film, 0.9),
        "cropped to 75 %": lambda film: cropped(film, 0.75),
        "cropped to 60 %": lambda film: cropped(film, 0.6),
    }
    for name, way in ways.items():
        yield name, [np.ascontiguousarray(way(np.array(plain.films[row]))) for row in rows]


def line(name: str, found: Iterable[Prediction | UserError]) -> list[str]:
    found = list(found)
    judged = [answer for answer in found if isinstance(answer, Prediction)]
    refused = sum(not answer.chest_film for answer in judged)
    uncertain = sum(answer.verdict == "uncertain" for answer in judged)
    share = f"{refused / len(judged):.1%}" if judged else ""
    return [name, str(len(found)), str(len(found) - len(judged)), f"{refused} ({share})", str(uncertain)]


def of_films(predictor: Predictor, name: str, films: list[np.ndarray]) -> list[str]:
    """The line for squares or pictures that are given as pixels."""
    return line(name, predictor.predict_many(encode(film) for film in films))


def milliseconds(predictor: Predictor, bare: Predictor, content: bytes) -> str:
    """One film with the gate and without, in turns."""
    taken: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(ROUNDS + 5):
        for name, asked in random.sample([("with", predictor), ("without", bare)], 2):
            begin = time.perf_counter()
            asked.predict(content)
            if number >= 5:
                taken[name].append((time.perf_counter() - begin) * 1000)
    ratio = statistics.median(one / other for one, other in zip(*taken.values(), strict=True))
    gate, without = (statistics.median(values) for values in taken.values())
    return f"One film: {gate:.2f} ms with the gate, {without:.2f} ms without it; ratio {ratio:.3f}, median of {ROUNDS}."


def main() -> None:
    root = (PROJECT / os.environ["CHEST_XRAY_DATA"]).resolve()
    predictor, bare = Predictor.load(MODEL), Predictor.load_without_gate(MODEL)
    source = data.load(str(root / "chest_xray"))
    prepared, plain = (
        prepare(source, images.ImageSpec(predictor.spec.size, predictor.spec.framing, equalise))
        for equalise in (predictor.spec.equalise, "none")
    )
    first = gating._is_first(prepared.table["patient"])
    rows = np.flatnonzero(~first)
    asked = [source.read(source.samples[row]) for row in rows]
    lines = [line("chest films of patients that did not fit the gate", predictor.predict_many(asked))]
    lines += [of_films(predictor, f"the same, {name}", films) for name, films in changed(plain, rows[::EVERY])]
    for name in ("originals", "dicom/chest", "dicom/other"):
        lines.append(line(name, predictor.predict_many(files(root / name))))
    with np.load(root / "pneumoniamnist.npz") as tiny:
        lines.append(of_films(predictor, "pneumoniamnist, 28 pixels", list(tiny["val_images"])))
    for folder in sorted((root / "ood").iterdir()):
        lines.append(line(f"ood/{folder.name}", predictor.predict_many(files(folder))))
    lines += [of_films(predictor, name, films) for name, films in drawn()]
    lines += [line(name, predictor.predict_many(content)) for name, content in photographs()]
    table(["what", "files", "not readable", "refused of the rest", "uncertain"], lines)
    print(f"\nLayer {predictor.layer}, threshold {predictor.gate.threshold:.3f}, {ood.AXES} axes.")
    print(milliseconds(predictor, bare, asked[0]))


if __name__ == "__main__":
    main()
