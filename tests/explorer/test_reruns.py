"""A page change that waits for its thread survives the polls of the page that is being left."""

from __future__ import annotations

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from explorer import reruns

CLICK = RerunData(page_script_hash="codes", query_string="run=1")
POLL = RerunData(page_script_hash="export", fragment_id="progress", is_auto_rerun=True)


def asked_for(*requests: RerunData) -> RerunData:
    """What the next script run is told after these requests."""
    waiting = ScriptRequests()
    for request in requests:
        assert waiting.request_rerun(request)
    answer = waiting.on_scriptrunner_ready()
    assert answer.type is ScriptRequestType.RERUN
    return answer.rerun_data


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptRequests, "_request_rerun_locked", reruns._original)  # put back afterwards
    reruns.keep_page_changes()
    reruns.keep_page_changes()


@pytest.mark.usefixtures("guarded")
def test_a_click_survives_polls() -> None:
    told = asked_for(CLICK, POLL, POLL)
    assert told.page_script_hash == "codes"
    assert told.query_string == "run=1"
    assert not told.fragment_id_queue


@pytest.mark.usefixtures("guarded")
def test_polls_alone_still_run_and_a_click_after_them_wins() -> None:
    assert asked_for(POLL).fragment_id_queue == ["progress"]
    assert asked_for(POLL, CLICK).page_script_hash == "codes"
    assert not asked_for(POLL, CLICK).fragment_id_queue


@pytest.mark.usefixtures("guarded")
def test_what_the_user_does_in_a_fragment_is_not_dropped() -> None:
    pressed = RerunData(page_script_hash="codes", fragment_id="maps")
    assert asked_for(CLICK, pressed).page_script_hash == "codes"
    assert asked_for(POLL, pressed).fragment_id_queue == ["progress", "maps"]


def test_streamlit_itself_still_loses_the_click(monkeypatch: pytest.MonkeyPatch) -> None:
    # When this fails, Streamlit has mended it and `explorer.reruns` can go.
    monkeypatch.setattr(ScriptRequests, "_request_rerun_locked", reruns._original)
    assert asked_for(CLICK, POLL).page_script_hash == "export"
