"""The same film more than once: byte by byte, or as a picture."""

from collections.abc import Iterator

import numpy as np

from core.data import duplicates
from core.data.checks.finding import SERIOUS, WARNING, Films, Finding, Group, leave_out, plural

# Which copy stays: an official test part is left as it was published.
KEPT_FIRST = ("test", "val", "train", "")


def exact(films: Films) -> Iterator[Finding]:
    """Files with the same bytes."""
    _, which = np.unique(films.column("sha256").astype(str), return_inverse=True)
    order = np.argsort(which, kind="stable")
    members = np.split(films.rows[order], np.flatnonzero(np.diff(which[order])) + 1)
    groups = sorted((group.tolist() for group in members if len(group) > 1), key=min)
    if groups:
        yield _finding(films, groups, "exact-duplicates", "the same file, byte by byte")


def near(films: Films) -> Iterator[Finding]:
    """Files of other bytes that show the same picture: re-encoded, resized or a little brighter."""
    digests = films.prepared.table["sha256"]
    groups = []
    for group in duplicates.groups(films.prepared.near_pairs, len(digests)):
        kept = [row for row in group.tolist() if not films.prepared.table["excluded"][row]]
        # Byte-identical files alone have a finding of their own.
        if len({digests[row] for row in kept}) > 1:
            groups.append(kept)
    if groups:
        yield _finding(films, groups, "near-duplicates", "the same picture in another file")


def _finding(films: Films, rows: list[list[int]], id: str, what: str) -> Finding:
    groups = tuple(films.group(group) for group in rows)
    labels = sum(group.across_labels for group in groups)
    parts = sum(group.across_splits for group in groups)
    count = sum(len(group) for group in rows)
    title = f"{plural(count, 'film')} in {plural(len(groups), 'group')}: {what}"
    marks = []
    if parts:
        marks.append(
            f"{plural(parts, 'group')} {'lies' if parts == 1 else 'lie'} across parts, so that a network is "
            "judged on films it was trained on"
        )
    if labels:
        marks.append(f"{plural(labels, 'group')} {'has' if labels == 1 else 'have'} both labels, of which one is wrong")
    return Finding(
        id,
        SERIOUS if parts or labels else WARNING,
        title,
        ("; ".join(marks) or "Copies count twice in training and in every figure") + ".",
        "Keep one film of each group, and none of a group with both labels.",
        groups,
        leave_out(_superfluous(films, groups), title),
        "Drop the copies",
    )


def _superfluous(films: Films, groups: tuple[Group, ...]) -> list[str]:
    table = films.prepared.table
    split = dict(zip(table["id"], table["split"], strict=True))
    dropped = []
    for group in groups:
        if group.across_labels:
            dropped += group.films
        else:
            kept = min(group.films, key=lambda film: KEPT_FIRST.index(split[film]))
            dropped += [film for film in group.films if film != kept]
    return dropped
