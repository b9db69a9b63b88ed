"""Results to charts; nothing here touches the screen."""

import altair as alt
import numpy as np
import pandas as pd

from core import wording
from core.data.sample import CLASS_NAMES

TITLES = {"loss": "Loss", **wording.TITLES}


def counts(table: pd.DataFrame) -> alt.Chart:
    """Films by part and class, from columns Part, Class and Films."""
    return (
        alt.Chart(table, height=260)
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("Films:Q"),
            y=alt.Y("Part:N", sort=list(dict.fromkeys(table["Part"])), title=None),
            color=class_color(),
            tooltip=["Part", "Class", "Films"],
        )
    )


def sizes(table: pd.DataFrame) -> alt.Chart:
    """Width against height of the files, from columns Width, Height, Class and Films."""
    return (
        alt.Chart(table, height=320, title="Size of the files")
        .mark_circle(opacity=0.65)
        .encode(
            x=alt.X("Width:Q", title="Width (pixels)", scale=alt.Scale(zero=False, padding=20)),
            y=alt.Y("Height:Q", title="Height (pixels)", scale=alt.Scale(zero=False, padding=20)),
            size=alt.Size("Films:Q", legend=None, scale=alt.Scale(range=[40, 600])),
            color=class_color(),
            tooltip=["Class", "Width", "Height", "Films"],
        )
    )


def histogram(shares: np.ndarray) -> alt.Chart:
    """How often each grey level occurs, by class; shares (2, 256)."""
    binned = shares.reshape(2, 64, 4).sum(axis=2)
    table = pd.DataFrame(
        {
            "Grey level": np.tile(np.arange(64) * 4 + 2, 2),
            "Share": binned.ravel(),
            "Class": np.repeat(CLASS_NAMES, 64),
        }
    )
    return (
        alt.Chart(table, height=320, title="Grey levels")
        .mark_line(interpolate="monotone")
        .encode(
            x=alt.X("Grey level:Q", title="Grey level (0 black, 255 white)", scale=alt.Scale(domain=[0, 256])),
            y=alt.Y("Share:Q", title="Share of the pixels", axis=alt.Axis(format="%")),
            color=class_color(),
            tooltip=["Class", "Grey level", alt.Tooltip("Share:Q", format=".2%")],
        )
    )


def distribution(films: pd.DataFrame, column: str, title: str) -> alt.Chart:
    """How a figure is spread over the films of each class; columns Class and `column`."""
    low, high = float(films[column].min()), float(films[column].max())
    edges = np.linspace(low, high, 31)
    rows = []
    for name in CLASS_NAMES:
        found, _ = np.histogram(films.loc[films["Class"] == name, column], edges)
        shares = found / max(found.sum(), 1)
        rows += [(middle, share, name) for middle, share in zip((edges[:-1] + edges[1:]) / 2, shares, strict=True)]
    table = pd.DataFrame(rows, columns=[title, "Share", "Class"])
    return (
        alt.Chart(table, height=320, title=title)
        .mark_line(interpolate="step")
        .encode(
            x=alt.X(f"{title}:Q", scale=alt.Scale(zero=False)),
            y=alt.Y("Share:Q", title="Share of the films", axis=alt.Axis(format="%")),
            color=class_color(),
            tooltip=["Class", alt.Tooltip(f"{title}:Q", format=".2f"), alt.Tooltip("Share:Q", format=".1%")],
        )
    )


def class_color() -> alt.Color:
    """Normal films in one colour, those with pneumonia in the other."""
    return alt.Color(
        "Class:N", scale=alt.Scale(domain=list(CLASS_NAMES)), legend=alt.Legend(orient="bottom", title=None)
    )
