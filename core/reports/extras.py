"""What a report may hold besides the evaluation itself: single films, damaged films, other models."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from core import robustness, wording
from core.data.sample import CLASS_NAMES
from core.lineup import Lineup
from core.reports.document import Block, Drawing, Drawings, Example, Examples, Heading, Paragraph, Table
from core.robustness import Robustness

# Films a table lists of those on which two models disagree.
LISTED = 20


@dataclasses.dataclass(frozen=True)
class Extras:
    """Of the same model on the same films as the report; what is not given is not in it."""

    examples: Sequence[Example] = ()
    robustness: Robustness | None = None
    lineup: Lineup | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the pictures, as plain values; null for what is not given."""
        compared = self.lineup.comparisons if self.lineup else {}
        return {
            "robustness": self.robustness.to_json() if self.robustness else None,
            "comparisons": {name: found.to_json() for name, found in compared.items()} or None,
        }


def blocks(more: Extras) -> list[Block]:
    """All there is."""
    found = [*_examples(more.examples)]
    if more.robustness:
        found += _robustness(more.robustness)
    if more.lineup:
        found += _lineup(more.lineup)
    return found


def _examples(examples: Sequence[Example]) -> Iterator[Block]:
    if not examples:
        return
    yield Heading("Single films")
    if any(example.overlay is not None for example in examples):
        yield Paragraph(
            "Coloured: where the network looked for its answer. It shows attention; it does not locate disease.",
            quiet=True,
        )
    yield Examples(tuple(examples))


def _robustness(found: Robustness) -> Iterator[Block]:
    from core.reports import drawings

    yield Heading("As the films get worse")
    yield Paragraph(
        f"{found.films:,} of the films, at most {robustness.LIMIT:,} of each class, damaged by us before they were "
        "judged, each level anew from the film as it is. Shaded: 95 % intervals."
    )
    yield Drawings(
        tuple(
            Drawing(lambda family=family: drawings.robustness(found, family), wording.of_robustness(found, family))
            for family in robustness.FAMILIES
        )
    )
    rows = [
        (
            wording.sentence_case(family),
            step.label,
            *(wording.with_interval(step.metrics[name]) for name in robustness.FIGURES),
        )
        for family in robustness.FAMILIES
        for step in found.steps(family)
    ]
    header = ("Damage", "Level", *(wording.TITLES[name] for name in robustness.FIGURES))
    yield Table(header, rows, (1, 1.2, *[1.5] * len(robustness.FIGURES)), figures=2)


def _lineup(found: Lineup) -> Iterator[Block]:
    from core.reports import drawings

    yield Heading("Beside other models")
    yield Paragraph(
        f"On the {found.films:,} films of {found.patients:,} patients that all of them have judged, each at its own "
        f"threshold. Differences: the other model less {found.first}, with 95 % intervals from the same "
        "2,000 draws of patients for both."
    )
    yield Drawings(
        (
            Drawing(lambda: drawings.rocs(found), "ROC curves on the films in common."),
            Drawing(lambda: drawings.differences(found), f"Differences from {found.first}; right of 0 is better."),
        )
    )
    rows = [
        (name, wording.TITLES[figure], wording.with_interval(difference))
        for name, compared in found.comparisons.items()
        for figure, difference in compared.differences.items()
    ]
    yield Table(("Model", "Figure", "Difference (95 % interval)"), rows, (2, 1, 2), figures=2)
    for name, compared in found.comparisons.items():
        yield Paragraph(wording.of_comparison(found.first, name, compared))
        yield from _disagreement(found.first, name, compared.disagree)
    yield Paragraph(
        "The chances count every film as one of its own; where patients have several films they are too small, and "
        "the intervals are the better guide.",
        quiet=True,
    )


def _disagreement(first: str, second: str, films: pd.DataFrame) -> Iterator[Block]:
    if films.empty:
        return
    yield Heading(f"Where {second} disagrees", below=True)
    rows = [
        (film.film, CLASS_NAMES[film.label], wording.figure(film.first), wording.figure(film.second))
        for film in films.head(LISTED).itertuples()
    ]
    yield Table(("Film", "Truth", first, second), rows, (2.5, 1, 1, 1), figures=2)
    if len(films) > LISTED:
        yield Paragraph(f"The {LISTED} of {len(films):,} on which the two are farthest apart.", quiet=True)
