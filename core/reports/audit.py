"""The audit of a data set as a page."""

import datetime

import numpy as np

from core.data.audit import Audit
from core.data.checks.shortcuts import NUISANCES
from core.data.prepare import Prepared
from core.data.sample import CLASS_NAMES
from core.images import data_uri
from core.model_card import NOTICE
from core.reports.pages import TEMPLATES


def audit_html(audit: Audit, prepared: Prepared) -> str:
    """The audit as one HTML page that holds all it shows, films of single patients excepted."""
    pictures = [
        (f"Mean of all {name} films", data_uri(film))
        for name, film in zip(CLASS_NAMES, prepared.mean_films, strict=True)
    ]
    pictures.append(("Where PNEUMONIA is brighter (red) or darker (blue)", data_uri(mean_difference(prepared))))
    return TEMPLATES.get_template("audit.html").render(
        audit=audit,
        licence=prepared.source.licence,
        fixes=prepared.source.fixes,
        short=lambda figure: f"{figure:,.0f}" if figure >= 1000 else f"{figure:.4g}",
        pictures=pictures,
        nuisance_titles=NUISANCES,
        notice=NOTICE,
        made=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
    )


def mean_difference(prepared: Prepared) -> np.ndarray:
    """PNEUMONIA's mean film less NORMAL's, as colours: (size, size, 3) uint8 RGB.

    White is no difference, full red or blue the largest one in the picture.
    """
    normal, ill = prepared.mean_films.astype(np.float32)
    difference = ill - normal
    share = np.abs(difference) / max(float(np.abs(difference).max()), 1.0)
    colours = np.where((difference > 0)[..., None], np.float32([200, 30, 30]), np.float32([30, 70, 200]))
    return np.rint(255 + (colours - 255) * share[..., None]).astype(np.uint8)
