"""Seeded synthetic chest films, drawn on demand: the data set that needs no download.

They look like chest films from across the room and are good for trying the workbench. They teach
nothing about patients, so every screen that shows one says SYNTHETIC.
"""

import dataclasses
import re

import cv2
import numpy as np

from core.data.sample import NORMAL, PNEUMONIA, DataSet, Sample
from core.errors import UserError

# Part of every stamp: raise it when the drawing changes, so that prepared films are drawn anew.
VERSION = 1
SIDE = 224
TITLE = "Synthetic phantoms"
KEY = re.compile(r"phantoms(?::(\d{1,9}))?(?::(\d{1,9}))?")
DEFAULT_PATIENTS = 400
MOST_PATIENTS = 20_000
SUBTYPES = {"lobar": PNEUMONIA, "patchy": PNEUMONIA, "": NORMAL}


def recognises(key: str) -> bool:
    """phantoms, phantoms:PATIENTS or phantoms:PATIENTS:SEED."""
    return key.split(":")[0] == "phantoms"


def load(key: str) -> DataSet:
    """Some 2 films a patient, 4 patients in 10 NORMAL. Raises UserError on an odd key."""
    match = KEY.fullmatch(key)
    patients = int(match[1] or DEFAULT_PATIENTS) if match else 0
    if not 10 <= patients <= MOST_PATIENTS:
        raise UserError(
            f"{key!r} names no phantoms.", fix=f"Write phantoms, or phantoms:N with 10 to {MOST_PATIENTS:,} patients."
        )
    seed = int(match[2] or 0)
    return DataSet(
        key=key,
        name="Synthetic phantoms",
        synthetic=True,
        samples=tuple(_samples(patients, seed)),
        read=_read,
        licence="MIT, as the program that draws them",
        population="drawings of a computer, not of patients",
        notes=("Every film is drawn by the computer. Nothing learnt here holds for patients.",),
    )


def _samples(patients: int, seed: int) -> list[Sample]:
    random = np.random.default_rng([VERSION, seed])
    samples = []
    for number in range(patients):
        subtype = str(random.choice(["", "lobar", "patchy"], p=[0.4, 0.3, 0.3]))
        for film in range(int(random.integers(1, 5)) if number % 2 else 1):
            patient = f"phantom-{seed}-{number:05d}"
            samples.append(
                Sample(
                    id=f"{patient}-{film}.png",
                    patient=patient,
                    label=SUBTYPES[subtype],
                    subtype=subtype,
                    stamp=f"v{VERSION}",
                )
            )
    return samples


def _read(sample: Sample) -> bytes:
    seed, number, film = (int(part) for part in re.findall(r"\d+", sample.id))
    film_pixels = draw(
        anatomy=np.random.default_rng([VERSION, seed, number]),
        exposure=np.random.default_rng([VERSION, seed, number, film]),
        subtype=sample.subtype,
    )
    _, encoded = cv2.imencode(".png", film_pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()


@dataclasses.dataclass(frozen=True)
class _Chest:
    """Layers of one patient, each (SIDE, SIDE) float32 in [0, 1]."""

    torso: np.ndarray
    lungs: np.ndarray
    heart: np.ndarray
    bones: np.ndarray
    vessels: np.ndarray


def draw(anatomy: np.random.Generator, exposure: np.random.Generator, subtype: str) -> np.ndarray:
    """One film: (SIDE, SIDE) uint8.

    anatomy: the patient's own random stream, which also places the disease. exposure: the film's,
    for pose, noise and brightness. subtype: "lobar", "patchy" or "" for a normal chest.
    """
    chest = _chest(anatomy)
    disease = _disease(anatomy, subtype)
    haze = _clouds(exposure, 10)
    # Soft tissue over the lower lungs, in either class: brightness there is no proof of disease.
    breast = _blurred(_ellipses([((72, 152), (34, 22), 0), ((152, 152), (34, 22), 0)]), 9)
    film = 0.04 + chest.torso * (0.62 - 0.40 * chest.lungs) + 0.17 * chest.heart
    film += 0.10 * chest.bones * chest.torso + 0.09 * chest.vessels * chest.lungs
    film += 0.04 * haze + float(exposure.uniform(0, 0.06)) * breast
    film += float(exposure.uniform(0.30, 0.45)) * disease * chest.lungs * (0.85 + 0.3 * haze)
    return _expose(_pose(film.astype(np.float32), exposure), exposure)


def _chest(random: np.random.Generator) -> _Chest:
    width, height = random.uniform(0.9, 1.1), random.uniform(0.9, 1.08)
    middle = 112
    torso = _ellipses(
        [((middle, 165), (98 * width, 130), 0), ((middle, 62), (88 * width, 34), 0), ((middle, 18), (24, 40), 0)]
    )
    lungs = _ellipses(
        [
            ((middle - 47 * width, 110), (35 * width, 70 * height), 6),
            ((middle + 47 * width, 110), (33 * width, 68 * height), -6),
        ]
    )
    # The diaphragm's domes and the heart take their bite out of the lungs.
    for side in (-1, 1):
        dome = (round(middle + side * 50 * width), round(110 + 74 * height + random.uniform(-5, 5)))
        cv2.ellipse(lungs, dome, (round(48 * width), round(random.uniform(26, 36))), 0, 0, 360, 0, -1)
    heart_axes = (random.uniform(27, 38) * width, random.uniform(36, 44) * height)
    heart = _ellipses([((middle + 13 * width, 138), heart_axes, -32), ((middle, 90), (13, 60), 0)])
    lungs[heart > 0] = 0
    return _Chest(
        torso=_blurred(torso, 5),
        lungs=_blurred(lungs, 3),
        heart=_blurred(heart, 5),
        bones=_blurred(_bones(random, middle, width), 1.5),
        vessels=_blurred(_vessels(random, middle), 1.2),
    )


def _bones(random: np.random.Generator, middle: int, width: float) -> np.ndarray:
    bones = np.zeros((SIDE, SIDE), np.float32)
    first, gap = random.uniform(42, 50), random.uniform(17, 20)
    for side in (-1, 1):
        collar = [(middle + side * 12, round(first + 2)), (middle + side * round(82 * width), round(first - 14))]
        cv2.line(bones, *collar, 1, 6)
        for rib in range(8):
            centre = (middle + side * round(44 * width), round(first + 12 + rib * gap))
            cv2.ellipse(bones, centre, (round(50 * width), 20), side * 14, 180, 360, 0.9, 4)
    cv2.rectangle(bones, (middle - 9, 20), (middle + 9, SIDE), 0.7, -1)
    return bones


def _vessels(random: np.random.Generator, middle: int) -> np.ndarray:
    vessels = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(random.integers(14, 26))):
        side = random.choice([-1, 1])
        angle, length = random.uniform(-1.3, 1.3), random.uniform(20, 55)
        start = (round(middle + side * 20), round(random.uniform(95, 118)))
        end = (round(start[0] + side * length * np.cos(angle)), round(start[1] + length * np.sin(angle)))
        cv2.line(vessels, start, end, float(random.uniform(0.4, 1)), int(random.integers(1, 4)))
    return vessels


def _disease(random: np.random.Generator, subtype: str) -> np.ndarray:
    """Where the lungs are clouded: one lobe, or patches on both sides."""
    if not subtype:
        return np.zeros((SIDE, SIDE), np.float32)
    if subtype == "lobar":
        side, level = random.choice([-1, 1]), random.choice([68, 104, 140])
        centre = (112 + side * random.uniform(42, 54), level + random.uniform(-6, 6))
        axes = (random.uniform(26, 36), random.uniform(26, 36))
        return _blurred(_ellipses([(centre, axes, random.uniform(-30, 30))]), 6)
    patches = [
        (
            (112 + random.choice([-1, 1]) * random.uniform(28, 66), random.uniform(62, 158)),
            (random.uniform(9, 15), random.uniform(9, 15)),
            0,
        )
        for _ in range(random.integers(9, 15))
    ]
    return _blurred(_ellipses(patches), 4)


def _ellipses(shapes: list[tuple[tuple[float, float], tuple[float, float], float]]) -> np.ndarray:
    """Filled ellipses of (centre, half axes, angle in degrees), 1 on 0."""
    canvas = np.zeros((SIDE, SIDE), np.float32)
    for centre, axes, angle in shapes:
        cv2.ellipse(canvas, [round(c) for c in centre], [round(a) for a in axes], angle, 0, 360, 1, -1)
    return canvas


def _blurred(canvas: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(canvas, (0, 0), sigma)


def _clouds(random: np.random.Generator, cells: int) -> np.ndarray:
    coarse = random.standard_normal((cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _pose(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), random.uniform(-4, 4), random.uniform(0.95, 1.08))
    turn[:, 2] += random.uniform(-6, 6, size=2)
    return cv2.warpAffine(film, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)


def _expose(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    film = np.clip(film, 0, None) ** random.uniform(0.9, 1.15)
    film += random.uniform(0.005, 0.02) * random.standard_normal(film.shape, dtype=np.float32)
    # Mean and deviation are drawn apart from the class, so that they tell nothing: one has to look.
    film = (film - film.mean()) / film.std() * random.uniform(43, 53) + random.uniform(110, 130)
    return np.clip(film, 0, 255).astype(np.uint8)
