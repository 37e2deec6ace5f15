"""Pure functions: data in, plotly figure out. Nothing here imports Streamlit."""
