"""The photos that people sent to the page: open files without a name, in memory where possible.

No folder lists them, so no path leads to one, and none is left behind, however the page ends. Each
is known by a random name, which works only for the browser session that sent it.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePath
from typing import BinaryIO, TypeVar

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from imdb_wiki.images.names import is_image_name
from imdb_wiki.images.reading import MAX_PHOTO_BYTES
from imdb_wiki.page.senders import RefusedError

PHOTOS_KEPT = 200  # at once; each may hold an open file
STALL_SECONDS = 30  # an upload that receives nothing for so long is given up
CHUNK_BYTES = 2**16
NO_ROOM = "Too many photos are on this page now. Please try again in a minute."
Answer = TypeVar("Answer")


class Upload:
    """One photo, as it came."""

    def __init__(self, file: BinaryIO, suffix: str, session: str):
        """Takes the file over.

        Args:
            file: Its content.
            suffix: Of its name, such as `.jpg`; "" for one that no photo has.
            session: Of the browser that sent it; "" for a program without cookies.
        """
        self.suffix, self.session = suffix, session
        self.size = file.seek(0, 2)  # bytes
        self._file = file
        self._lock = threading.Lock()  # it is shown while the model's thread reads it
        self.keep(0)

    def read(self, offset: int = 0, count: int = -1) -> bytes:
        """Reads some of it; b"" once it is gone."""
        with self._lock:
            if self._file.closed:
                return b""
            self._file.seek(offset)
            return self._file.read(count)

    def chunks(self) -> Iterator[bytes]:
        """Reads it little by little."""
        for offset in range(0, self.size, CHUNK_BYTES):
            yield self.read(offset, CHUNK_BYTES)

    def keep(self, seconds: float) -> None:
        """Keeps it for so long from now."""
        self.until = time.monotonic() + seconds

    def close(self) -> None:
        """Frees its memory."""
        with self._lock:
            self._file.close()


class Uploads:
    """All photos of all sessions, and the bytes that they take together."""

    def __init__(self, kept_seconds: float, most_bytes: int):
        """Starts without a photo.

        Args:
            kept_seconds: How long a photo stays after its arrival, and again after its answer.
            most_bytes: What all may take together, those on their way included.
        """
        self.kept_seconds, self.most_bytes = kept_seconds, most_bytes
        self.most_bytes_each = min(MAX_PHOTO_BYTES, most_bytes)
        self._photos: dict[str, Upload] = {}
        self._bytes = 0

    async def receive(self, request: Request, session: str) -> str:
        """Takes in an upload, piece by piece, as long as there is room.

        Args:
            request: A form with one file.
            session: Of the browser that sends it.

        Returns:
            The photo's name.

        Raises:
            RefusedError: Too large, no room, or no such form.
            starlette.requests.ClientDisconnect: The sender went away, or stood still.
        """
        taken = 0  # bytes

        async def receive():
            nonlocal taken
            try:
                message = await asyncio.wait_for(request.receive(), STALL_SECONDS)
            except TimeoutError:
                return {"type": "http.disconnect"}
            count = len(message.get("body", b""))
            self._check_room(count, taken + count)
            self._bytes += count
            taken += count
            return message

        try:
            declared = int(request.headers.get("content-length", 0))  # else in chunks
            self._check_room(declared, declared)
            form = await Request(request.scope, receive).form(max_files=1, max_part_size=1000)
            (photo,) = (part for part in form.values() if isinstance(part, UploadFile))
            suffix = PurePath(photo.filename or "").suffix.lower()
            is_shown = is_image_name(suffix) and suffix != ".svg"  # which may hold scripts
            upload = Upload(photo.file, suffix if is_shown else "", session)
            taken -= upload.size
        except (MultiPartException, ValueError, LookupError):
            raise RefusedError(400, "This is not the form of an upload.") from None
        except OSError:  # the folder is full before the limit is reached
            raise RefusedError(507, NO_ROOM) from None
        finally:
            self._bytes -= taken
        name = secrets.token_urlsafe(24) + upload.suffix
        upload.keep(self.kept_seconds)
        self._photos[name] = upload
        return name

    def find(self, name: object, session: str) -> Upload | None:
        """The photo of this name, if this session sent it and it is still here."""
        upload = self._photos.get(name) if isinstance(name, str) else None
        return upload if upload and upload.session == session else None

    def answer(self, name: str, answer_one: Callable[[Upload | None], Answer]) -> Answer:
        """Has a photo answered, which then stays for as long as a new one."""
        upload = self._photos.get(name)
        try:
            return answer_one(upload)
        finally:
            if upload:
                upload.keep(self.kept_seconds)

    def sweep(self, waiting: Collection[str]) -> None:
        """Frees what has been kept for long enough, but no photo that waits for its answer."""
        now = time.monotonic()
        over = {name for name, upload in self._photos.items() if upload.until <= now}
        for name in over.difference(waiting):
            upload = self._photos.pop(name)
            self._bytes -= upload.size
            upload.close()

    def _check_room(self, more: int, size: int) -> None:
        """Refuses a photo of `size` bytes, or `more` bytes of it, if they are too many."""
        if size > self.most_bytes_each:
            largest = self.most_bytes_each / 1e6
            raise RefusedError(413, f"This file is too large: at most {largest:.0f} MB.")
        if self._bytes + more > self.most_bytes or len(self._photos) >= PHOTOS_KEPT:
            raise RefusedError(507, NO_ROOM)
