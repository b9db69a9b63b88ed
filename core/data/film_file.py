"""Films of a prepared set, read a batch at a time: mapping them would count them all as this process's memory."""

import os
from pathlib import Path
from typing import Self

import numpy as np

from core.errors import UserError


class FilmFile:
    """The open file films.u8. It stays readable when the prepared set is deleted meanwhile.

    Example: `with FilmFile(prepared.folder, 150) as films: batch = films.read(rows)`.
    """

    def __init__(self, folder: Path, size: int):
        self.size = size
        try:
            self._file = (folder / "films.u8").open("rb", buffering=0)
        except OSError as error:
            raise UserError(
                f"The prepared films cannot be read: {error.strerror}.", fix="Start again: they are prepared anew."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._file.close()

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Films of these rows, (n, size, size) uint8. Raises UserError if the file ends before one of them."""
        films = np.empty((len(rows), self.size, self.size), np.uint8)
        length = self.size * self.size
        for film, row in zip(films, rows.tolist(), strict=True):
            if os.preadv(self._file.fileno(), [film.reshape(-1)], row * length) != length:
                raise UserError(
                    "The file of prepared films is shorter than its index says.",
                    fix="Delete the workspace's folder prepared/ and start again: the films are prepared anew.",
                )
        return films
