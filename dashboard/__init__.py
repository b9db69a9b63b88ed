"""The screen: a Streamlit app over `core`."""
