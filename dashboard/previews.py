"""What a run will be, before it starts: its network layer by layer, and its films as they will be varied."""

import numpy as np
import pandas as pd
import streamlit as st

from core.architectures.cost import LayerCost, training_mflop
from core.data import splits
from core.data.augment import augment, is_on
from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES, DataSet
from core.errors import UserError
from core.images import ImageSpec
from core.settings import TrainSettings
from dashboard import components, state

EXAMPLES = 8


def show_network(layers: list[LayerCost]) -> None:
    """The network as a table of layers, with its totals."""
    parameters, mflop = sum(layer.parameters for layer in layers), sum(layer.mflop for layer in layers)
    table = pd.DataFrame(
        [
            {
                "Layer": layer.name,
                "Kind": layer.kind,
                "Output": " × ".join(map(str, layer.shape)),
                "Parameters": layer.parameters,
                "Their share": layer.parameters / max(parameters, 1),
                "MFLOP": layer.mflop,
                "Share of the work": layer.mflop / max(mflop, 1e-9),
            }
            for layer in layers
        ]
    )
    st.dataframe(
        table,
        hide_index=True,
        alt="The network layer by layer: output shape, parameters and work for a film",
        column_config={
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Their share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "MFLOP": st.column_config.NumberColumn(
                format="%,.1f", help="Millions of multiplications and additions for one film on its way through."
            ),
            "Share of the work": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        },
    )
    st.caption(
        f"{in_short(parameters)} parameters. {in_short(mflop)} million operations to judge a film, "
        f"{in_short(training_mflop(layers))} million to train on it."
    )


def in_short(number: float) -> str:
    """18.9 million instead of 18904641."""
    return f"{number / 1e6:,.3g} million" if number >= 1e6 else f"{number:,.0f}"


def show_augmentation(source: DataSet, settings: TrainSettings) -> None:
    """Training films as they are and, below, as the network will see them with these settings."""
    spec = settings.image_spec
    prepared = state.find_prepared(source, spec) or components.ensure_prepared(source, ImageSpec())
    if not prepared:
        return
    rows = _training_films(prepared, settings)
    try:
        films = state.films_at(prepared.folder.name, rows, spec, prepared)
    except (OSError, UserError):
        st.info("Some of these films cannot be read now.", icon=":material/image_not_supported:")
        return
    varied = augment(films, settings, np.random.default_rng([settings.seed, state.examples()]))
    labels = [CLASS_NAMES[prepared.table["label"][row]] for row in rows]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What the network will see:** above as prepared, below as varied", width="content")
        st.button("Other examples", icon=":material/shuffle:", on_click=state.other_examples)
    for kind, pictures in (("as prepared", films), ("varied", varied)) if is_on(settings) else (("as is", films),):
        with st.grid(EXAMPLES, min_column_width=84):
            for label, picture in zip(labels, pictures, strict=True):
                components.film(picture, label, f"Training film, {label}, {kind}")
    if not is_on(settings):
        st.caption("Nothing is varied yet: set one of the fields above.")


def _training_films(prepared: Prepared, settings: TrainSettings) -> tuple[int, ...]:
    parts = splits.split_as(prepared.table, settings)
    films = np.flatnonzero(parts == "train")
    random = np.random.default_rng([settings.seed, state.examples()])
    return tuple(int(row) for row in random.choice(films, min(EXAMPLES, len(films)), replace=False))
