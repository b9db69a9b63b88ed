"""Pieces that two pages or more share."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core import images, jobs
from core.data.prepare import Prepared
from core.data.sample import DataSet
from core.errors import UserError
from core.images import ImageSpec
from core.jobs import Status
from dashboard import state

# Up to this highest value, a field's step and format.
STEPS = ((0.3, 0.01, "%.2f"), (1.0, 0.05, "%.2f"), (float("inf"), 1.0, "%.1f"))
STATE_BADGES = {
    "queued": ("Queued", "gray", ":material/hourglass_empty:"),
    "starting": ("Starting", "blue", ":material/hourglass_top:"),
    "preparing": ("Preparing films", "blue", ":material/hourglass_top:"),
    "training": ("Training", "blue", ":material/model_training:"),
    "evaluating": ("Judging", "blue", ":material/fact_check:"),
    "finished": ("Finished", "green", ":material/check_circle:"),
    "stopped": ("Stopped", "orange", ":material/stop_circle:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
    "failed": ("Failed", "red", ":material/error:"),
}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Shows a UserError as what happened and what to do, instead of a traceback."""
    try:
        yield
    except UserError as error:
        show_error(error.what, error.fix)


def show_error(what: str, fix: str) -> None:
    """A mistake and the next step."""
    st.error(fix, title=plain(what), icon=":material/error:")


def plain(text: str) -> str:
    """File names may look like Markdown."""
    for sign in "\\`*_[]$:~#":
        text = text.replace(sign, f"\\{sign}")
    return text


def synthetic_badge(synthetic: bool) -> None:
    """Says SYNTHETIC wherever phantoms, or a model made from them, are on screen."""
    if synthetic:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge("SYNTHETIC", icon=":material/science:", color="violet")
            st.caption("Drawn by the computer, not taken of a patient. Nothing learnt from them holds for patients.")


def state_badge(status: Status) -> None:
    """Where a job stands, as a coloured word."""
    label, color, icon = STATE_BADGES[status.state]
    st.badge(label, icon=icon, color=color)


def data_switch() -> None:
    """The menu of known data sets that every page shows."""
    known, current = state.known_data(), state.data_key()
    known.setdefault(current, state.data_name(current))
    names = list(known.values())
    # Two sets may be called alike: those show their whole path.
    labels = {key: key if names.count(name) > 1 else name for key, name in known.items()}
    chosen = st.selectbox("Data set", list(known), index=list(known).index(current), format_func=labels.get)
    if chosen != current:
        state.choose_data(chosen)


def chosen_data() -> DataSet | None:
    """The data set of the menu; None where it cannot be read, which is then said."""
    with explained():
        return state.load_data(state.data_key())
    return None


def ensure_prepared(source: DataSet, spec: ImageSpec) -> Prepared | None:
    """The prepared films; while there are none, a job decodes them and a bar shows how far it is."""
    if found := state.find_prepared(source, spec):
        return found
    folder = state.preparation_folder(source, spec)
    status = jobs.status(folder)
    if status.state in ("failed", "interrupted") and folder.exists():
        what, fix = status.error or "Preparing the films was interrupted.", status.fix or "Try again."
        show_error(what, fix)
        if not st.button("Try again", icon=":material/refresh:"):
            return None
    if not jobs.is_alive(folder):
        arguments = ["prepare", "--data", source.key, "--image-size", str(spec.size), "--framing", spec.framing]
        arguments += ["--equalise", spec.equalise, "--job", folder.name]
        jobs.launch(folder, arguments)
    follow(folder, "Preparing films: decoding each one once", "film")
    return None


@st.fragment(run_every=0.5)
def follow(folder: Path, text: str, unit: str) -> None:
    """A job's progress, refreshed in place; the page is drawn anew when it ends."""
    status = jobs.status(folder)
    if not jobs.is_open(status):
        st.rerun()
    count = f" · {status.done:,} of {status.total:,} {unit}s" if status.total else ""
    st.progress(status.done / status.total if status.total else 0.0, text=f"{text}{count}")


def offer_job(folder: Path, command: list[str], button: str, doing: str, icon: str, primary: bool = True) -> None:
    """A button that has a command done by a job in the folder; while it is at work, how far it is."""
    if jobs.is_alive(folder):
        follow(folder, doing, "film")
        return
    status = jobs.status(folder)
    if status.state == "failed":
        show_error(status.error, status.fix)
    if st.button(button, type="primary" if primary else "secondary", icon=icon, key=f"start_{folder.name}"):
        with explained():
            jobs.launch(folder, [*command, "--job", folder.name])
            st.rerun()


def film(picture: np.ndarray, caption: str, alt: str) -> None:
    """A film on screen, within the page itself: Streamlit would keep each file for as long as the tab is open."""
    st.image(images.data_uri(picture), caption=caption, width="stretch", alt=alt)


def setting_widget(field: dataclasses.Field, prefix: str) -> Any:
    """The widget that a setting's type, range and choices call for; returns what was entered."""
    meta, key = field.metadata, f"{prefix}_{field.name}"
    state.default(key, as_entered(field, field.default))
    common = {"label": meta["label"], "help": meta["help"], "key": key, "persist_state": "session"}
    if meta["choices"]:
        return st.selectbox(options=meta["choices"], **common)
    if field.type == tuple[int, ...]:
        return st.text_input(**common)
    if field.type is bool:
        return st.toggle(**common)
    if field.type is int:
        return st.number_input(min_value=int(meta["low"]), max_value=int(meta["high"]), step=1, **common)
    step, form = next(pair for most, *pair in STEPS if meta["high"] <= most)
    if field.name == "learning_rate":
        step, form = 0.0001, "%.6f"
    return st.number_input(min_value=meta["low"], max_value=meta["high"], step=step, format=form, **common)


def as_entered(field: dataclasses.Field, value: Any) -> Any:
    """A setting as its widget holds it; a list of numbers is text there."""
    if field.type == tuple[int, ...]:
        return ", ".join(map(str, value))
    return field.type(value)


def ago(seconds: float) -> str:
    """A span of time in words: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
