"""Every run: sorted, filtered, compared, exported; opened, resumed, promoted, deleted."""

import hashlib

import streamlit as st

from core import jobs, runs
from core.jobs import Status
from core.runs import Run
from dashboard import charts, components, curves, run_actions, run_tables, run_views, state

WORDS = {name: label for name, (label, _, _) in components.STATE_BADGES.items()}


def filtered(found: list[Run], names: dict[str, str]) -> list[Run]:
    """The filters' widgets; returns the runs that pass."""
    present = list(dict.fromkeys(run.status.state for run in found))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            type="search",
            live="300ms",
            placeholder="Name, tag, note, network or data set",
            key="runs_search",
            persist_state="session",
            width=360,
        )
        states = st.pills("State", present, selection_mode="multi", format_func=WORDS.get, key="runs_states")
    return [
        run
        for run in found
        if run_tables.matches(run, names[run.settings.data], words) and (not states or run.status.state in states)
    ]


def choose(shown: list[Run], names: dict[str, str]) -> list[Run]:
    """The table; returns the runs whose rows are selected."""
    order = [run.name for run in shown]
    # Rows are selected by their place: another list of runs is another table.
    key = hashlib.sha256(repr(order).encode()).hexdigest()[:12]
    kept = [order.index(name) for name in state.selected_runs() if name in order]
    event = st.dataframe(
        run_tables.overview(shown, names, WORDS),
        hide_index=True,
        alt="All training runs",
        key=f"runs_{key}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": kept}},
        placeholder="",
        column_config={
            "Run": st.column_config.TextColumn(pinned=True),
            "Tags": st.column_config.ListColumn(width=160),
            "Note": st.column_config.TextColumn(width=200),
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Validation ROC AUC": st.column_config.NumberColumn(format="%.3f"),
            "Learning rate": st.column_config.NumberColumn(format="%g"),
            "Films a second": st.column_config.NumberColumn(format="%.0f"),
        },
    )
    chosen = [shown[row] for row in event.selection.rows if row < len(shown)]
    # What a filter hides is still selected when it comes back.
    hidden = [name for name in state.selected_runs() if name not in order]
    state.select_runs([*hidden, *(run.name for run in chosen)])
    return chosen


@st.fragment(run_every=2.0)
def refresh(before: dict[str, tuple]) -> None:
    """Draws the page anew when a run has begun, ended or finished an epoch since."""
    state.dispatch()
    if progress(runs.every()) != before:
        st.rerun()


def progress(found: list[Run]) -> dict[str, tuple]:
    return {run.name: ((status := run.status).state, status.details.get("epoch")) for run in found}


def is_pending(status: Status) -> bool:
    """Whether the run works or waits, and so cannot be deleted."""
    return jobs.is_open(status) or status.state == jobs.QUEUED


def show_one(run: Run) -> None:
    status = run.status
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"Run {run.name}", width="content")
        components.state_badge(status)
    if status.error:
        components.show_error(status.error, status.fix)
    with st.container(horizontal=True):
        if st.button("Open the run", icon=":material/open_in_new:"):
            run_actions.watch(run.name)
        run_actions.resume(run, status)
        run_actions.stop(run, status)
        run_actions.duplicate(run)
        if not is_pending(status):
            if run.has_model:
                run_actions.promote(run)
            if st.button("Delete", icon=":material/delete:"):
                run_actions.confirm_removal([run.name])
    with st.form(f"notes_{run.name}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        tags = st.text_input("Tags, with commas between", ", ".join(run.tags), key=f"tags_{run.name}", width=280)
        note = st.text_input("Note", run.note, key=f"note_{run.name}", width="stretch")
        if st.form_submit_button("Save", icon=":material/save:"):
            with components.explained():
                runs.annotate(run.name, tuple(filter(None, map(str.strip, tags.split(",")))), note)
                st.rerun()
    metrics = run.metrics
    if not jobs.is_open(status):
        run_views.show_diagnosis(run, metrics, status)
    run_views.show_curves(run, metrics, status)
    run_views.show_settings(run)
    run_views.show_log(run)


def show_several(chosen: list[Run]) -> None:
    st.subheader(f"{len(chosen)} runs compared")
    closed = [run.name for run in chosen if not is_pending(run.status)]
    if len(closed) == len(chosen) and st.button(f"Delete these {len(closed)}", icon=":material/delete:"):
        run_actions.confirm_removal(closed)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        figure = st.segmented_control(
            "Figure",
            run_views.FIGURES,
            default="roc_auc",
            format_func=charts.TITLES.get,
            required=True,
            key="compare_figure",
        )
        parts = st.pills("Part", list(curves.PARTS), selection_mode="multi", default="validation", key="compare_parts")
    tables = {run.name: run.metrics for run in chosen}
    if any(metrics.get("epoch") for metrics in tables.values()) and parts:
        curve = curves.overlaid(tables, figure, parts)
        run_views.draw(curve, "overlay", f"{charts.TITLES[figure]} of the selected runs by epoch")
    else:
        st.caption("No epoch has ended yet." if parts else "Choose a part above.")
    st.markdown("**Settings**")
    only = st.checkbox("Only what differs", value=True, key="compare_only")
    table = run_tables.comparison(chosen)
    differs = table.pop(run_tables.DIFFERS)
    if only and not differs.any():
        st.caption("These runs have the same settings.")
        return
    if only:
        table = table[differs]
    else:
        # Half see-through, so that it suits a light page and a dark one.
        marked = "background-color: rgba(230, 159, 0, 0.25)"
        table = table.style.apply(lambda row: [marked if differs[row.name] else ""] * len(row), axis=1)
    st.dataframe(table, alt="Settings of the selected runs", key="compare_settings", height="content")


def show_unreadable() -> None:
    """Folders that hold no readable run, each with what is wrong."""
    broken = runs.unreadable()
    if not broken:
        return
    what = "1 run folder" if len(broken) == 1 else f"{len(broken)} run folders"
    with st.expander(f"{what} cannot be read", icon=":material/folder_off:"):
        for name, error in broken.items():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"**{components.plain(name)}** {components.plain(f'{error.what} {error.fix}')}", width="stretch"
                )
                if st.button("Delete", icon=":material/delete:", key=f"delete_{name}"):
                    run_actions.confirm_removal([name])


found = runs.every()
if found:
    names = {key: state.data_name(key) for key in {run.settings.data for run in found}}
    shown = filtered(found, names)
    if shown:
        chosen = choose(shown, names)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"{len(chosen)} of {len(shown)} selected"
                if chosen
                else "Select one row to open it, several to compare.",
                width="content",
            )
            with st.popover("Export", icon=":material/download:"):
                run_actions.exports(chosen or shown, "the selected runs" if chosen else "all runs in the table")
        if len(chosen) == 1:
            state.open_run(chosen[0].name)
            show_one(chosen[0])
        elif chosen:
            show_several(chosen)
    else:
        st.info("No run is like that.", icon=":material/filter_alt_off:")
    refresh(progress(found))
else:
    st.info("No runs yet.", icon=":material/history:")
    st.page_link("app_pages/train.py", label="Train the first one", icon=":material/model_training:")
show_unreadable()
