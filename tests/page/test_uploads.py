"""Photos on their way in, without a server: they are held in memory, and their room returns."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from imdb_wiki.page import uploads as demo_uploads
from imdb_wiki.page.senders import RefusedError
from imdb_wiki.page.uploads import Uploads
from tests.page.process import chunked


def form_request(messages: list[dict], **headers: str) -> Request:
    """A request whose body comes in these messages; after them, nothing comes."""
    named = {"content-type": "multipart/form-data; boundary=m"} | headers

    async def receive():
        if not messages:
            await asyncio.sleep(60)
        return messages.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def test_an_upload_that_stands_still_is_given_up(monkeypatch):
    monkeypatch.setattr(demo_uploads, "STALL_SECONDS", 0.1)
    uploads = Uploads(60, 1000)
    head = next(chunked(b""))
    request = form_request([{"type": "http.request", "body": head + bytes(500), "more_body": True}])
    with pytest.raises(ClientDisconnect):
        asyncio.run(uploads.receive(request, ""))
    assert uploads._bytes == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"--m--\r\n"),
        b'--m\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--m--\r\n',
        b"".join([*list(chunked(b"1"))[:-1], b"\r\n", *chunked(b"2")]),
    ],
)
def test_a_form_without_exactly_one_file_is_refused_and_takes_no_room(body):
    uploads = Uploads(60, 1000)
    request = form_request([{"type": "http.request", "body": body, "more_body": False}])
    with pytest.raises(RefusedError) as refused:
        asyncio.run(uploads.receive(request, ""))
    assert refused.value.status == 400
    assert uploads._bytes == 0


def test_a_full_memory_folder_is_said_in_a_sentence(monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", full)
    request = form_request(
        [{"type": "http.request", "body": b"".join(chunked(b"1")), "more_body": False}]
    )
    with pytest.raises(RefusedError, match="Too many photos"):
        asyncio.run(Uploads(60, 1000).receive(request, ""))


def test_a_photo_stays_while_it_waits_for_its_answer():
    uploads = Uploads(0, 1000)
    body = {"type": "http.request", "body": b"".join(chunked(b"photo")), "more_body": False}
    name = asyncio.run(uploads.receive(form_request([body]), "me"))
    uploads.sweep([name])
    assert uploads.answer(name, lambda upload: upload.read()) == b"photo"
    uploads.sweep([])
    assert uploads.find(name, "me") is None
    assert uploads.answer(name, lambda upload: upload) is None
    assert uploads._bytes == 0
