"""The typed state of one browser session, and the address that finds it again.

`?run=` names the run that the pages show, `?data=` the data set (a fingerprint in the workspace, or a sample's name)
and `?split=` how it is divided, where that was changed. A reload, a second tab or a restarted server builds the same
session from it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from explorer import store
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset, SplitOptions
from sae_core.errors import DataError, SaeError, StorageError

KEY = "explorer_session"
FIRST_SAMPLE = "mnist"
MAX_UNDO = 50
MAX_SELECTIONS_BACK = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Rows that the user picked out, e.g. with a lasso.

    Attributes:
        rows: row numbers in the data set, sorted.
        source: where they were picked: a chart's key, or a word such as "search"; "" for none.
    """

    rows: tuple[int, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def array(self) -> NDArray[np.int64]:
        """(m,) the rows."""
        return np.array(self.rows, dtype=np.int64)

    def mask(self, n: int) -> NDArray[np.bool_]:
        """(n,) which rows of a data set are chosen."""
        chosen = np.zeros(n, dtype=bool)
        chosen[self.array[self.array < n]] = True
        return chosen


@dataclass
class Session:
    """What one browser tab works with.

    Attributes:
        data: the data set in use; None only when even the first sample could not be read.
        data_address: how the address names it, before its split was changed.
        own_split: how it was divided when it came.
        config: the stack as designed so far.
        undone: earlier configurations, newest last.
        run_id: the run that the pages show.
        selection: rows picked out, on any chart of any page.
        selections_before: earlier ones, newest last.
        notices: sentences to show once, at the top of the next page.
        pages: what a page keeps for itself, by its address.
        generation: grows with every change of the data set or run; part of widget keys that must start afresh.
    """

    data: Dataset | None = None
    data_address: str = ""
    own_split: SplitOptions = field(default_factory=SplitOptions)
    config: StackConfig = field(default_factory=lambda: StackConfig(layers=(LayerConfig(units=16),)))
    undone: list[StackConfig] = field(default_factory=list)
    run_id: str | None = None
    selection: Selection = Selection()
    selections_before: list[Selection] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    generation: int = 0
    _address: dict[str, str] = field(default_factory=dict)

    def use_data(self, data: Dataset, *, address: str | None = None) -> None:
        """Work with this data set from now on: saved in the workspace, a fitting stack chosen, the run let go.

        Args:
            address: a sample's name, or the fingerprint of a stored data set, which need no saving; None: save it.
        """
        if address is None:
            try:
                address = store.workspace().save_dataset(data)
            except StorageError as error:
                self.notices.append(f"{error} The data set is used all the same, but a reload of the page loses it.")
                address = ""
        config = suggested(data)  # may raise: nothing has changed until here
        self.data, self.data_address, self.own_split = data, address, data.split_options
        self.config, self.undone = config, []
        self._forget_selection()
        self._let_run_go()

    def use_split(self, options: SplitOptions) -> None:
        """Divide the rows otherwise; a run on the old split is let go. Raises DataError."""
        if self.data is None or options == self.data.split_options:
            return
        data = self.data.with_split(options)
        data.split  # raises where the shares leave no training row  # noqa: B018
        self.data = data
        self._let_run_go()

    def show_run(self, run_id: str) -> None:
        """Show this run on all pages, with its data set and configuration. Raises RunNotFoundError.

        A run whose data set is not in the workspace (an imported one) is shown beside the data set in use.
        """
        data, config = store.dataset_or_none(run_id), run_config(run_id)
        if data is not None and (self.data is None or data.fingerprint != self.data.fingerprint):
            if self.data is None or len(data) != len(self.data) or data.name != self.data.name:
                self._forget_selection()  # other rows; another split of the same file keeps them
            self.data, self.data_address, self.own_split = data, data.fingerprint, data.split_options
        self.config, self.undone = config, []
        self._let_run_go()
        self.run_id = run_id

    def _let_run_go(self) -> None:
        self.run_id = None
        self.generation += 1

    def select(self, rows: Iterable[int] | NDArray[np.int64], source: str = "") -> None:
        """Choose these rows on all pages, until others are chosen or the selection is cleared."""
        chosen = np.unique(np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), dtype=np.int64))
        new = Selection(tuple(chosen.tolist()), source)
        if new.rows != self.selection.rows:
            self.selections_before = [*self.selections_before, self.selection][-MAX_SELECTIONS_BACK:]
        self.selection = new

    def select_before(self) -> None:
        """Go back to the selection before this one."""
        if self.selections_before:
            self.selection = self.selections_before.pop()

    def _forget_selection(self) -> None:
        self.selection, self.selections_before = Selection(), []

    def change_config(self, config: StackConfig) -> None:
        """Design another stack; the one before can be had back with `undo`.

        Raises:
            ConfigError: convolutional levels do not fit the data set in use.
        """
        if self.data is not None:
            config = config.fitted(self.data.image_shape)
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
        """Put run, data set and split into the page's address (navigation drops them)."""
        changed = self.data is not None and self.data.split_options != self.own_split
        values = {
            "run": self.run_id,
            "data": self.data_address,
            "split": _split_text(self.data.split_options) if changed and self.data is not None else "",
        }
        wanted = {name: value for name, value in values.items() if value}
        for name in values:
            if st.query_params.get(name) != wanted.get(name):
                if name in wanted:
                    st.query_params[name] = wanted[name]
                else:
                    st.query_params.pop(name, None)
        self._address = wanted

    def follow_address(self) -> None:
        """Go where the address points, if it has been changed by hand or by the browser's Back button."""
        asked = {name: st.query_params[name] for name in ("run", "data", "split") if st.query_params.get(name)}
        if not asked or asked == self._address or not asked.keys() & {"run", "data"}:
            return
        if asked.get("run") and asked["run"] != self.run_id:
            try:
                return self.show_run(asked["run"])
            except SaeError as error:
                self.notices.append(f"The run in the address cannot be shown. {error}")
        if asked.get("data") and asked["data"] != self.data_address:
            try:
                self.use_data(addressed_data(asked["data"]), address=asked["data"])
                if asked.get("split"):
                    self.use_split(_split_options(asked["split"]))
            except SaeError as error:
                self.notices.append(f"The data set in the address cannot be shown. {error}")


def current() -> Session:
    """The session of this browser tab; made on the first call, with the address's data set or the first sample."""
    session: Session | None = st.session_state.get(KEY)
    if session is None:
        session = st.session_state[KEY] = Session()
        session.follow_address()
        if session.data is None:
            _begin_with_sample(session)
    else:
        session.follow_address()
    return session


def _begin_with_sample(session: Session) -> None:
    """The address's data set where its run has none of its own in the workspace, else the first sample."""
    run_id, config = session.run_id, session.config
    asked = st.query_params.get("data", "") if run_id is not None else ""
    for address in dict.fromkeys((asked or FIRST_SAMPLE, FIRST_SAMPLE)):
        try:
            session.use_data(addressed_data(address), address=address)
            break
        except SaeError as error:
            session.notices.append(str(error))
    if run_id is not None:
        session.run_id, session.config = run_id, config


def suggested(data: Dataset) -> StackConfig:
    """A sensible stack for this data set."""
    from sae_core.training.plan import suggest_config

    return suggest_config(data)


def run_config(run_id: str) -> StackConfig:
    """The configuration that a run was started with. Raises RunNotFoundError."""
    from sae_core.jobs import find_job

    job = find_job(run_id)
    return job.config if job is not None else store.run(run_id).record.config


def addressed_data(address: str) -> Dataset:
    """The data set that `?data=` names: a sample, or one stored in the workspace. Raises SaeError."""
    from sae_core.data.samples import sample_names

    return store.sample(address) if address in sample_names() else store.stored_dataset(address)


def _split_text(options: SplitOptions) -> str:
    return f"{options.validation:g},{options.test:g},{options.seed}" + ("" if options.stratified else ",plain")


def _split_options(text: str) -> SplitOptions:
    try:
        validation, test, seed, *plain = text.split(",")
        return SplitOptions(float(validation), float(test), int(seed), stratified=plain != ["plain"])
    except ValueError:
        raise DataError("The split in the address is not readable; the data set's own split is used.") from None
