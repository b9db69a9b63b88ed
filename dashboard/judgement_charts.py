"""What a judgement is drawn from, to charts; nothing here touches the screen."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd

from core.breakdown import Group
from core.curves import Band, DecisionCurve, Histogram, PrCurve, ReliabilityBin, RocCurve
from core.data.sample import CLASS_NAMES
from core.metrics import Confusion, Interval
from core.robustness import Level
from dashboard.charts import class_color

HEIGHT = 340
MODEL, OTHER = "#0b7f8b", "#8a8f98"
# Names of what a click selects.
CELL, BIN = "cell", "bin"
UNIT = alt.Scale(domain=[0, 1])


def confusion(counts: Confusion) -> alt.LayerChart:
    """The confusion matrix, films counted with their share of the true class; a click selects a CELL."""
    answers = ((counts.tn, counts.fp), (counts.fn, counts.tp))
    rows = [
        (true, said, films, films / max(sum(row), 1), f"{films:,}", f"{films / max(sum(row), 1):.1%} of {true}")
        for true, row in zip(CLASS_NAMES, answers, strict=True)
        for said, films in zip(CLASS_NAMES, row, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["Truth", "Model says", "Films", "share", "text", "percent"])
    cell = alt.selection_point(name=CELL, fields=["Truth", "Model says"])
    base = alt.Chart(table).encode(
        x=alt.X("Model says:N", sort=CLASS_NAMES, axis=alt.Axis(orient="top", labelAngle=0, grid=False)),
        y=alt.Y("Truth:N", sort=CLASS_NAMES, axis=alt.Axis(grid=False, labelAngle=-90, labelAlign="center")),
    )
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("#16262b"))
    cells = (
        base.mark_rect(cornerRadius=6, stroke="white", strokeWidth=2, cursor="pointer")
        .encode(
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#e3eff1", "#0b6b75"]), legend=None),
            tooltip=["Truth", "Model says", "Films", alt.Tooltip("share:Q", title="Share of truth", format=".1%")],
        )
        .add_params(cell)
    )
    count = base.mark_text(fontSize=30, fontWeight="bold", dy=-8, cursor="pointer").encode(text="text:N", color=ink)
    percent = base.mark_text(fontSize=13, dy=20, cursor="pointer").encode(text="percent:N", color=ink)
    return (cells + count + percent).properties(height=HEIGHT)


def histogram(found: Histogram, threshold: float) -> alt.LayerChart:
    """Films by probability and class, with the threshold; a click selects a BIN by its lower edge."""
    rows = [
        (low, high, name, films)
        for name, counts in zip(CLASS_NAMES, (found.normal, found.pneumonia), strict=True)
        for low, high, films in zip(found.edges, found.edges[1:], counts, strict=False)
    ]
    table = pd.DataFrame(rows, columns=["From", "To", "Class", "Films"])
    bars = (
        alt.Chart(table)
        .mark_bar(cursor="pointer", binSpacing=1, opacity=0.65)
        .encode(
            x=alt.X("From:Q", title="Probability of pneumonia", scale=UNIT, bin="binned", axis=alt.Axis(format=".1f")),
            x2="To:Q",
            # Most films lie at the ends: on a plain scale the middle, where errors are, would not be seen.
            y=alt.Y(
                "Films:Q",
                stack=None,
                scale=alt.Scale(type="symlog"),
                axis=alt.Axis(values=[0, 1, 10, 100, 1000, 10000]),
            ),
            color=class_color(),
            tooltip=["Class", alt.Tooltip("From:Q", format=".2f"), alt.Tooltip("To:Q", format=".2f"), "Films"],
        )
        .add_params(alt.selection_point(name=BIN, fields=["From"]))
    )
    return (bars + _threshold(threshold)).properties(height=HEIGHT)


def _threshold(at: float) -> alt.Chart:
    table = pd.DataFrame({"at": [at], "Threshold": [f"{at:.3f}"]})
    rule = alt.Chart(table).mark_rule(strokeDash=[4, 3], color=OTHER, strokeWidth=2)
    return rule.encode(x="at:Q", tooltip="Threshold")


def roc(curves: dict[str, RocCurve]) -> alt.LayerChart:
    """ROC curves by model's name, each with its band, and the line that guessing would give."""
    lines = {name: (curve.false_positive_rate, curve.sensitivity, curve.band) for name, curve in curves.items()}
    chance = pd.DataFrame({"1 − specificity": [0, 1], "Sensitivity": [0, 1]})
    return _banded(lines, "1 − specificity", "Sensitivity", chance)


def pr(curves: dict[str, PrCurve]) -> alt.LayerChart:
    """Precision-recall curves by model's name, each with its band, and the PPV that guessing would give."""
    lines = {name: (curve.sensitivity, curve.ppv, curve.band) for name, curve in curves.items()}
    prevalence = next(iter(curves.values())).prevalence
    return _banded(lines, "Sensitivity", "PPV", pd.DataFrame({"Sensitivity": [0, 1], "PPV": [prevalence] * 2}))


def _banded(
    lines: dict[str, tuple[Sequence[float], Sequence[float], Band]], x: str, y: str, chance: pd.DataFrame
) -> alt.LayerChart:
    curves = pd.concat(pd.DataFrame({"Model": name, x: xs, y: ys}) for name, (xs, ys, _) in lines.items())
    curves["order"] = range(len(curves))
    bands = pd.concat(
        pd.DataFrame({"Model": name, x: band.x, "low": band.low, "high": band.high})
        for name, (_, _, band) in lines.items()
    )
    axes = {"x": alt.X(f"{x}:Q", scale=UNIT)}
    color = _model_color(list(lines), len(lines) > 1)
    area = alt.Chart(bands).mark_area(opacity=0.22).encode(**axes, y=alt.Y("low:Q", title=y), y2="high:Q", color=color)
    line = (
        alt.Chart(curves)
        .mark_line(interpolate="linear", strokeWidth=2.5)
        .encode(
            **axes,
            y=alt.Y(f"{y}:Q", scale=UNIT),
            color=color,
            order="order:Q",
            tooltip=["Model", alt.Tooltip(f"{x}:Q", format=".3f"), alt.Tooltip(f"{y}:Q", format=".3f")],
        )
    )
    guess = alt.Chart(chance).mark_line(strokeDash=[4, 4], color=OTHER).encode(**axes, y=f"{y}:Q")
    return (area + guess + line).properties(height=HEIGHT)


def _model_color(names: list[str], with_legend: bool) -> alt.Color:
    """The same colour for a model in all charts of these models."""
    # One name below the other, for they are long; in full colour, though the bands are pale.
    legend = alt.Legend(orient="bottom", title=None, columns=1, labelLimit=400, symbolOpacity=1)
    return alt.Color("Model:N", scale=alt.Scale(domain=names), legend=legend if with_legend else None)


def reliability(bins: list[ReliabilityBin]) -> alt.LayerChart:
    """Share of pneumonia against mean probability, with Wilson intervals; the larger a dot the more films."""
    table = pd.DataFrame(
        {
            "Probability": [found.probability for found in bins],
            "Share of pneumonia": [found.share.value for found in bins],
            "low": [found.share.low for found in bins],
            "high": [found.share.high for found in bins],
            "Films": [found.films for found in bins],
        }
    )
    x = alt.X("Probability:Q", title="Mean probability the model gave", scale=UNIT)
    ideal = pd.DataFrame({"Probability": [0, 1], "Share of pneumonia": [0, 1]})
    line = alt.Chart(ideal).mark_line(strokeDash=[4, 4], color=OTHER).encode(x=x, y="Share of pneumonia:Q")
    base = alt.Chart(table).encode(x=x)
    spans = base.mark_rule(color=MODEL, strokeWidth=2).encode(y=alt.Y("low:Q", title="Share of pneumonia"), y2="high:Q")
    dots = base.mark_circle(color=MODEL, opacity=1).encode(
        y=alt.Y("Share of pneumonia:Q", scale=UNIT),
        size=alt.Size("Films:Q", legend=None, scale=alt.Scale(range=[40, 500])),
        tooltip=[
            alt.Tooltip("Probability:Q", format=".3f"),
            alt.Tooltip("Share of pneumonia:Q", format=".3f"),
            "Films",
        ],
    )
    counts = base.mark_text(dy=-16, fontSize=11, color=OTHER).encode(y="high:Q", text=alt.Text("Films:Q", format=","))
    return (line + spans + dots + counts).properties(height=HEIGHT)


def decision(curve: DecisionCurve) -> alt.Chart:
    """Net benefit of following the model, of treating all and of treating none."""
    lowest = -0.05
    rows = [
        (threshold, who, benefit)
        for who, line in (
            ("Follow the model", curve.model),
            ("Treat all", curve.treat_all),
            ("Treat none", [0.0] * len(curve.threshold)),
        )
        for threshold, benefit in zip(curve.threshold, line, strict=True)
        if benefit >= lowest
    ]
    table = pd.DataFrame(rows, columns=["Threshold probability", "Strategy", "Net benefit"])
    names = ["Follow the model", "Treat all", "Treat none"]
    return (
        alt.Chart(table, height=HEIGHT)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("Threshold probability:Q", scale=UNIT),
            y=alt.Y("Net benefit:Q", title="Net benefit per film"),
            color=alt.Color(
                "Strategy:N",
                scale=alt.Scale(domain=names, range=[MODEL, "#d9822b", OTHER]),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            tooltip=["Strategy", alt.Tooltip("Threshold probability:Q", format=".2f"), "Net benefit"],
        )
    )


def groups(found: list[Group], figures: Sequence[str], titles: dict[str, str]) -> alt.LayerChart:
    """Figures of each group of one way, with their intervals."""
    rows = [
        (group.name, titles[name], group.metrics[name].value, group.metrics[name].low, group.metrics[name].high)
        for group in found
        for name in figures
        if not math.isnan(group.metrics[name].value)
    ]
    table = pd.DataFrame(rows, columns=["Group", "Figure", "Value", "Low", "High"])
    base = alt.Chart(table).encode(
        y=alt.Y("Figure:N", title=None, sort=[titles[name] for name in figures]),
        yOffset=alt.YOffset("Group:N"),
        color=alt.Color("Group:N", legend=alt.Legend(orient="bottom", title=None, columns=2, labelLimit=400)),
        tooltip=["Group", "Figure", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("Value", "Low", "High"))],
    )
    spans = base.mark_rule(strokeWidth=2).encode(x=alt.X("Low:Q", title=None, scale=alt.Scale(zero=False)), x2="High:Q")
    dots = base.mark_circle(size=90, opacity=1).encode(x="Value:Q")
    return (spans + dots).properties(height=60 + 26 * len(rows))


def robustness(steps: Sequence[Level], figures: Sequence[str], titles: dict[str, str], lowest: float) -> alt.LayerChart:
    """Figures at each level of one kind of damage, with their intervals; lowest: where the axis begins."""
    labels = [step.label for step in steps]
    rows = [
        (step.label, titles[name], step.metrics[name].value, step.metrics[name].low, step.metrics[name].high)
        for step in steps
        for name in figures
        if not math.isnan(step.metrics[name].value)
    ]
    table = pd.DataFrame(rows, columns=["Level", "Figure", "Value", "Low", "High"])
    named = [titles[name] for name in figures]
    base = alt.Chart(table).encode(
        x=alt.X("Level:O", sort=labels, title=None, axis=alt.Axis(labelAngle=-30, labelOverlap=False)),
        color=alt.Color(
            "Figure:N", sort=named, legend=alt.Legend(orient="bottom", title=None, columns=2, symbolOpacity=1)
        ),
        tooltip=["Figure", "Level", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("Value", "Low", "High"))],
    )
    scale = alt.Scale(domain=[math.floor(lowest * 10) / 10 if not math.isnan(lowest) else 0, 1])
    bands = base.mark_area(opacity=0.12).encode(y=alt.Y("Low:Q", title=None, scale=scale), y2="High:Q")
    lines = base.mark_line(strokeWidth=2.5, point=True).encode(y=alt.Y("Value:Q", scale=scale))
    return (bands + lines).properties(height=HEIGHT)


def differences(found: dict[str, dict[str, Interval]], titles: dict[str, str], models: list[str]) -> alt.LayerChart:
    """By model, how far its figures lie from those of the first of the models, with intervals; right is better."""
    rows = [
        (model, titles[name], one.value, one.low, one.high)
        for model, figures in found.items()
        for name, one in figures.items()
        if not math.isnan(one.value)
    ]
    table = pd.DataFrame(rows, columns=["Model", "Figure", "Difference", "Low", "High"])
    names = [titles[name] for name in next(iter(found.values()))]
    base = alt.Chart(table).encode(
        y=alt.Y("Figure:N", title=None, sort=names),
        yOffset=alt.YOffset("Model:N"),
        color=_model_color(models, True),
        tooltip=[
            "Model",
            "Figure",
            *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("Difference", "Low", "High")),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"at": [0]})).mark_rule(strokeDash=[4, 3], color=OTHER).encode(x="at:Q")
    spans = base.mark_rule(strokeWidth=2).encode(x=alt.X("Low:Q", title="Difference"), x2="High:Q")
    dots = base.mark_circle(size=90, opacity=1).encode(x="Difference:Q")
    return (zero + spans + dots).properties(height=HEIGHT)
