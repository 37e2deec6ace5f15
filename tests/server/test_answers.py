"""What the real server answers, and what it refuses."""

from __future__ import annotations

import http.client
import socket
import tomllib
import uuid

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from explorer.places import PAGES
from sae_core import limits
from tests.server.running import ROOT, Server

pytestmark = pytest.mark.server

ADDRESSES = tuple(place.address for place in PAGES)


def ask(
    server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of one request; header names with _ for -."""
    connection = http.client.HTTPConnection(server.host, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.getheaders())
    finally:
        connection.close()


def open_socket(server: Server, host: str, origin: str) -> None:
    """Open the page's websocket and close it again; raises InvalidStatus where the server refuses."""
    port = int(server.host.split(":")[1])
    address = f"ws://{host}/_stcore/stream"
    with (
        socket.create_connection(("localhost", port)) as connection,
        connect(address, sock=connection, origin=Origin(origin), subprotocols=[Subprotocol("streamlit")]),
    ):
        pass


def test_health(server: Server) -> None:
    assert ask(server, "/_stcore/health")[:2] == (200, "ok")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_has_its_address(server: Server, address: str) -> None:
    status, text, _ = ask(server, f"/{address}")
    assert status == 200
    assert "<title>" in text


def test_every_file_of_a_page_has_an_address() -> None:
    files = sorted(path.stem.split("_", 1)[1] for path in (ROOT / "pages").glob("*.py"))
    assert files == sorted(ADDRESSES)


def test_it_listens_on_this_machine_only(server: Server) -> None:
    port = int(server.host.split(":")[1])
    with socket.socket() as probe:
        probe.connect(("127.0.0.1", port))
    name = socket.gethostname()
    others = {entry[4][0] for entry in socket.getaddrinfo(name, None, socket.AF_INET)} - {"127.0.0.1", "127.0.1.1"}
    for other in others:
        with socket.socket() as probe:
            probe.settimeout(5)
            assert probe.connect_ex((other, port)) != 0


def test_its_own_page_may_open_the_websocket(server: Server) -> None:
    open_socket(server, server.host, server.url)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "localhost.evil.example"])
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    # DNS rebinding: a foreign name that leads to this machine.
    with pytest.raises(InvalidStatus) as refused:
        open_socket(server, host, f"http://{host}")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost.evil.example", "null"])
def test_a_websocket_from_another_site_is_refused(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        open_socket(server, server.host, origin)
    assert refused.value.response.status_code == 403


def test_an_upload_without_the_token_is_refused(server: Server) -> None:
    path = f"/_stcore/upload_file/{uuid.uuid4()}/{uuid.uuid4()}"
    boundary = "b0undary"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\n1,2\n\r\n'
        f"--{boundary}--\r\n"
    ).encode()
    kind = f"multipart/form-data; boundary={boundary}"
    status, text, _ = ask(server, path, "PUT", body, Content_Type=kind)
    assert status == 403
    assert "XSRF" in text
    # A token that does not belong to the cookie is as good as none.
    status, _, _ = ask(
        server, path, "PUT", body, Content_Type=kind, X_Xsrftoken="2|0|0|0", Cookie="_streamlit_xsrf=2|1|1|1"
    )
    assert status == 403


def test_other_sites_may_not_read_answers(server: Server) -> None:
    for path in ("/data", "/_stcore/health", "/_stcore/host-config"):
        headers = ask(server, path, Origin="http://evil.example")[2]
        allowed = {name.lower(): value for name, value in headers.items()}.get("access-control-allow-origin", "")
        assert allowed not in ("*", "http://evil.example")


def test_no_route_serves_the_workspace(server: Server) -> None:
    secret = f"secret-{uuid.uuid4()}"
    (server.workspace / "secret.txt").write_text(secret, encoding="utf-8")
    absolute = str(server.workspace / "secret.txt")
    relative = "../" * 12 + absolute.lstrip("/")
    prefixes = ("", "/media", "/app/static", "/static", "/component", "/_stcore/bidi-components", "/data", "/workspace")
    for prefix in prefixes:
        for path in (
            absolute,
            relative,
            relative.replace("../", "..%2f"),
            relative.replace("../", "%2e%2e/"),
            "secret.txt",
        ):
            _, text, _ = ask(server, f"{prefix}/{path.lstrip('/')}" if not path.startswith("/") else prefix + path)
            assert secret not in text, f"{prefix} serves {path}"


def test_no_route_serves_the_program(server: Server) -> None:
    for path in ("/explorer/app.py", "/pages/1_data.py", "/.streamlit/config.toml", "/app/static/../app.py", "/app.py"):
        _, text, _ = ask(server, path)
        assert "import" not in text.split("<head>")[0]
        assert "maxUploadSize" not in text


def test_wrong_requests_get_no_traceback(server: Server) -> None:
    requests = (
        ("GET", "/_stcore/upload_file/x/y"),
        ("PUT", "/_stcore/upload_file/%00/%ff"),
        ("DELETE", "/_stcore/upload_file/x/y"),
        ("GET", "/media/%2e%2e%2fno"),
        ("GET", "/component/none/none.js"),
        ("POST", "/data"),
        ("GET", "/" + "x" * 5000),
    )
    for method, path in requests:
        status, text, _ = ask(server, path, method)
        assert status < 500, f"{method} {path[:60]} answers {status}"
        assert "Traceback" not in text
        assert "site-packages" not in text


def test_nothing_is_sent_and_nobody_asked_for_an_email(server: Server) -> None:
    printed = server.printed()
    assert "Traceback" not in printed
    assert "usage statistics" not in printed.lower()
    assert "email" not in printed.lower()


def test_the_configuration_says_so() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] * limits.MEGABYTE == limits.MAX_UPLOAD_BYTES
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] in ("none", False)
    # Without this, the first start on a desktop waits for an answer in the terminal.
    assert config["server"]["showEmailPrompt"] is False
