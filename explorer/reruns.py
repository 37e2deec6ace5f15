"""A click on the navigation is never lost while something on the page polls.

Streamlit 1.67 folds a polling fragment's request into a full rerun that is still waiting for its thread, and takes the
page from the newer of the two: the poll's, which names the page that is being left. The click is then forgotten, the
more likely the busier the machine. A poll adds nothing to a full rerun, so it is dropped instead.
"""

from __future__ import annotations

from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

_original = ScriptRequests._request_rerun_locked


def keep_page_changes() -> None:
    """Make Streamlit drop polls that would be folded into a waiting full rerun; calling it again changes nothing."""
    ScriptRequests._request_rerun_locked = _dropping_polls  # type: ignore[method-assign]


def _dropping_polls(self: ScriptRequests, new_data: RerunData) -> bool:
    waiting = self._rerun_data if self._state == ScriptRequestType.RERUN else None
    if waiting is not None and new_data.is_auto_rerun and not waiting.fragment_id_queue and not waiting.fragment_id:
        return True
    return _original(self, new_data)
