"""Where the page listens, and under which names browsers may reach it."""

import contextlib
import os
import re
import socket
from collections.abc import Generator, Iterable

from imdb_wiki.errors import InputError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = ("0.0.0.0", "[::]")  # at every address of the machine
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


def url_host(host: str) -> str:
    """A host as it is written in an address: lower case, IPv6 in brackets and without its zone."""
    host = host.lower().strip("[]").partition("%")[0].removeprefix("::ffff:")  # IPv4 as IPv6
    return f"[{host}]" if ":" in host else host


def is_host(text: str) -> bool:
    """Whether a text is a name or an address, with or without a port."""
    return bool(_HOST.fullmatch(text.lower()))


def known_hosts(hosts: Iterable[str], port: int, others: Iterable[str] = ()) -> frozenset[str]:
    """The hosts, as browsers send them, for which the page answers.

    Args:
        hosts: Names or addresses at which it listens.
        port: Where it listens.
        others: Names of something in front of it, `name` or `name:port`.
    """
    names = {url_host(host) for host in hosts}
    if names & {*LOOPBACK_NAMES, *EVERYWHERE}:
        names |= set(LOOPBACK_NAMES)
    known = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
    for other in map(str.lower, others):
        match = _HOST.fullmatch(other)
        known |= {other} if match and match[2] else {other, f"{other}:{port}"}
    return frozenset(known)


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Generator[socket.socket]:
    """A socket at an address, which does not listen yet.

    Args:
        host: A name or an address.
        port: From 0, for any that is free, to 65535.

    Raises:
        InputError: There is no such host here, or the port is taken.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: {getattr(error, 'strerror', None) or error}") from None
    with socket.socket(family, kind) as bound:
        if os.name == "posix":  # else the port stays taken for minutes after the page has ended
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            raise InputError(f"--host {host} --port {port}: {error.strerror}") from None
        yield bound
