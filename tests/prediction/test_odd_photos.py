"""Photos that cannot be read, odd names, and folders that may not be looked into."""

import json
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from imdb_wiki.prediction import stream as prediction_stream
from tests.conftest import REPOSITORY
from tests.prediction.photos import edges, saved


def png_bomb() -> bytes:
    """40,000 × 40,000 pixels in some bytes."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def cut_jpeg(portrait):
    data = saved(portrait, "JPEG")
    return data[: len(data) // 2]


UNREADABLE = {
    "empty": (lambda portrait: b"", "the file is empty"),
    "text": (lambda portrait: b"hello", "not an image"),
    "bomb": (lambda portrait: png_bomb(), "the decoder refuses it"),
    "cut": (cut_jpeg, "the file is cut"),
    "heic": (lambda portrait: b"\0\0\0\x18ftypheic", "HEIC is not read here"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_single_photo_that_cannot_be_read_ends_with_one_line(refused, portrait, tmp_path, kind):
    make, said = UNREADABLE[kind]
    path = tmp_path / f"photo.{'heic' if kind == 'heic' else 'jpg'}"
    path.write_bytes(make(portrait))
    assert f"{path}: {said}" in refused(path)


def test_unreadable_photos_stop_nothing(run, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_stream, "PHOTOS_AT_ONCE", 2)
    for kind, (make, _) in UNREADABLE.items():
        (tmp_path / f"{kind}.{'heic' if kind == 'heic' else 'jpg'}").write_bytes(make(portrait))
    portrait.save(tmp_path / "a.png")
    portrait.save(tmp_path / "z.png")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere")
    code, lines, errors = run(tmp_path)
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in lines[1:]] == [
        *("a.png", "bomb.jpg", "cut.jpg", "empty.jpg", "heic.heic"),
        *("link.jpg", "text.jpg", "z.png"),
    ]
    for kind, (_, said) in UNREADABLE.items():
        assert any(line.startswith(f"{kind}.") and said in line for line in lines)
    assert edges(lines[-1]) == edges(lines[1])


def test_nothing_that_can_be_read_is_exit_code_2(run, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    code, lines, errors = run(tmp_path)
    assert (code, len(lines)) == (2, 3)
    assert errors == ["error: none of 2 photos can be read"]


def test_a_folder_without_photos_ends_with_one_line(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert refused(tmp_path) == f"error: {tmp_path}: a folder without photos"


def test_odd_names_are_said_on_their_line_and_stop_nothing(run, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (40, 30), "grey").save(folder / "good.png")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "round").symlink_to(folder)
    (folder / "folder.png").mkdir()
    (folder / "line\nbreak\x1b[31m.jpg").write_bytes(b"")
    names = [f"{'x' * 300}.jpg", "/".join(["y" * 99] * 50) + ".jpg", "nothing/*.jpg", "z\n\x1b.jpg"]
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    arguments = [folder, *names, loop, "--crops", "--output_dir", tmp_path / "drawn"]
    code, lines, errors = run(*arguments, "--json", tmp_path / "faces.json")
    assert (code, errors, len(lines)) == (0, [], 1 + 3 + 5)
    assert all(line.isprintable() for line in lines)
    reasons = {
        photo["photo"]: photo["error"]
        for photo in json.loads((tmp_path / "faces.json").read_text())
    }
    assert reasons == {
        "good.png": None,
        "line\nbreak\x1b[31m.jpg": "the file is empty",
        "loop.jpg": "Too many levels of symbolic links",
        names[0]: "File name too long",
        names[1]: "File name too long",
        names[2]: "no such file",
        names[3]: "no such file",
        str(loop): "Too many levels of symbolic links",
    }
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["good.jpg"]


def test_a_single_odd_name_is_said_in_one_line(refused, tmp_path):
    error = refused(tmp_path / "line\nbreak.jpg")
    assert error == f"error: {tmp_path}/line?break.jpg: no such file"


def test_a_folder_that_may_not_be_looked_into_is_said():
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from imdb_wiki.images.reading import MissingPhotoError\n"
        "from imdb_wiki.prediction.stream import list_photos, photo_bytes\n"
        "if os.geteuid() == 0:\n"  # who may look into everything
        "    os.setresuid(65534, 65534, 65534)\n"
        "folder = Path(sys.argv[1])\n"
        "for photo in list_photos([folder, folder / 'shut', folder / 'shut' / 'a.png']):\n"
        "    try:\n"
        "        print(len(photo_bytes(photo.path)) > 0)\n"
        "    except MissingPhotoError as error:\n"
        "        print(photo.name.rpartition('/')[2], error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's are for their owner alone
        Path(folder).chmod(0o755)
        for name in ("open", "shut"):
            Path(folder, name).mkdir()
            Image.new("RGB", (40, 30), "grey").save(Path(folder, name, "a.png"))
        Path(folder, "shut").chmod(0)
        command = [sys.executable, "-c", code, folder]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        Path(folder, "shut").chmod(0o700)
    assert done.stdout.splitlines() == [
        *("True", "shut Permission denied", "shut Permission denied", "a.png Permission denied")
    ], done.stderr
