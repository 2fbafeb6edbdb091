"""A page to try a model on a photo; `python -m imdb_wiki.demo` starts it.

Runs on this machine alone unless `--host` says otherwise, and asks nothing from elsewhere. A photo
that is sent to it stays in memory where the system has a folder for that (Linux' /dev/shm), and
is gone a minute later.
"""

import argparse
import functools
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from imdb_wiki.command import OneLineParser, quiet_tensorflow
from imdb_wiki.errors import InputError

DEFAULT_MODEL = Path(__file__).parents[1] / "models" / "compact.keras"
PORT = 7860  # Gradio's own
KEPT_SECONDS = 60  # longer than from a photo's arrival until it is read
MEMORY_DIR = "/dev/shm"
TITLE = "Age and gender from faces"
WARNING = """
<p class="warning"><b>For research only.</b> Ages are estimates with large errors, larger for groups
that the training data shows seldom. <i>Gender</i> here is a label that somebody wrote into a data
set, not who a person is. Do not use any of it to decide anything about a person: not for access,
age checks, hiring, policing, insurance, advertising or surveillance.</p>
"""
NOTE = "Photos are answered on the machine that runs this page, and are not kept."


def answer(path: str | None, model, lock: threading.Lock) -> tuple[str, str]:
    """Answers one photo.

    Args:
        path: Of the photo; None when it was taken away.
        model: Of `prediction.load_predictor`.
        lock: One photo at a time: each takes all cores, and none more than its own memory.

    Returns:
        The photo with boxes, and what is said of its faces, both as HTML.
    """
    from imdb_wiki.crops import MissingPhotoError, UnreadableImageError
    from imdb_wiki.demo_results import faces_html, photo_html, sentence
    from imdb_wiki.prediction import predict_faces
    from imdb_wiki.prediction_stream import decode_photo, photo_bytes

    if path is None:
        return "", ""
    try:
        data = photo_bytes(Path(path))  # at once: the file is soon gone
        with lock:
            image = decode_photo(data, Path(path).suffix)
            faces = predict_faces([image], model)
            coverage = (model.age_interval or {}).get("coverage")
            return photo_html(image, faces), faces_html(image, faces, coverage)
    except (UnreadableImageError, MissingPhotoError) as error:
        return "", sentence(f"This file cannot be read as a photo: {error}.")


def build_page(model):
    """Builds the page.

    Args:
        model: Of `prediction.load_predictor`.

    Returns:
        Gradio's `Blocks`; `launch_options` says how to launch them.
    """
    import gradio

    with gradio.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(KEPT_SECONDS // 4, KEPT_SECONDS)
    ) as page:
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
                photo.preprocess = lambda payload: payload and payload.path
                gradio.HTML(f'<p class="note">{NOTE}</p>', padding=False)
                said = gradio.HTML(elem_id="said", padding=False)
            with gradio.Column(scale=3, min_width=300):
                drawn = gradio.HTML(elem_id="drawn", padding=False)
        photo.input(
            functools.partial(answer, model=model, lock=threading.Lock()),
            photo,
            [drawn, said],
            api_name="answer",
            concurrency_limit=None,  # they wait in `answer`, with the file read
        )
        photo.clear(lambda: ("", ""), None, [drawn, said], api_visibility="private")
    return page


def launch_options(host: str, port: int) -> dict:
    """How the page is launched: here alone, with nothing fetched, recorded or shared."""
    import gradio

    from imdb_wiki.crops import MAX_PHOTO_BYTES
    from imdb_wiki.demo_results import CSS

    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    return {
        "server_name": host,
        "server_port": port,
        "share": False,
        "run_history": False,  # else the browser keeps every photo
        "enable_monitoring": False,
        "ssr_mode": False,
        "footer_links": [],
        "max_file_size": MAX_PHOTO_BYTES,
        "theme": gradio.themes.Default(primary_hue="blue", **fonts),  # else fonts are fetched
        "css": CSS,
        "quiet": True,
    }


def main(arguments: list[str] | None = None) -> int:
    """Runs the page until Ctrl-C; returns the exit code, 2 for wrong input."""
    parser = OneLineParser(
        prog="python -m imdb_wiki.demo", description="A page to try a model on a photo."
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="as imdb_wiki_predict.py")
    parser.add_argument("--margin", type=float, help="for a model without .json")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: here)")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # with all that `with` cleans up
    memory_dir = MEMORY_DIR if os.access(MEMORY_DIR, os.W_OK) else None
    try:
        with tempfile.TemporaryDirectory(prefix="imdb_wiki_demo-", dir=memory_dir) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder  # before Gradio is imported
            os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
            _run(options)
    except KeyboardInterrupt:
        return 0
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from imdb_wiki.prediction import load_predictor

    try:
        import gradio  # noqa: F401 - before the slow part
    except ImportError as error:
        raise InputError(f"{error}: pip install -r requirements-demo.txt") from None
    with quiet_tensorflow():
        model = load_predictor(options.model, options.margin)
    if model.framing is None:
        raise InputError(f"{options.model} has no .json: --margin says what its crops show")
    page = build_page(model)
    page.queue(max_size=None)
    print(f"http://{options.host}:{options.port} - Ctrl-C ends it", flush=True)
    page.launch(**launch_options(options.host, options.port))


if __name__ == "__main__":
    sys.exit(main())
