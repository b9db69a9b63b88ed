"""What a report holds, whether it is set as a page or as a PDF: results and words, no layout."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Relative widths of a table with a name and what it is.
NAMED = (1, 3)


@dataclasses.dataclass(frozen=True)
class Heading:
    """Begins a section, or one below it."""

    kind: ClassVar[str] = "heading"
    text: str
    below: bool = False


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """quiet: explains, and may be skipped."""

    kind: ClassVar[str] = "paragraph"
    text: str
    quiet: bool = False


@dataclasses.dataclass(frozen=True)
class Points:
    """A list."""

    kind: ClassVar[str] = "points"
    texts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Warned:
    """severity: one of `core.cautions.SEVERITIES`."""

    kind: ClassVar[str] = "warned"
    severity: str
    title: str
    text: str


@dataclasses.dataclass(frozen=True)
class Table:
    """header: () for one that needs none. widths: relative. figures: the first column of numbers."""

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    figures: int = 99


@dataclasses.dataclass(frozen=True)
class Drawing:
    """draw: makes it, in whichever thread sets the report. sentence: what it shows."""

    kind: ClassVar[str] = "drawing"
    draw: Callable[[], "Figure"]
    sentence: str


@dataclasses.dataclass(frozen=True)
class Example:
    """film: (height, width) uint8. overlay: (height, width, 3) uint8 RGB, or None."""

    film: np.ndarray
    overlay: np.ndarray | None
    caption: str


@dataclasses.dataclass(frozen=True)
class Drawings:
    """Drawings that go together."""

    kind: ClassVar[str] = "drawings"
    drawings: Sequence[Drawing]


@dataclasses.dataclass(frozen=True)
class Examples:
    """Single films."""

    kind: ClassVar[str] = "examples"
    films: Sequence[Example]


Block = Heading | Paragraph | Points | Warned | Table | Drawings | Examples


@dataclasses.dataclass(frozen=True)
class Document:
    """notice: stands on every page."""

    title: str
    subtitle: str
    notice: str
    blocks: Sequence[Block]
