"""Set up a network, start it, watch it learn."""

import streamlit as st

from core import runs
from dashboard import live, state, training_form

VIEWS = {state.WATCH: ":material/monitoring: Watch the run", state.NEW: ":material/add: Set up a new run"}

known = {run.name: run for run in runs.every()}
wanted = (state.watched_run(), *(run.name for run in state.at_work()[0]), state.opened_run())
run = next((known[name] for name in wanted if name in known), None)
if run:
    state.settle_train_view()
    state.default(state.TRAIN_VIEW, state.WATCH)
    view = st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.get,
        required=True,
        key=state.TRAIN_VIEW,
        label_visibility="collapsed",
        persist_state="session",
    )
    if view == state.WATCH:
        live.show(run)
    else:
        live.beside(None)
        training_form.show()
else:
    training_form.show()
