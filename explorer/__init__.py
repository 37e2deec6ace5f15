"""The Streamlit application's own parts: session, caches, background tasks, widgets and charts."""
