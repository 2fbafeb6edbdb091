"""Fetches an archive, and continues where a broken transfer stopped.

`requests` does the transfer. Of the libraries that also continue one, none checks that the file
on the server is still the same after a restart and puts it under its name only when it is whole.
"""

import json
import sys
import time
from pathlib import Path

import requests
from tqdm import tqdm

from imdb_wiki.errors import InputError
from imdb_wiki.journal import write_whole

# Named by https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/
ARCHIVE_URL = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static/{dataset}_crop.tar"

_CHUNK_BYTES = 1 << 16  # at most this much is lost when a connection breaks
_CONNECT_SECONDS, _SILENCE_SECONDS = 15, 60  # a server that says nothing for longer is gone
# How long to wait after attempts that brought nothing; one that brought something starts anew.
_PAUSES_SECONDS = (1, 2, 5, 15, 30)
_NO_URL = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
_BUSY = (429, 500, 502, 503, 504)  # come and go; other refusals stay


class _FailedAttemptError(Exception):
    """The transfer broke; another attempt may go on. The message says why."""


def download(url: str, path: Path, pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS) -> None:
    """Downloads a file; it stands under its name only when it is whole.

    What has come so far waits in `<name>.part`, and beside it what the server said of the file. A
    later call continues there, unless the file has changed on the server or the server cannot
    continue: then it starts again from the beginning.

    Args:
        url: where the file is.
        path: where it shall stand; nothing is done where it does.
        pauses_seconds: how long to wait after each attempt in a row that brought nothing.

    Raises:
        InputError: the server refuses, is silent too often or does not say when the file is whole;
            what has come is kept.
        OSError: the file cannot be written.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    failures_in_a_row = 0
    most_bytes = partial.stat().st_size if partial.exists() else 0
    with requests.Session() as session:
        while True:
            try:
                _attempt(session, url, partial, path.name)
                break
            except _NO_URL as error:
                raise InputError(f"{url}: not an address ({error})") from None
            except (_FailedAttemptError, requests.RequestException) as error:
                reason = _reason(error)
            except OSError as error:  # a full disk names no file
                error.filename = error.filename or str(partial)
                raise
            # One that begins anew each time must come further than ever, or it never ends.
            came = partial.stat().st_size if partial.exists() else 0
            failures_in_a_row = 0 if came > most_bytes else failures_in_a_row + 1
            most_bytes = max(most_bytes, came)
            if failures_in_a_row > len(pauses_seconds):
                raise InputError(f"{url}: {reason}; the same command continues later")
            tqdm.write(f"{url}: {reason}; trying again", file=sys.stderr)
            time.sleep(pauses_seconds[max(0, failures_in_a_row - 1)])
    partial.replace(path)
    _said_path(partial).unlink(missing_ok=True)


def _attempt(session: requests.Session, url: str, partial: Path, name: str) -> None:
    """One request; returns when the partial file is whole."""
    said_path = _said_path(partial)
    said = _read_said(said_path, url)
    offset = partial.stat().st_size if said and partial.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range counts the file's own bytes
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if said["validator"]:
            headers["If-Range"] = said["validator"]
    with session.get(
        url, headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS)
    ) as response:
        status = response.status_code
        if status == 416 and offset:  # nothing lies behind what we have: it is whole, or another
            if offset == said["total_bytes"]:
                return
            partial.unlink()
            raise _FailedAttemptError("the file has changed on the server")
        if status in _BUSY:
            raise _FailedAttemptError(f"the server answers {status} {response.reason}")
        if status not in (200, 206):
            raise InputError(f"{url}: the server answers {status} {response.reason}")
        now = {"url": url, "validator": _validator(response), "total_bytes": _total_bytes(response)}
        if status == 206:
            if not _continues(response, offset) or now != said:
                partial.unlink()
                raise _FailedAttemptError("the file has changed on the server")
        else:  # the whole file: the server cannot continue, or it is another one now
            offset = 0
            chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
            if now["total_bytes"] is None and not chunked:
                raise InputError(f"{url}: the server does not say where the file ends")
            write_whole(said_path, json.dumps(now))
        with (
            partial.open("r+b" if offset else "wb") as file,
            tqdm(
                total=now["total_bytes"],
                initial=offset,
                desc=name,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                mininterval=0.5,
            ) as bar,
        ):
            file.seek(offset)
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
        came = partial.stat().st_size
        if now["total_bytes"] is not None and came != now["total_bytes"]:
            raise _FailedAttemptError(f"the connection ended after {came:,} bytes")


def _said_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _read_said(path: Path, url: str) -> dict | None:
    """What the server said of the partial file, None where that is not known or another's."""
    try:
        said = json.loads(path.read_bytes())
        return said if said["url"] == url and {"validator", "total_bytes"} <= said.keys() else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _validator(response: requests.Response) -> str | None:
    """What tells this file from a later one; a weak ETag does not promise the same bytes."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _total_bytes(response: requests.Response) -> int | None:
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = response.headers.get("Content-Length", "")
    return int(total) if total.isdigit() else None


def _continues(response: requests.Response, offset: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _reason(error: Exception) -> str:
    if isinstance(error, _FailedAttemptError):
        return str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate cannot be trusted"
    if isinstance(error, requests.Timeout):
        return "the server is silent"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection broke"
    return " ".join(str(error).split())
