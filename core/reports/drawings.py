"""Results drawn for print. matplotlib's objects only: pyplot keeps one state for all threads."""

import dataclasses
import io
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from core import wording
from core.curves import Band, DecisionCurve, Histogram, PrCurve, ReliabilityBin, RocCurve
from core.data.sample import CLASS_NAMES
from core.lineup import Lineup
from core.metrics import Confusion
from core.robustness import FIGURES, Robustness

# Told apart with any kind of colour vision, and in grey print by their lightness.
MODEL, PNEUMONIA, OTHER, INK = "#0b6b75", "#c4651a", "#8a8f98", "#16262b"
# Of several models or figures in one drawing (Okabe and Ito 2008).
LINES, MARKERS = (MODEL, "#d55e00", "#56b4e9", "#cc79a7", "#e69f00", "#000000"), "osD^"
SHADES = LinearSegmentedColormap.from_list("share", ["#eef4f5", MODEL])
SIZE = (4.6, 3.9)
DOTS_PER_INCH = 200
# Net benefit falls without end where all are treated: below this nobody needs to look.
LOWEST_BENEFIT = -0.05


def confusion(c: Confusion) -> Figure:
    """Films by truth and answer, shaded by their share of the true class."""
    figure, axes = _sheet("Confusion matrix", "The model says", "Truth")
    counts = np.array([[c.tn, c.fp], [c.fn, c.tp]])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for (row, column), films in np.ndenumerate(counts):
        share = shares[row, column]
        ink = "white" if share > 0.5 else INK
        axes.text(column, row - 0.05, f"{films:,}", ha="center", va="center", size=20, weight="bold", color=ink)
        share_of = f"{share:.1%} of {CLASS_NAMES[row]}"
        axes.text(column, row + 0.2, share_of, ha="center", va="center", size=8.5, color=ink)
    axes.set_xticks([0, 1], CLASS_NAMES)
    axes.set_yticks([0, 1], CLASS_NAMES, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.axhline(0.5, color="white", linewidth=3)
    axes.axvline(0.5, color="white", linewidth=3)
    axes.grid(False)
    return figure


def roc(curve: RocCurve, c: Confusion) -> Figure:
    """The ROC curve with its band, the operating point, and what guessing gives."""
    figure, axes = _sheet("ROC curve", "1 − specificity", "Sensitivity")
    _banded(axes, curve.false_positive_rate, curve.sensitivity, curve.band)
    axes.plot([0, 1], [0, 1], "--", color=OTHER, label="Guessing")
    _point(axes, _share(c.fp, c.fp + c.tn), _share(c.tp, c.tp + c.fn))
    return _unit(figure, "lower right")


def pr(curve: PrCurve, c: Confusion) -> Figure:
    """The precision-recall curve with its band, the operating point, and what guessing gives."""
    figure, axes = _sheet("Precision and recall", "Sensitivity (recall)", "PPV (precision)")
    _banded(axes, curve.sensitivity, curve.ppv, curve.band)
    axes.plot([0, 1], [curve.prevalence] * 2, "--", color=OTHER, label="Guessing")
    _point(axes, _share(c.tp, c.tp + c.fn), _share(c.tp, c.tp + c.fp))
    return _unit(figure, "lower left")


def reliability(bins: Sequence[ReliabilityBin]) -> Figure:
    """Share of pneumonia against mean probability, with Wilson intervals and numbers of films."""
    figure, axes = _sheet("Reliability", "Mean probability the model gave", "Share of pneumonia")
    axes.plot([0, 1], [0, 1], "--", color=OTHER, label="Exact")
    for found in bins:
        axes.plot([found.probability] * 2, [found.share.low, found.share.high], color=MODEL, linewidth=2)
        _count_beside(axes, found)
    means, shares = [found.probability for found in bins], [found.share.value for found in bins]
    axes.plot(means, shares, "o", color=MODEL, markersize=6, label="Groups of films, counted")
    return _unit(figure, "upper left")


def _count_beside(axes: Axes, found: ReliabilityBin) -> None:
    """The number of films at that end of the interval where the diagram has room."""
    below = found.probability > 0.5
    axes.annotate(
        f"{found.films:,}",
        (found.probability, found.share.low if below else found.share.high),
        xytext=(0, -5 if below else 5),
        textcoords="offset points",
        ha="left" if found.probability < 0.05 else "right" if found.probability > 0.95 else "center",
        va="top" if below else "bottom",
        size=7.5,
        color=INK,
    )


def histogram(found: Histogram, threshold: float) -> Figure:
    """Films by probability and class, with the threshold."""
    figure, axes = _sheet("Probabilities", "Probability of pneumonia", "Films")
    edges = np.array(found.edges)
    half = np.diff(edges) / 2
    for counts, start, colour, name in (
        (found.normal, edges[:-1], OTHER, CLASS_NAMES[0]),
        (found.pneumonia, edges[:-1] + half, PNEUMONIA, CLASS_NAMES[1]),
    ):
        axes.bar(start, counts, half * 0.92, align="edge", color=colour, label=name)
    axes.axvline(threshold, color=MODEL, linestyle="--", label="Threshold")
    # Most films lie at the ends: on a plain scale the middle, where errors are, would not be seen.
    axes.set_yscale("symlog", linthresh=1)
    most = max(*found.normal, *found.pneumonia, 1)
    ticks = [0, *(10**power for power in range(len(str(most)) + 1))]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks], minor=False)
    axes.set_yticks([], minor=True)
    axes.set(xlim=(-0.02, 1.02), ylim=(0, most * 4))
    axes.legend(loc="upper center", ncols=3, fontsize=7.5, edgecolor="white", framealpha=1)
    return figure


def decision(curve: DecisionCurve) -> Figure:
    """Net benefit of following the model, of treating all and of treating none."""
    figure, axes = _sheet("Decision curve", "Threshold probability", "Net benefit per film")
    axes.plot(curve.threshold, curve.treat_all, color=PNEUMONIA, linestyle="-.", label="Treat all")
    axes.axhline(0, color=OTHER, linestyle="--", label="Treat none")
    axes.plot(curve.threshold, curve.model, color=MODEL, linewidth=2, label="Follow the model")
    top = max(*curve.model, *curve.treat_all, 0.05)
    axes.set(xlim=(0, 1), ylim=(LOWEST_BENEFIT, top * 1.08))
    axes.legend(loc="best", fontsize=8, frameon=False)
    return figure


def robustness(found: Robustness, family: str) -> Figure:
    """The figures at each level of a family, with their intervals."""
    figure, axes = _sheet(wording.sentence_case(family), "", "")
    steps = found.steps(family)
    places = range(len(steps))
    for name, colour, marker in zip(FIGURES, LINES, MARKERS, strict=False):
        values, lows, highs = zip(*(dataclasses.astuple(step.metrics[name]) for step in steps), strict=True)
        axes.fill_between(places, lows, highs, color=colour, alpha=0.12, linewidth=0)
        axes.plot(places, values, marker=marker, markersize=4.5, color=colour, label=wording.TITLES[name])
    axes.set_xticks(places, [step.label.replace(" of ", "\nof ") for step in steps])
    axes.set(ylim=(-0.02, 1.02))
    axes.legend(loc="best", fontsize=7.5, frameon=False)
    return figure


def rocs(found: Lineup) -> Figure:
    """ROC curves of all models, on the films in common."""
    figure, axes = _sheet("ROC curves", "1 − specificity", "Sensitivity")
    for (name, side), colour in zip(found.sides.items(), cycle(LINES)):
        axes.fill_between(side.roc.band.x, side.roc.band.low, side.roc.band.high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(side.roc.false_positive_rate, side.roc.sensitivity, color=colour, linewidth=2, label=name)
    axes.plot([0, 1], [0, 1], "--", color=OTHER, label="Guessing")
    return _unit(figure, "lower right")


def differences(found: Lineup) -> Figure:
    """Each other model less the first, with intervals; a figure that cannot be told is left out."""
    figure, axes = _sheet("Differences", "Other model less the first", "")
    names = next(iter(found.comparisons.values())).differences
    for place, (model, compared) in enumerate(found.comparisons.items()):
        colour = LINES[(place + 1) % len(LINES)]
        # Side by side, around the line of the figure.
        offset = (place - (len(found.comparisons) - 1) / 2) * 0.6 / len(found.comparisons)
        for row, name in enumerate(names):
            difference = compared.differences[name]
            axes.plot([difference.low, difference.high], [row + offset] * 2, color=colour, linewidth=2)
            axes.plot([difference.value], [row + offset], "o", color=colour, label=model if row == 0 else None)
    axes.axvline(0, color=OTHER, linestyle="--")
    axes.set_yticks(range(len(names)), [wording.TITLES[name] for name in names])
    axes.invert_yaxis()
    axes.legend(loc="best", fontsize=7.5, edgecolor="white")
    return figure


def as_png(figure: Figure) -> bytes:
    """The drawing as a PNG file."""
    return _saved(figure, format="png", dpi=DOTS_PER_INCH)


def as_svg(figure: Figure) -> str:
    """The drawing as an SVG file, its letters as shapes: it looks the same with any fonts."""
    # Without a date, the same report is the same file.
    return _saved(figure, format="svg", metadata={"Date": None}).decode()


def _saved(figure: Figure, **how) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, **how)
    return content.getvalue()


def _sheet(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left", color=INK, weight="bold")
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, color=OTHER, labelcolor=INK)
    axes.grid(color="#e6e9eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def _banded(axes: Axes, x: Sequence[float], y: Sequence[float], band: Band) -> None:
    axes.fill_between(band.x, band.low, band.high, color=MODEL, alpha=0.2, linewidth=0, label="95 % of resamples")
    axes.plot(x, y, color=MODEL, linewidth=2, label="Model")


def _point(axes: Axes, x: float, y: float) -> None:
    style = {"markersize": 9, "markeredgecolor": "white", "zorder": 5, "clip_on": False}
    axes.plot([x], [y], "o", color=PNEUMONIA, label="At its threshold", **style)


def _share(hits: int, of: int) -> float:
    return hits / of if of else float("nan")


def _unit(figure: Figure, legend: str) -> Figure:
    """Both axes from 0 to 1, with room for what lies at the edge."""
    axes = figure.axes[0]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc=legend, fontsize=8, frameon=False)
    return figure
