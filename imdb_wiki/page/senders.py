"""Who may ask a page on this machine: the page itself, under a name that it was started for."""

from starlette.requests import Request

from imdb_wiki.page.hosts import url_host

# Beside each page's own `Content-Security-Policy`: whatever gets into the page, it cannot be used
# by others.
HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class RefusedError(Exception):
    """A request that is not answered: the HTTP status, and why in a sentence."""

    def __init__(self, status: int, sentence: str):
        """The sentence is for a person to read."""
        super().__init__(sentence)
        self.status = status


def check_sender(request: Request, hosts: frozenset[str], advice: str) -> None:
    """Refuses what is for another name, or comes from another page.

    Args:
        request: From anywhere.
        hosts: Of `hosts.known_hosts`.
        advice: What to do about an unknown name, in a sentence.

    Raises:
        RefusedError: It is not to be answered.
    """
    headers = request.headers
    forwarded = ",".join(headers.getlist("x-forwarded-host"))  # of a proxy; Gradio believes it
    names = headers.getlist("host") + [name.strip() for name in forwarded.split(",") if name]
    if "host" not in headers or not all(_is_known(name, request, hosts) for name in names):
        raise RefusedError(421, f"This page does not answer under this name. {advice}")
    # A link to the page may be anywhere; all else comes from the page itself.
    is_link = request.scope["path"] == "/" and request.method == "GET"
    is_link &= headers.get("sec-fetch-mode") == "navigate"
    is_link &= headers.get("sec-fetch-dest") == "document"
    sites = set(headers.getlist("sec-fetch-site"))
    own = all(_is_own(origin, request, hosts) for origin in headers.getlist("origin"))
    if not own or (sites - {"same-origin", "none"} and not is_link):
        raise RefusedError(403, "This page does not answer what other pages ask.")


def _is_own(origin: str, request: Request, hosts: frozenset[str]) -> bool:
    scheme, _, name = origin.partition("://")
    return scheme in ("http", "https") and _is_known(name, request, hosts)


def _is_known(name: str, request: Request, hosts: frozenset[str]) -> bool:
    # The connection's own address is known too: nobody can make a name of theirs of it.
    address, port = request.scope.get("server") or ("", 0)
    return name.lower() in (*hosts, f"{url_host(address)}:{port}")
