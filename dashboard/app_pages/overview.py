"""The front page: what this is, and the four steps."""

import streamlit as st

from core import jobs, model_store, runs
from core.data.sample import CLASS_NAMES
from core.images import ImageSpec
from dashboard import components, state

STEPS = (
    ("dataset.py", "Look at the data", ":material/photo_library:", "Choose chest films and see what is in them."),
    ("train.py", "Train", ":material/model_training:", "Set up a network, press Start and watch it learn."),
    ("evaluate.py", "Evaluate", ":material/fact_check:", "Judge it on patients it has never seen."),
    ("predict.py", "Predict", ":material/radiology:", "Show it one film and read its answer."),
)

st.markdown(
    "PneumoScope trains a neural network to tell **normal** chest X-rays from those with **pneumonia**, "
    "shows how far it can be trusted, and lets you try it on a film of your own."
)
with st.grid(4, min_column_width=160):
    for number, (script, title, icon, text) in enumerate(STEPS, start=1):
        with st.container(border=True, height="stretch"):
            st.markdown(f"#### {icon} {number}. {title}")
            st.markdown(text)
            st.space("stretch")
            st.page_link(f"app_pages/{script}", label=f"Go to {title.lower()}", icon=":material/arrow_forward:")

prepared = None
with components.explained():
    prepared = state.find_prepared(state.load_data(state.data_key()), ImageSpec())
every, promoted = runs.every(), model_store.promoted()
training = [run for run in every if jobs.is_open(run.status)]
with st.grid(4, min_column_width=160):
    st.metric("Films prepared", f"{len(prepared.films):,}" if prepared else "–", border=True)
    st.metric("Training now", len(training), border=True)
    st.metric("Runs", len(every), border=True)
    st.metric("Promoted models", len(promoted), border=True)

if prepared:
    st.subheader("What the network has to tell apart")
    components.synthetic_badge(prepared.synthetic)
    with st.grid(8, min_column_width=72):
        for label, name in enumerate(CLASS_NAMES):
            for film in (prepared.labels == label).nonzero()[0][:4]:
                st.image(prepared.films[film], caption=name, width="stretch", alt=f"Chest film labelled {name}")
