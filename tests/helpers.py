"""What several tests need: pictures, folders of films, patience."""

import time
from pathlib import Path

import cv2
import numpy as np

from core import jobs
from core.data import phantoms


def film(seed: int = 0, subtype: str = "") -> np.ndarray:
    """A phantom: (224, 224) uint8."""
    return phantoms.draw(np.random.default_rng(seed), np.random.default_rng([seed, 1]), subtype)


def encode(picture: np.ndarray, ending: str = ".png") -> bytes:
    """The picture as the bytes of a file."""
    done, content = cv2.imencode(ending, picture)
    assert done
    return content.tobytes()


def write_tree(root: Path, films: dict[str, int], patients: int = 1000) -> Path:
    """Folders of phantoms: {"train/NORMAL": 8}; names follow the Kaggle set's."""
    for folder, count in films.items():
        (root / folder).mkdir(parents=True)
        ill = folder.endswith("PNEUMONIA")
        for number in range(count):
            offset = sum(ord(letter) for letter in folder) * 100
            patient = offset + number % patients
            name = f"person{patient}_bacteria_{number}.jpeg" if ill else f"IM-{patient:06d}-{number:04d}.jpeg"
            picture = film(offset + number, "lobar" if ill else "")
            (root / folder / name).write_bytes(encode(picture, ".jpeg"))
    return root


def wait_until_ended(run, seconds: float = 120) -> jobs.Status:
    """The run's status once its worker is gone."""
    return wait_for(lambda: run.status, lambda status: not jobs.is_open(status), seconds)


def wait_for(look, good, seconds: float = 60):
    """What `look` returns once `good` likes it."""
    deadline = time.monotonic() + seconds
    while not good(found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.05)
    return found
