from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.running import Server, serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only ask it things."""
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running
