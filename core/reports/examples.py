"""Single films for a report: those of each kind of answer that the model is surest of."""

import numpy as np
import pandas as pd

from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES
from core.gradcam import overlay
from core.prediction import Predictor
from core.reports.document import Example

EACH = 3
OPACITY = 0.6
KINDS = {(1, False): "Missed", (0, True): "False alarm", (1, True): "Found", (0, False): "Rightly normal"}


def of(predictor: Predictor, prepared: Prepared, table: pd.DataFrame, threshold: float) -> list[Example]:
    """At most EACH missed, falsely alarming, found and rightly normal films, with where the network looked.

    prepared: as the model sees them. table: see `core.answers`. Films that are not among the prepared are left out.
    """
    place = {film: row for row, film in enumerate(prepared.table["id"])}
    known = table[table["film"].isin(place)]
    called = known["probability"] >= threshold
    sureness = (known["probability"] - threshold).abs().sort_values(ascending=False, kind="stable")
    found = []
    for (truth, says), kind in KINDS.items():
        inside = (known["label"] == truth) & (called == says)
        chosen = known.loc[[row for row in sureness.index if inside[row]][:EACH]]
        if chosen.empty:
            continue
        films = np.stack([prepared.film(place[film]) for film in chosen["film"]])
        heats = predictor.heatmaps(films, predictor.probabilities(films))
        for film, heat, line in zip(films, heats, chosen.itertuples(), strict=True):
            caption = f"{kind}: {line.film}, {CLASS_NAMES[line.label]}, probability {line.probability:.3f}"
            found.append(Example(film, overlay(film, heat, OPACITY), caption))
    return found
