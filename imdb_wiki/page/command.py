"""A page to try a model on a photo; `python -m imdb_wiki page` starts it.

Runs on this machine alone unless `--host` says otherwise, and asks nothing from elsewhere. A photo
that is sent to it stays in memory where the system has a folder for that (Linux' /dev/shm), and
is gone a minute after its answer. Photos are answered one after the other.
"""

import argparse
import asyncio
import contextlib
import functools
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path

from imdb_wiki.command import OneLineParser, number, says_errors_in_one_line, whole_number
from imdb_wiki.errors import InputError
from imdb_wiki.models import SHIPPED_MODEL
from imdb_wiki.page.hosts import EVERYWHERE, bound_socket, is_host, known_hosts, url_host
from imdb_wiki.tensorflow_start import quiet_tensorflow

HOST = "127.0.0.1"
PORT = 7860  # Gradio's own
KEPT_SECONDS = 60  # after a photo's arrival, and again after its answer
UPLOADS_MB = 400  # of all photos together: 80 of 12 megapixels as JPEG
MEMORY_DIR = "/dev/shm"
WAITING = 100  # questions in the queue, at most
TITLE = "Age and gender from faces"
WARNING = """
<p class="warning"><b>For research only.</b> Ages are estimates with large errors, larger for groups
that the training data shows seldom. <i>Gender</i> here is a label that somebody wrote into a data
set, not who a person is. Do not use any of it to decide anything about a person: not for access,
age checks, hiring, policing, insurance, advertising or surveillance.</p>
"""
NOTE = (
    "Photos are answered on the machine that runs this page, one after the other, and are not "
    "kept. “queue: 3/8 | 2/9s” means: yours is the third of 8 that wait, for 2 of about 9 seconds."
)
GONE = "This photo is no longer here. Please send it again."


def answer(upload, model) -> tuple[str, str]:
    """Answers one photo.

    Args:
        upload: A `page.uploads.Upload`; None for a photo that is not there.
        model: Of `prediction.load_predictor`.

    Returns:
        The photo with boxes, and the answers for its faces, both as HTML.
    """
    from imdb_wiki.images.headers import UnreadableImageError
    from imdb_wiki.page.answers import faces_html, photo_html, sentence
    from imdb_wiki.prediction.faces import predict_faces
    from imdb_wiki.prediction.stream import decode_photo

    if upload is None:
        return "", sentence(GONE)
    try:
        image = decode_photo(upload.read(), upload.suffix)
        faces = predict_faces([image], model)
        coverage = (model.age_interval or {}).get("coverage")
        return photo_html(image, faces), faces_html(image, faces, coverage)
    except UnreadableImageError as error:
        return "", sentence(f"This file cannot be read as a photo: {error}.")


def build_page(model, uploads):
    """Builds the page.

    Args:
        model: Of `prediction.load_predictor`.
        uploads: The `page.uploads.Uploads` that hold the photos.

    Returns:
        Gradio's `Blocks`; `build_app` puts them behind the gate.
    """
    import gradio

    def answer_photo(photo: str | None) -> tuple[str, str]:
        if photo is None:  # taken away
            return "", ""
        return uploads.answer(photo, functools.partial(answer, model=model))

    with gradio.Blocks(title=TITLE, analytics_enabled=False) as page:
        gradio.HTML(f"<h1>{TITLE}</h1>{WARNING}", padding=False)
        with gradio.Row():
            with gradio.Column(scale=2, min_width=300):
                photo = gradio.Image(
                    label="Photo",
                    sources=["upload", "webcam", "clipboard"],
                    type="filepath",
                    buttons=[],
                    height=300,
                    elem_id="photo",
                )
                # The file as it came: we decode it, and say what is wrong with it. (A class of its
                # own would make Gradio write a file beside this one.)
                photo.preprocess = lambda payload: payload.path if payload else None
                gradio.HTML(f'<p class="note">{NOTE}</p>', padding=False)
                answers = gradio.HTML(elem_id="said", padding=False)
            with gradio.Column(scale=3, min_width=300):
                drawn = gradio.HTML(elem_id="drawn", padding=False)
        # One at a time: each takes all cores. The page says the place in the queue.
        photo.input(answer_photo, photo, [drawn, answers], api_name="answer", concurrency_limit=1)
        photo.clear(
            None, None, [drawn, answers], js="() => ['', '']"
        )  # without a place in the queue
    return page.queue(max_size=WAITING)


def build_app(page, uploads, hosts: frozenset[str]):
    """Puts a page behind the gate.

    Args:
        page: Of `build_page`.
        uploads: Those it was built with.
        hosts: Of `page.hosts.known_hosts`.

    Returns:
        An ASGI application.
    """
    import fastapi
    import gradio

    from imdb_wiki.page.answers import CSS
    from imdb_wiki.page.guard import Guard

    @contextlib.asynccontextmanager
    async def tidying(_app):
        tasks = [asyncio.create_task(tidy(page, uploads)) for tidy in (_sweep, _shorten)]
        yield
        for task in tasks:
            task.cancel()

    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    app = gradio.mount_gradio_app(
        fastapi.FastAPI(lifespan=tidying),
        page,
        path="/",
        run_history=False,  # else the browser keeps every photo
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        show_error=False,
        footer_links=[],
        max_file_size=uploads.most_bytes_each,  # the browser says so at once
        theme=gradio.themes.Default(primary_hue="blue", **fonts),  # else fonts are fetched
        css=CSS,
    )
    input_counts = {number: len(function.inputs) for number, function in page.fns.items()}
    return Guard(app, hosts, uploads, input_counts)


async def _sweep(page, uploads) -> None:
    """Frees the photos that are not needed any more, again and again."""
    while True:
        await asyncio.sleep(uploads.kept_seconds / 4)
        questions = page._queue.event_ids_to_events.values()  # of browsers that are still there
        photos = [photo for question in questions for photo in question.data.data]
        uploads.sweep({photo["path"] for photo in photos if photo})


async def _shorten(page, uploads) -> None:
    """Replaces answers that were never fetched: Gradio would keep them, each with a photo."""
    from imdb_wiki.page.answers import sentence

    before = set()
    while True:
        await asyncio.sleep(uploads.kept_seconds)
        boxes = page._queue.pending_messages_per_session
        now = {name for name, box in boxes.items() if not box.empty()}
        for box in [boxes[name] for name in before & now]:
            for _ in range(box.qsize()):
                message = box.get_nowait()
                if hasattr(message, "output"):
                    message.output = {"data": ["", sentence(GONE)]}
                box.put_nowait(message)
        before = now


@says_errors_in_one_line
def main(arguments: list[str] | None = None) -> int:
    """Runs the page until Ctrl-C; returns the exit code, 2 for wrong input, 130 for Ctrl-C."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # with all that `with` cleans up
    with bound_socket(options.host, options.port) as listener, _memory_folder() as folder:
        for name in [name for name in os.environ if name.startswith("GRADIO_")]:
            del os.environ[name]  # whatever was set for other pages
        os.environ["GRADIO_TEMP_DIR"] = folder  # before Gradio is imported
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _run(options, listener, folder)
    return 0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; wrong values end with one line and exit code 2."""
    parser = OneLineParser(
        prog="python -m imdb_wiki page",
        description="A page to try a model on a photo, in a browser. Ctrl-C ends it.",
        allow_abbrev=False,
    )
    model = parser.add_argument_group("model")
    model.add_argument(
        "--model",
        type=Path,
        default=SHIPPED_MODEL,
        metavar="FILE",
        help=".keras, .tflite or .onnx, with its .json beside it (default: the shipped one)",
    )
    model.add_argument(
        "--margin",
        type=number(0, 2),
        metavar="SHARE",
        help="for a model without .json: what its crops show beyond a face chip, as a share of the "
        "chip's side, 0 to 2 (0 for UTKFace's chips, 0.45 for the crops of IMDB and WIKI) "
        "(default: as the .json says)",
    )
    page = parser.add_argument_group("page")
    page.add_argument(
        "--host",
        default=HOST,
        metavar="ADDRESS",
        help="address or name to listen at; 0.0.0.0 for every address of this machine: then all "
        f"who can reach it can use the page (default: {HOST}, this machine alone)",
    )
    page.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=PORT,
        metavar="NUMBER",
        help=f"port to listen at, 0 to 65535; 0 takes any that is free (default: {PORT})",
    )
    page.add_argument(
        "--allow_host",
        type=allowed_host,
        action="append",
        default=[],
        metavar="NAME[:PORT]",
        help="one more name under which browsers reach the page, such as that of a proxy in front "
        "of it; may be repeated (default: the address it listens at only)",
    )
    page.add_argument(
        "--uploads_mb",
        type=whole_number(1, 100_000),
        default=UPLOADS_MB,
        metavar="MB",
        help="what the photos of all people may take together, in megabytes of memory; more are "
        f"refused until some are answered (default: {UPLOADS_MB})",
    )
    return parser.parse_args(arguments)


def allowed_host(text: str) -> str:
    """An option's `type`: a host name, such as `page.example`, with a port or without."""
    if not is_host(text):
        raise argparse.ArgumentTypeError(f"{text} is not a name as in page.example or [::1]:8080")
    return text


@contextlib.contextmanager
def _memory_folder():
    """Where a photo of more than 1 MB goes, as a file without a name."""
    place = MEMORY_DIR if os.access(MEMORY_DIR, os.W_OK) else None
    usual = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="imdb_wiki_demo-", dir=place) as folder:
        tempfile.tempdir = folder
        try:
            yield folder
        finally:
            tempfile.tempdir = usual


def _run(options: argparse.Namespace, listener: socket.socket, folder: str) -> None:
    from imdb_wiki.prediction.faces import load_predictor

    try:
        import gradio  # noqa: F401 - before the slow part

        from imdb_wiki.page.serving import serve
        from imdb_wiki.page.uploads import Uploads
    except ImportError as error:
        raise InputError(f"{error}: pip install -r requirements-demo.txt") from None
    with quiet_tensorflow():
        model = load_predictor(options.model, options.margin)
    if model.framing is None:
        raise InputError(f"{options.model} has no .json: --margin says what its crops show")
    # Half of what is free: it is the memory of everybody on this machine.
    most_bytes = min(options.uploads_mb * 10**6, shutil.disk_usage(folder).free // 2)
    if most_bytes < 10**6:
        raise InputError(f"{folder}: less than 2 MB are free, no photo fits")
    uploads = Uploads(KEPT_SECONDS, most_bytes)
    address, port = listener.getsockname()[:2]
    hosts = known_hosts((options.host, address), port, options.allow_host)
    app = build_app(build_page(model, uploads), uploads, hosts)
    everywhere = url_host(address) in EVERYWHERE
    name = HOST if everywhere else url_host(options.host)
    others = ", and at the other addresses of this machine" if everywhere else ""
    print(f"http://{name}:{port}{others} - Ctrl-C ends it", flush=True)
    serve(app, listener)
