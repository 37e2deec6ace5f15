"""Leaving a page while something on it polls is safe.

Streamlit 1.67 lets the poll of a fragment (`run_every`) that was sent just before the browser heard of the new page

- be folded into the full rerun that waits for its thread, and takes the page from the newer of the two: the poll's.
  The click on the navigation is forgotten.
- run after the new page's script, in the name of the old page. The browser takes that for a change of page, throws
  everything away, fails on the first element of the fragment ("Bad delta path index") and stays blank.

Both are the more likely the busier the machine. Such polls have nothing to show any more, so they are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import (
    RerunData,
    ScriptRequest,
    ScriptRequests,
    ScriptRequestType,
)

if TYPE_CHECKING:
    from streamlit.proto.ClientState_pb2 import ClientState

_fold = ScriptRequests._request_rerun_locked
_next = ScriptRequests.on_scriptrunner_ready
_receive = AppSession.request_rerun


def drop_late_polls() -> None:
    """Make Streamlit drop polls of a page that is being left or was left; calling it again changes nothing."""
    ScriptRequests._request_rerun_locked = _folded  # type: ignore[method-assign]
    ScriptRequests.on_scriptrunner_ready = _due  # type: ignore[method-assign]
    AppSession.request_rerun = _received  # type: ignore[method-assign]


def _folded(self: ScriptRequests, new_data: RerunData) -> bool:
    waiting = self._rerun_data if self._state == ScriptRequestType.RERUN else None
    if waiting is not None and new_data.is_auto_rerun and not waiting.fragment_id_queue and not waiting.fragment_id:
        return True  # a full rerun runs every fragment anyway
    return _fold(self, new_data)


def _due(self: ScriptRequests) -> ScriptRequest:
    request = _next(self)
    shown = get_script_run_ctx(suppress_warning=True)
    if request.type == ScriptRequestType.RERUN and shown is not None and shown.page_script_hash:
        asked = request.rerun_data
        late = asked.is_auto_rerun and asked.fragment_id_queue and asked.page_script_hash != shown.page_script_hash
        return _due(self) if late else request
    return request


def _received(self: AppSession, client_state: ClientState | None) -> None:
    shown = self._client_state.page_script_hash
    if client_state is None or not client_state.is_auto_rerun or client_state.page_script_hash == shown or not shown:
        _receive(self, client_state)
