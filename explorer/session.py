"""The typed state of one browser session, and the address that finds it again.

`?run=` names the run that the pages show and `?data=` the data set: a fingerprint in the workspace, or a sample's name.
A reload, a second tab or a restarted server builds the same session from the address.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from explorer import store
from sae_core.config import StackConfig
from sae_core.data.dataset import Dataset
from sae_core.errors import SaeError, StorageError

KEY = "explorer_session"
FIRST_SAMPLE = "mnist"
MAX_UNDO = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Rows that the user picked out, e.g. with a lasso.

    Attributes:
        rows: row numbers in the data set.
        source: which chart they were picked in; "" for none.
    """

    rows: tuple[int, ...] = ()
    source: str = ""


@dataclass
class Session:
    """What one browser tab works with.

    Attributes:
        data: the data set in use; None only when even the first sample could not be read.
        data_address: how the address names it.
        config: the stack as designed so far.
        undone: earlier configurations, newest last.
        run_id: the run that the pages show.
        selection: rows picked out on a map.
        notices: sentences to show once, at the top of the next page.
        pages: what a page keeps for itself, by its address.
        generation: grows with every change of the data set or run; part of widget keys that must start afresh.
    """

    data: Dataset | None = None
    data_address: str = ""
    config: StackConfig = field(default_factory=lambda: StackConfig(layers=[64, 16]))
    undone: list[StackConfig] = field(default_factory=list)
    run_id: str | None = None
    selection: Selection = Selection()
    notices: list[str] = field(default_factory=list)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    generation: int = 0
    _address: dict[str, str] = field(default_factory=dict)

    def use_data(self, data: Dataset, *, address: str | None = None, keep_config: bool = False) -> None:
        """Work with this data set from now on: saved in the workspace, a fitting stack chosen, the run let go.

        Args:
            address: a sample's name, which needs no saving; None: save it and use its fingerprint.
            keep_config: leave the designed stack as it is (only the split changed).
        """
        if address is None:
            try:
                address = store.workspace().save_dataset(data)
            except StorageError as error:
                self.notices.append(f"{error} The data set is used all the same, but a reload of the page loses it.")
                address = ""
        self.data, self.data_address = data, address
        self.run_id, self.selection = None, Selection()
        self.generation += 1
        if not keep_config:
            self.config, self.undone = suggested(data), []

    def show_run(self, run_id: str) -> None:
        """Show this run on all pages, with its data set and configuration. Raises RunNotFoundError."""
        data, config = store.dataset(run_id), run_config(run_id)
        if data is not self.data:
            self.data, self.data_address = data, self._address_of(data)
        self.config, self.undone = config, []
        self.run_id, self.selection = run_id, Selection()
        self.generation += 1

    def change_config(self, config: StackConfig) -> None:
        """Design another stack; the one before can be had back with `undo`."""
        if config != self.config:
            self.undone = [*self.undone, self.config][-MAX_UNDO:]
            self.config = config

    def undo(self) -> None:
        """Take the last change of the design back."""
        if self.undone:
            self.config = self.undone.pop()

    def page(self, address: str) -> dict[str, Any]:
        """What a page keeps for itself while others are shown."""
        return self.pages.setdefault(address, {})

    def write_address(self) -> None:
        """Put run and data set into the page's address (navigation drops them)."""
        wanted = {key: value for key, value in (("run", self.run_id), ("data", self.data_address)) if value}
        for key in ("run", "data"):
            if st.query_params.get(key) != wanted.get(key):
                if key in wanted:
                    st.query_params[key] = wanted[key]
                else:
                    st.query_params.pop(key, None)
        self._address = wanted

    def follow_address(self) -> None:
        """Go where the address points, if it is not where the session already is."""
        run_id, address = st.query_params.get("run", ""), st.query_params.get("data", "")
        if run_id and run_id not in (self._address.get("run"), self.run_id):
            try:
                return self.show_run(run_id)
            except SaeError as error:
                self.notices.append(f"The run in the address cannot be shown. {error}")
        if address and address not in (self._address.get("data"), self.data_address):
            try:
                self.use_data(_addressed_data(address), address=address)
            except SaeError as error:
                self.notices.append(f"The data set in the address cannot be shown. {error}")

    def _address_of(self, data: Dataset) -> str:
        if self.data is not None and data.fingerprint == self.data.fingerprint:
            return self.data_address
        return data.fingerprint


def current() -> Session:
    """The session of this browser tab; made on the first call, with the address's data set or the first sample."""
    session: Session | None = st.session_state.get(KEY)
    if session is None:
        session = st.session_state[KEY] = Session()
        session.follow_address()
        if session.data is None:
            try:
                session.use_data(store.sample(FIRST_SAMPLE), address=FIRST_SAMPLE)
            except SaeError as error:
                session.notices.append(str(error))
    else:
        session.follow_address()
    return session


def suggested(data: Dataset) -> StackConfig:
    """A sensible stack for this data set."""
    from sae_core.training.plan import suggest_config

    return suggest_config(data)


def run_config(run_id: str) -> StackConfig:
    """The configuration that a run was started with. Raises RunNotFoundError."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    return job.config if job is not None else store.run(run_id).record.config


def _addressed_data(address: str) -> Dataset:
    from sae_core.data.samples import sample_names

    return store.sample(address) if address in sample_names() else store.stored_dataset(address)
