"""A film in, an answer out; or many."""

import streamlit as st

from core.model_card import about_population
from dashboard import components, handing_in, prediction_many, prediction_one

with components.explained():
    left, right = st.columns(2)
    with left:
        model = handing_in.pick_model()
    if model:
        with right:
            way = handing_in.pick_way()
        if model.card["data"]["synthetic"]:
            st.warning(
                "This model was trained on SYNTHETIC films only: its answer to a real film means nothing.",
                icon=":material/science:",
            )
        handing_in.show_warm_up()
        films = handing_in.pick_films(model, way)
        if len(films) == 1:
            components.synthetic_badge(films[0].synthetic)
            prediction_one.show(model, films[0])
        elif films:
            prediction_many.show(model, films)
        if population := about_population(model.card):
            st.caption(f":material/child_care: **{components.plain(population)}**")
        st.caption(
            "Films stay in memory and are gone with this page. Probabilities were calibrated on patients kept aside "
            f"from training and hold for films like those: {components.plain(model.card['data']['name'])}."
        )
