"""Builds the navigation from PAGES; `dashboard/server.py` serves it, and REST beside it."""

from pathlib import Path

import streamlit as st

from core.model_card import NOTICE
from dashboard import components, state
from dashboard.app_pages import PAGES

# A file of our own: Streamlit would fetch a Material icon for the tab from the internet.
ICON = str(Path(__file__).with_name("icon.png"))

st.set_page_config(page_title="PneumoScope", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
pages = [
    st.Page(f"app_pages/{page.script}", title=page.title, icon=page.icon, help=page.help, default=name == "overview")
    for name, page in PAGES.items()
]
chosen = st.navigation(pages)
with st.sidebar:
    components.data_switch()
st.title(chosen.title)
st.bottom.caption(f":material/warning: **{NOTICE}** Never use an answer from here to treat anyone.")
state.dispatch()
chosen.run()
state.warm_up()
