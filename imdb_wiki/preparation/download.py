"""Fetches an archive, and continues where a broken transfer stopped.

`requests` does the transfer. Of the libraries that also continue one, none checks that the file
on the server is still the same after a restart and puts it under its name only when it is whole.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
import time
import urllib.parse
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3
from tqdm import tqdm

from imdb_wiki.errors import InputError, names_file
from imdb_wiki.files import parse_json, write_whole
from imdb_wiki.preparation.archives import other_kind

_CHUNK_BYTES = 1 << 16  # at most this much is lost when a connection breaks
_CONNECT_SECONDS, _SILENCE_SECONDS = 15, 60  # a server that says nothing for longer is gone
# Slower is stalled: 7 GB would take 11 days.
_LEAST_BYTES_PER_SECOND, _STALL_SECONDS = 8_000, 60
# How long to wait after attempts that brought nothing; one that brought something starts anew.
_PAUSES_SECONDS = (1, 2, 5, 15, 30)
# Where the server does not say how long the file is: the archives have 7 GB and 1 GB.
_MOST_BYTES = 20_000_000_000
_SPARE_BYTES = 100_000_000  # of the disk, which stay free
_NO_URL = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
_BUSY = (429, 500, 502, 503, 504)  # come and go; other refusals stay
_NUMBER = "([0-9]{1,15})"  # of bytes, in a header
_MOST_REDIRECTIONS = 10


class _FailedAttemptError(Exception):
    """The transfer broke; another attempt may go on. The message says why."""


def download(
    url: str,
    path: Path,
    sha256: str | None = None,
    pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS,
    stall_seconds: float = _STALL_SECONDS,
) -> None:
    """Downloads an archive; it gets its name only when it is complete.

    What has come so far waits in `<name>.part`, and beside it what the server said of the file. A
    later call continues there, unless the file has changed on the server, or the server cannot
    continue or says nothing that tells one version of the file from another: then it starts again.

    Args:
        url: where the file is.
        path: the file to write; if it exists, nothing is downloaded.
        sha256: the file's digest, 64 hexadecimal digits; None: it is not checked.
        pauses_seconds: how long to wait after each attempt in a row that brought little.
        stall_seconds: a connection that brings less than 8 kB a second for so long is given up.

    Raises:
        InputError: the server refuses, is silent too often, or does not say when the file is
            whole; what has come is kept. Or what it sends is no archive, too large for the disk, or
            of another digest.
        OSError: the file cannot be written.
    """
    if path.exists():
        _check_digest(path, sha256)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with _opened(partial) as file, requests.Session() as session:
        transfer = _Transfer(url, session, file, partial, stall_seconds)
        failures_in_a_row, most_bytes = 0, _size(file)
        while reason := transfer.attempt():
            # One that begins anew each time must come further than ever, or it never ends.
            came = _size(file)
            brought_much = came - most_bytes > _LEAST_BYTES_PER_SECOND * stall_seconds
            failures_in_a_row = 0 if brought_much else failures_in_a_row + 1
            most_bytes = max(most_bytes, came)
            if failures_in_a_row > len(pauses_seconds):
                raise InputError(f"{url}: {reason}; the same command continues later")
            tqdm.write(f"{url}: {reason}; trying again", file=sys.stderr)
            time.sleep(pauses_seconds[max(0, failures_in_a_row - 1)])
        _check_digest(partial, sha256)
        partial.replace(path)
    _answered_path(partial).unlink(missing_ok=True)


class _Transfer:
    """What the attempts to fetch one file share.

    Args:
        url: where the file is.
        session: keeps a connection.
        file: what has come so far; an attempt continues or empties it.
        partial: its path.
        stall_seconds: see `download`.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        file: BinaryIO,
        partial: Path,
        stall_seconds: float,
    ):
        self._url, self._session, self._stall_seconds = url, session, stall_seconds
        self._file, self._partial = file, partial

    def attempt(self) -> str:
        """One request; returns why the file is not whole yet, "" when it is."""
        try:
            self._request()
        except _NO_URL as error:
            raise InputError(f"{self._url}: not an address ({error})") from None
        except _FailedAttemptError as error:
            return str(error)
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            return "the server's certificate cannot be trusted"
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            return "the server is silent"
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            urllib3.exceptions.ProtocolError,
        ):
            return "the connection broke"
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return " ".join(str(error).split())
        return ""

    def _request(self) -> None:
        answered = _read_answered(self._partial, self._url)
        offset = _size(self._file) if answered.get("validator") else 0
        headers = {"Accept-Encoding": "identity"}  # a range counts the file's own bytes
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": answered["validator"]}
        with self._response(headers) as response:
            status = response.status_code
            if status == 416 and offset:  # nothing lies behind what we have
                if offset == answered["total_bytes"]:
                    return
                self._start_again("the file has changed on the server")
            if status in _BUSY:
                raise _FailedAttemptError(f"the server answers {status} {response.reason}")
            if status not in (200, 206):
                raise InputError(f"{self._url}: the server answers {status} {response.reason}")
            length = _whole_number(response.headers.get("Content-Length", ""))
            now = {"url": self._url, "validator": _validator(response), "total_bytes": length}
            if status == 206:
                total = now["total_bytes"] = _total_of_rest(response, offset, length)
                same = total is not None and answered["total_bytes"] in (None, total)
                if not same or now["validator"] != answered["validator"]:
                    self._start_again("the file has changed on the server")
            else:  # the whole file: the server cannot continue, or it is another one now
                offset = 0
                chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
                if length is None and not chunked:
                    raise InputError(f"{self._url}: the server does not say where the file ends")
                self._file.truncate(0)
                write_whole(_answered_path(self._partial), json.dumps(now))
            self._receive(response, offset, now["total_bytes"])

    def _response(self, headers: dict[str, str]) -> requests.Response:
        """Asks for the file; where the answer sends us elsewhere, its content is not read."""
        url = self._url
        for _ in range(_MOST_REDIRECTIONS):
            try:
                response = self._session.get(
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS),
                )
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response
                response.close()
                url = urllib.parse.urljoin(url, target)
            except _NO_URL:
                raise
            except ValueError:  # bytes that are no UTF-8, half an IPv6 address
                raise InputError(
                    f"{self._url}: the server sends us to a place that is no address"
                ) from None
        raise InputError(f"{self._url}: the server sends us from place to place")

    def _receive(self, response: requests.Response, offset: int, total: int | None) -> None:
        """Writes what comes behind the first `offset` bytes of `total`."""
        most_bytes = self._room(offset, total)
        position, is_checked = offset, False
        self._file.seek(offset)
        since, since_position = time.monotonic(), offset
        with tqdm(
            total=total,
            initial=offset,
            desc=self._partial.stem,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            mininterval=0.5,
        ) as bar:
            # Of `raw`, since the others wait until a chunk is full, and unpack it.
            while data := response.raw.read1(_CHUNK_BYTES, decode_content=False):
                position += len(data)
                if position > most_bytes:
                    self._start_again(f"the server sends more than {most_bytes:,} bytes")
                with names_file(self._partial):
                    while data:
                        data = data[self._file.write(data) :]
                bar.update(position - bar.n)
                if not is_checked and position >= tarfile.BLOCKSIZE:
                    self._check_start()
                    is_checked = True
                seconds = time.monotonic() - since
                if seconds >= self._stall_seconds:
                    if position - since_position < seconds * _LEAST_BYTES_PER_SECOND:
                        raise _FailedAttemptError("the server sends next to nothing")
                    since, since_position = time.monotonic(), position
        if total is not None and position != total:
            raise _FailedAttemptError(f"the connection ended after {position:,} bytes")
        self._check_start()

    def _room(self, offset: int, total: int | None) -> int:
        """How long the file may become; refuses one that the disk has no room for."""
        free = offset + shutil.disk_usage(self._partial.parent).free - _SPARE_BYTES
        if total is None:
            return min(free, _MOST_BYTES)
        if total > free:
            raise InputError(
                f"{self._partial.parent}: the archive has {total / 1e9:,.1f} GB, and only "
                f"{max(0, free) / 1e9:,.1f} GB are free"
            )
        return total

    def _check_start(self) -> None:
        """Checks that the answer is an archive, and not a web page with an error."""
        start = os.pread(self._file.fileno(), tarfile.BLOCKSIZE, 0)
        if kind := other_kind(start):
            self._file.truncate(0)
            raise InputError(f"{self._url}: the server sends {kind}; --url names another place")

    def _start_again(self, reason: str) -> None:
        self._file.truncate(0)
        raise _FailedAttemptError(reason)


@contextlib.contextmanager
def _opened(partial: Path) -> Generator[BinaryIO]:
    """Opens what has come so far, for this process alone; an empty file is not left behind.

    Raises:
        InputError: another run is at work, or the file is another program's.
    """
    is_ours = (
        _answered_path(partial).is_file() or not partial.exists() or not partial.stat().st_size
    )
    if not is_ours:  # browsers name their downloads so
        raise InputError(f"{partial}: is another program's; move it, or name another folder")
    partial.touch()
    with partial.open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{partial}: another run is fetching it now") from None
        try:
            yield file
        finally:
            if partial.exists() and not _size(file):
                partial.unlink()
                _answered_path(partial).unlink(missing_ok=True)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _check_digest(path: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256.lower():
        raise InputError(
            f"{path}: has the SHA-256 {digest}, not {sha256}; if that one is right, remove the "
            "file, and the same command fetches it again"
        )


def _answered_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _read_answered(partial: Path, url: str) -> dict:
    """What the server answered of the partial file, {} where that is not known or another's."""
    try:
        answered = parse_json(_answered_path(partial).read_bytes())
        is_of_this_file = answered["url"] == url and {"validator", "total_bytes"} <= answered.keys()
        return answered if is_of_this_file else {}
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}


def _validator(response: requests.Response) -> str | None:
    """What tells this file from a later one; a weak ETag does not promise the same bytes."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch(_NUMBER, text) else None


def _total_of_rest(response: requests.Response, offset: int, length: int | None) -> int | None:
    """The whole file's size, where an answer says that it holds all from `offset` on."""
    content_range = re.fullmatch(
        f"bytes {_NUMBER}-{_NUMBER}/{_NUMBER}", response.headers.get("Content-Range", "")
    )
    if content_range is None:
        return None
    first, last, total = map(int, content_range.groups())
    fits = 0 < offset == first <= last < total and length in (None, last - first + 1)
    return total if fits else None
