"""Runs a page until Ctrl-C."""

import socket

import uvicorn
from starlette.types import ASGIApp

ENDING_SECONDS = 1  # that a browser has to close its connection


def server_of(app: ASGIApp) -> uvicorn.Server:
    """The server of a page, which says itself what goes wrong."""
    config = uvicorn.Config(
        app,
        http="h11",  # refuses two Host headers, and hands on an address that names another host
        ws="none",
        proxy_headers=False,
        server_header=False,
        log_level="critical",
        timeout_graceful_shutdown=ENDING_SECONDS,
    )
    return uvicorn.Server(config)


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answers what comes in at a socket, until Ctrl-C or SIGTERM.

    Args:
        app: The page.
        listener: Of `hosts.bound_socket`.
    """
    server_of(app).run(sockets=[listener])
