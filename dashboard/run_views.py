"""What the live view, the view of an ended run and the Runs page show of a run."""

import os
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from core import diagnosis, provenance, run_log, workspace
from core.data.sample import CLASS_NAMES
from core.jobs import Status
from core.metrics import Confusion
from core.runs import Run
from dashboard import charts, components, curves, state

FIGURES = ("loss", "accuracy", "roc_auc", "sensitivity", "specificity")
LOG_LINES, LOG_BYTES = 40, 32_768
Metrics = Mapping[str, list[float]]


def summary(run: Run) -> None:
    """One line: which films, which network."""
    st.caption(
        f"{components.plain(state.data_name(run.settings.data))} · {run.settings.architecture}, "
        f"{run.settings.image_size} px, {run.settings.epochs} epochs"
    )
    components.synthetic_badge(run.settings.data.startswith(state.PHANTOMS))


def show_diagnosis(run: Run, metrics: Metrics, status: Status) -> None:
    """What the run's figures say, in plain words."""
    for remark in diagnosis.diagnose(metrics, status.details, run.settings):
        if remark.kind in diagnosis.SERIOUS:
            st.warning(remark.fix, title=remark.what, icon=":material/warning:")
        else:
            st.info(remark.fix, title=remark.what, icon=":material/lightbulb:")


def show_curves(run: Run, metrics: Metrics, status: Status) -> None:
    """The loss batch by batch, each figure by epoch, the learning rate and the latest confusion matrix."""
    name, best = run.name, status.details.get("best_epoch")
    steps = run_log.steps(run.folder)
    # One batch is no line yet, only a cross of grid lines.
    begun = len(steps) > 1
    if not begun and not metrics.get("epoch"):
        return
    grid = st.grid(3, min_column_width=240)
    if begun:
        with grid.cell(column_span=2):
            draw(curves.by_batch(run_log.thinned(steps)), f"steps_{name}", "Training loss by batch")
    if not metrics.get("epoch"):
        return
    with grid:
        for figure in FIGURES:
            if {figure, f"val_{figure}"} <= metrics.keys():
                alt = f"{charts.TITLES[figure]} by epoch, train and validation"
                draw(curves.by_epoch(metrics, figure, best), f"{figure}_{name}", alt)
        if "learning_rate" in metrics:
            draw(curves.learning_rate(metrics), f"rate_{name}", "Learning rate by epoch")
        show_confusion(run, metrics, status.details.get("validation"))


def draw(curve: curves.Curve, key: str, alt: str) -> None:
    """A curve on screen; the key lets it stay in place while its data grow."""
    table, spec = curve
    st.vega_lite_chart(table, spec, key=key, alt=alt)


def show_confusion(run: Run, metrics: Metrics, counts: Mapping[str, int] | None) -> None:
    """The confusion matrix of the latest epoch, from its shares and the counts of the classes."""
    if not counts or not {"val_sensitivity", "val_specificity"} <= metrics.keys():
        return
    tp = round(metrics["val_sensitivity"][-1] * counts["pneumonia"])
    tn = round(metrics["val_specificity"][-1] * counts["normal"])
    epoch = int(metrics["epoch"][-1]) + 1
    found = Confusion(tn, counts["normal"] - tn, counts["pneumonia"] - tp, tp)
    alt = f"Confusion matrix of the validation films after epoch {epoch}"
    draw(curves.confusion(found, epoch), f"confusion_{run.name}", alt)


def show_watched(run: Run) -> None:
    """A few validation films, with what the network made of them after each epoch."""
    watched = run_log.watched(run.folder)
    if watched is None or not len(watched.scores):
        return
    st.markdown("**A few validation films and their score**")
    st.caption(
        "The score is the network's, not yet calibrated: towards 1 it says pneumonia. The line tells how it came about."
    )
    with st.grid(len(watched.labels), min_column_width=110):
        for place, (film, label) in enumerate(zip(watched.films, watched.labels, strict=True)):
            scores = watched.scores[:, place]
            right = (scores[-1] >= 0.5) == bool(label)
            truth = CLASS_NAMES[int(label)]
            with st.container(gap="xsmall"):
                components.film(film, truth, f"Validation film {place + 1}, {truth}")
                st.metric(
                    "Score",
                    f"{scores[-1]:.2f}",
                    delta="right" if right else "wrong",
                    delta_color="green" if right else "orange",
                    delta_arrow="off",
                    label_visibility="collapsed",
                    chart_data=[*scores] if len(scores) > 1 else None,
                )


def show_log(run: Run) -> None:
    """The last lines of the log; read only while they are in sight."""
    box = st.expander("End of the log", icon=":material/article:", key=f"log_{run.name}", on_change="rerun")
    if box.open:
        with box:
            st.code(log_tail(run.folder / "log.txt") or "Nothing was written yet.", language=None, height=320)


def log_tail(path: Path) -> str:
    """The last LOG_LINES lines of a file, of which no more than LOG_BYTES are read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - LOG_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_LINES:])


def show_settings(run: Run) -> None:
    """Settings and provenance, as they lie in the run's folder."""
    with st.expander("Settings", icon=":material/tune:"):
        st.json(run.settings.to_json())
    made_with = workspace.read_json(run.folder / provenance.FILE)
    if isinstance(made_with, dict):
        with st.expander("Made with: versions, processor, program", icon=":material/receipt_long:"):
            st.json(made_with)
