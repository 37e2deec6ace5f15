"""Several hosts on one machine: network namespaces joined by a bridge, each with an address and a name of its own.

Where namespaces are refused, launchers of their own over the loopback interface are the nearest thing; which of the two
it was is said with the figures.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """Where a launcher runs.

    Attributes:
        address: that the others reach it at.
        interface: of that address.
        prefix: command that puts what follows it on this host.
        namespace: of the network; "": the machine's own.
    """

    address: str
    interface: str
    prefix: tuple[str, ...] = ()
    namespace: str = ""

    def sent_bytes(self) -> int | None:
        """Bytes that left its interface so far; None where that says nothing, on the loopback interface."""
        if not self.namespace:
            return None
        counter = f"/sys/class/net/{self.interface}/statistics/tx_bytes"
        return int(_ip("netns", "exec", self.namespace, "cat", counter))


@dataclass(frozen=True)
class Network:
    """Hosts that reach one another. how: what they are, in words; refusal: why they are not namespaces, or ""."""

    hosts: tuple[Host, ...]
    how: str
    refusal: str = ""


@contextmanager
def network(count: int) -> Iterator[Network]:
    """So many hosts, taken down again at the end."""
    with ExitStack() as stack:
        refusal = _why_not()
        if not refusal:
            try:
                hosts = _joined(count, stack)
            except subprocess.CalledProcessError as error:
                refusal = f"`{' '.join(error.cmd)}` said: {(error.stderr or '').strip() or error.returncode}"
                stack.close()
            else:
                yield Network(hosts, "network namespaces joined by a bridge")
                return
        loopback = tuple(Host("127.0.0.1", "lo") for _ in range(count))
        yield Network(loopback, "launchers of their own over the loopback interface", refusal)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _why_not() -> str:
    for program in ("ip", "unshare"):
        if shutil.which(program) is None:
            return f"there is no program `{program}` (packages iproute2 and util-linux)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return ""


def _joined(count: int, stack: ExitStack) -> tuple[Host, ...]:
    """Hosts 10.77.0.1, 10.77.0.2, ... on a bridge that stands in a namespace of its own."""
    stem = f"scale-{os.getpid()}"

    def namespace(name: str) -> str:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)  # and with it the interfaces inside
        _ip("-n", name, "link", "set", "lo", "up")
        return name

    switch = namespace(f"{stem}-switch")
    _ip("-n", switch, "link", "add", "br0", "type", "bridge")
    _ip("-n", switch, "link", "set", "br0", "up")
    hosts = []
    for number in range(1, count + 1):
        name = namespace(f"{stem}-{number}")
        port = f"port{number}"
        _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", switch)
        _ip("-n", switch, "link", "set", port, "master", "br0", "up")
        _ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        named = ("unshare", "--uts", "sh", "-c", f'hostname host{number} && exec "$@"', "sh")
        hosts.append(Host(f"10.77.0.{number}", "eth0", ("ip", "netns", "exec", name, *named), name))
    return tuple(hosts)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
