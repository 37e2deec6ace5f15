"""Polls of a page that is being left, or was left, neither take the click back nor reach the browser."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from explorer import reruns

CLICK = RerunData(page_script_hash="codes", query_string="run=1")
POLL = RerunData(page_script_hash="export", fragment_id="progress", is_auto_rerun=True)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit as it is, and put back to what it was afterwards."""
    monkeypatch.setattr(ScriptRequests, "_request_rerun_locked", reruns._fold)
    monkeypatch.setattr(ScriptRequests, "on_scriptrunner_ready", reruns._next)
    monkeypatch.setattr(AppSession, "request_rerun", reruns._receive)


@pytest.fixture
def guarded(untouched: None) -> None:
    reruns.drop_late_polls()
    reruns.drop_late_polls()


def asked_for(*requests: RerunData) -> RerunData:
    """What the next script run is told after these requests."""
    waiting = ScriptRequests()
    for request in requests:
        assert waiting.request_rerun(request)
    answer = waiting.on_scriptrunner_ready()
    assert answer.type is ScriptRequestType.RERUN
    return answer.rerun_data


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


@pytest.mark.usefixtures("untouched")
def test_streamlit_itself_still_loses_the_click() -> None:
    # When this fails, Streamlit has mended it, and `explorer.reruns` may be able to go.
    assert asked_for(CLICK, POLL).page_script_hash == "export"


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(("shown", "runs"), [("export", True), ("codes", False), ("", True)])
def test_a_poll_runs_only_while_its_page_is_shown(monkeypatch: pytest.MonkeyPatch, shown: str, runs: bool) -> None:
    context = SimpleNamespace(page_script_hash=shown)  # of the script run that just ended; "" before the first
    monkeypatch.setattr(reruns, "get_script_run_ctx", lambda **_: context)
    waiting = ScriptRequests()
    waiting.request_rerun(POLL)
    answer = waiting.on_scriptrunner_ready()
    assert answer.type is (ScriptRequestType.RERUN if runs else ScriptRequestType.STOP)


@pytest.mark.usefixtures("guarded")
def test_a_click_that_waits_is_served_whatever_page_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reruns, "get_script_run_ctx", lambda **_: SimpleNamespace(page_script_hash="train"))
    assert asked_for(CLICK).page_script_hash == "codes"


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        (ClientState(page_script_hash="codes", fragment_id="progress", is_auto_rerun=True), True),
        (ClientState(page_script_hash="export", fragment_id="progress", is_auto_rerun=True), False),
        (ClientState(page_script_hash="export", fragment_id="progress"), True),
        (ClientState(page_script_hash="export"), True),
        (None, True),
    ],
)
def test_late_polls_start_nothing(monkeypatch: pytest.MonkeyPatch, asked: ClientState | None, served: bool) -> None:
    arrived: list[Any] = []
    monkeypatch.setattr(reruns, "_receive", lambda session, state: arrived.append(state))
    session: Any = SimpleNamespace(_client_state=ClientState(page_script_hash="codes"))
    reruns._received(session, asked)
    assert bool(arrived) is served
