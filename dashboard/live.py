"""A run on screen: while it waits, while it trains, and once it has ended."""

import time
from collections.abc import Callable

import streamlit as st

from core import jobs, runs
from core.errors import UserError
from core.jobs import Status
from core.runs import Run
from dashboard import components, run_actions, run_views, state

# Seconds between two looks. Each takes a tenth of a second of the processor that a run needs to start.
AT_WORK, ASIDE = 1.0, 2.0
STAGES = {
    "starting": "Starting the training process …",
    "preparing": "Preparing films …",
    "evaluating": "Judging the best model on the validation part …",
}


def show(run: Run) -> None:
    """The run, refreshed in place as long as something happens to it."""
    phase = phase_of(run.status)
    if phase == "ended":
        ended(run)
        beside(run)
    else:
        st.fragment(watch, run_every=AT_WORK)(run, phase)


def phase_of(status: Status) -> str:
    """Which view a run calls for: "queued", "at work" or "ended"."""
    if status.state == jobs.QUEUED:
        return "queued"
    return "at work" if jobs.is_open(status) else "ended"


def watch(run: Run, phase: str) -> None:
    """One look at a run that has not ended; the whole page is drawn anew when its phase changes."""
    state.dispatch()
    status = run.status
    if phase_of(status) != phase:
        st.rerun()
    heading(run, status)
    run_views.summary(run)
    if phase == "queued":
        st.info(
            "It starts by itself when the runs before it have ended. You may close this page meanwhile.",
            title="Waiting in the queue",
            icon=":material/hourglass_empty:",
        )
    else:
        progress(status)
        figures(run, status)
    metrics = run.metrics
    # A container each: what comes and goes in one must not make the next be drawn from scratch.
    with st.container():
        show_queue(run)
    with st.container():
        if status.state in ("training", "evaluating"):
            run_views.show_diagnosis(run, metrics, status)
    with st.container():
        run_views.show_curves(run, metrics, status)
    with st.container():
        run_views.show_watched(run)
    run_views.show_log(run)
    run_views.show_settings(run)


def heading(run: Run, status: Status) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Run {run.name}", width="content")
        components.state_badge(status)
        if jobs.is_open(status):
            asked = runs.stop_requested(run.folder)
            label = "Stopping …" if asked else "Stop"
            text = "It obeys within a batch and leaves a valid model; it can be resumed later."
            st.button(
                label, icon=":material/stop:", key="stop", help=text, on_click=attempt, args=(runs.stop, run.name),
                disabled=asked,
            )  # fmt: skip


def progress(status: Status) -> None:
    """How far it is, and before the first batch what it is doing."""
    details = status.details
    if status.state == "training":
        epoch, batch = st.columns(2)
        epoch.progress(share(status.done, status.total), text=f"Epoch {details['epoch']} of {details['epochs']}")
        batch.progress(
            share(details["batch"], details["batches"]),
            text=f"Batch {details['batch']:,} of {details['batches']:,} in this epoch",
        )
        return
    words = STAGES.get(status.state, status.state)
    if status.state in ("starting", "preparing") and details.get("stage"):
        words = f"{details['stage']} …"
    elif status.state == "preparing" and status.total:
        words = f"Preparing films: {status.done:,} of {status.total:,}"
    st.progress(share(status.done, status.total), text=words)


def share(done: float, total: float) -> float:
    return min(max(done / total, 0.0), 1.0) if total else 0.0


def figures(run: Run, status: Status) -> None:
    """Time and speed; in one line below, what an engineer asks next."""
    details = status.details
    speed, left, memory = (details.get(name) for name in ("films_per_second", "seconds_left", "memory"))
    with st.grid(4, min_column_width=160):
        st.metric("Time left", components.ago(left) if left else "–", border=True)
        st.metric("Time so far", components.ago(time.time() - status.started), border=True)
        st.metric("Films a second", f"{speed:,.0f}" if speed else "–", border=True)
        st.metric("Best epoch so far", details.get("best_epoch") or "–", border=True)
    facts = [f"learning rate {details.get('learning_rate') or run.settings.learning_rate:.3g}"]
    facts += [f"precision {details['precision']}"] if "precision" in details else []
    facts += [f"{memory / 1e9:.1f} GB of memory"] if memory else []
    facts += [f"making batches takes {details['data_share']:.0%} of the time"] if "data_share" in details else []
    facts += [f"{details['train_films']:,} training films"] if "train_films" in details else []
    st.caption(f":material/speed: {' · '.join(facts)}")


def attempt(action: Callable, *arguments: object) -> None:
    """Does what a button asks for; a refusal is told in passing, for the next look shows how things are."""
    try:
        action(*arguments)
    except UserError as error:
        st.toast(str(error), icon=":material/info:")
    state.look_again()


def beside(run: Run) -> None:
    """Beside a run that is not at work: what trains now, and the queue."""
    if any(state.at_work()):
        st.fragment(look_aside, run_every=ASIDE)(run)


def look_aside(run: Run | None) -> None:
    state.dispatch()
    show_queue(run)


def show_queue(watched: Run | None) -> None:
    """Other runs at work and those that wait, with their order in the visitor's hands."""
    busy, waiting = state.at_work()
    others = [run for run in busy if not watched or run.name != watched.name]
    if not others and not waiting:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown("**At work and waiting**" if others else "**Waiting in the queue**")
        for run in others:
            details = run.status.details
            epoch = f", epoch {details['epoch']} of {details['epochs']}" if "epoch" in details else ""
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f":material/model_training: {run.name}{epoch}", width="stretch")
                if st.button("Watch", icon=":material/visibility:", key=f"watch_{run.name}"):
                    state.watch_run(run.name)
                    st.rerun()
        for place, run in enumerate(waiting):
            queue_row(place, len(waiting), run)


def queue_row(place: int, length: int, run: Run) -> None:
    settings = run.settings
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{place + 1}. {run.name} :gray[{components.plain(state.data_name(settings.data))}, {settings.epochs} "
            f"epochs, {settings.image_size} px]",
            width="stretch",
        )
        st.button(
            "Sooner",
            icon=":material/arrow_upward:",
            key=f"up_{run.name}",
            disabled=place == 0,
            on_click=attempt,
            args=(runs.move, run.name, place - 1),
        )
        st.button(
            "Later",
            icon=":material/arrow_downward:",
            key=f"down_{run.name}",
            disabled=place == length - 1,
            on_click=attempt,
            args=(runs.move, run.name, place + 1),
        )
        st.button(
            "Take out",
            icon=":material/close:",
            key=f"out_{run.name}",
            help="It keeps its settings and can be resumed from the Runs page.",
            on_click=attempt,
            args=(runs.stop, run.name),
        )


def ended(run: Run) -> None:
    """What became of the run, and what to do next."""
    status, metrics = run.status, run.metrics
    heading(run, status)
    run_views.summary(run)
    outcome(run, status)
    run_actions.next_steps(run, status)
    run_views.show_diagnosis(run, metrics, status)
    run_views.show_curves(run, metrics, status)
    run_views.show_watched(run)
    run_views.show_log(run)
    run_views.show_settings(run)


def outcome(run: Run, status: Status) -> None:
    if status.error:
        components.show_error(status.error, status.fix)
    elif status.state == "interrupted":
        components.show_error("The training process is gone.", "Resume it: it goes on from its last whole epoch.")
    if run.has_model:
        st.success(
            f"The best model is that of epoch {status.details.get('best_epoch', '–')}. Judge it on films it never saw.",
            icon=":material/check_circle:",
        )
    elif status.state == "stopped" and not status.details:
        st.info("It was taken out before its first batch.", icon=":material/info:")
