"""Limits, sources and licences."""

import streamlit as st

from core import __version__
from core.model_card import NOTICE

st.subheader("What this is not", icon=":material/warning:")
st.markdown(
    f"**{NOTICE}** The films that people usually train on here come from children of one to five years at one "
    "centre in Guangzhou. A model made from them knows nothing of adults, other hospitals or other diseases, and "
    "a good figure on that set is no promise for yours."
)
st.subheader("The data set", icon=":material/photo_library:")
st.markdown(
    "*Chest X-Ray Images (Pneumonia)*, Kermany, Zhang and Goldbaum 2018, CC BY 4.0: "
    "[Mendeley Data](https://doi.org/10.17632/rscbjbr9sj), "
    "[Kaggle](https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia). "
    "It holds 5,856 films: 5,216 for training, 16 for validation and 624 for testing. Sixteen films can choose "
    "nothing, so PneumoScope pools train and val and splits them anew, by patient. The 624 stay untouched.\n\n"
    "Kermany DS, Goldbaum M, Cai W, et al. *Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep "
    "Learning.* Cell 2018; 172(5): 1122–1131. [doi:10.1016/j.cell.2018.02.010](https://doi.org/10.1016/j.cell.2018.02.010)"
)
st.subheader("How to read its answers", icon=":material/menu_book:")
st.markdown(
    "- **Sensitivity** is the share of pneumonia films it finds, **specificity** that of normal films it lets pass.\n"
    "- **PPV** and **NPV** say how often a positive or negative answer is right; both hang on the prevalence.\n"
    "- The **95 % interval** is wide where films are few. Believe the interval before the figure.\n"
    "- A **probability** is calibrated on patients kept aside: of films given 80 %, some 80 in 100 had pneumonia there."
)
st.subheader("Privacy", icon=":material/lock:")
st.markdown(
    "Films uploaded on the Predict page stay in memory and are gone with the page. Data sets are read where they lie; "
    "an uploaded archive is kept in the workspace. Patients from DICOM headers and tables are kept as salted hashes "
    "only, so that their films stay together and nobody can tell whose they are. Nothing leaves this machine."
)
st.caption(f"PneumoScope {__version__}, MIT licence")
