"""Data: choose a sample or bring a file, and see what was understood."""

from __future__ import annotations

from explorer.widgets.frame import begin_page

session = begin_page("Data", intro="Choose a sample or bring a file of your own.", needs="nothing")
