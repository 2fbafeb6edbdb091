"""The command lines' shared parts: ranges of numbers, and ends said in one line."""

import argparse
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import keras
import pytest
import tensorflow

from imdb_wiki import tensorflow_start
from imdb_wiki.command import number, says_errors_in_one_line, tell, whole_number, yes_or_no
from imdb_wiki.errors import InputError
from imdb_wiki.tensorflow_start import quiet_tensorflow, start_tensorflow
from tests.conftest import REPOSITORY
from tests.prepared import write_prepared
from tests.shared import assert_one_line, ended, ran

# As TensorFlow writes it: before its log is set up and after, good news and bad.
LOG = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795630478.096371   14358 port.cc:153] oneDNN custom operations are on.
I0000 00:00:1795630478.096371   14358 cudart_stub.cc:31] Could not find cuda drivers on your \
machine, GPU will not be used.
I0000 00:00:1795630482.477968   14358 cudart_stub.cc:31] Could not find cuda drivers on your \
machine, GPU will not be used.
E0000 00:00:1795630482.477968   14358 cuda_dnn.cc:8] Unable to register cuDNN factory: \
Attempting to register factory for plugin cuDNN when one has already been registered
2026-01-31 12:00:00.123456: E cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)
2026-01-31 12:00:00.123456: I gpu_device.cc:20] Created device GPU:0
""".replace("\\\n", "")
NEWS = """I0000 00:00:1795630478.096371   14358 cudart_stub.cc:31] Could not find cuda drivers on \
your machine, GPU will not be used.
2026-01-31 12:00:00.123456: E cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)
""".replace("\\\n", "")


@pytest.mark.parametrize(
    ("kind", "good", "bad", "message"),
    [
        (whole_number(1, 5), {"1": 1, "5": 5}, ["0", "6"], "is not from 1 to 5"),
        (whole_number(1), {"1": 1, "10000000": 10_000_000}, ["0", "-1"], "is not 1 or more"),
        (number(0, 1), {"0": 0.0, "1e-3": 0.001}, ["-0.1", "1.1", "nan", "inf"], "from 0 to 1"),
        (number(0, above=True), {"2": 2.0}, ["0", "nan", "inf"], "is not a number above 0"),
        (number(0, 1, below=True), {"0": 0.0}, ["1"], "is not 0 or more and below 1"),
        (number(0, 1, above=True), {"1": 1.0}, ["0"], "is not above 0 and at most 1"),
        (number(), {"-3": -3.0}, ["nan", "-inf"], "is not a finite number"),
        (yes_or_no, {"0": False, "1": True}, ["2", "yes", ""], "is not 0 (off) or 1 (on)"),
    ],
)
def test_a_number_outside_its_range_is_said_with_the_range(kind, good, bad, message):
    for text, value in good.items():
        assert kind(text) == value
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError) as refused:
            kind(text)
        assert message in str(refused.value)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("photos/a.jpg is broken\nand more"), 2, "error: photos/a.jpg is broken\n"),
        (OSError(28, "No space left on device", "a.csv"), 2, "error: a.csv: No space left on"),
        (OSError("odd"), 2, "error: odd\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (KeyboardInterrupt("it goes on"), 130, "stopped; it goes on\n"),
    ],
)
def test_a_command_says_in_one_line_why_it_ends(error, code, said):
    @says_errors_in_one_line
    def main(_):
        raise error

    line = assert_one_line(ran(main), code=code)
    assert f"{line}\n".startswith(said)


def test_ctrl_c_that_came_back_as_another_error_is_ctrl_c_all_the_same(capsys):
    @says_errors_in_one_line
    def main(cause):
        raise ImportError("initialization failed") from cause

    assert main(KeyboardInterrupt()) == 130  # as C++ modules do when they are imported
    assert capsys.readouterr().err == "stopped\n"
    with pytest.raises(ImportError):
        main(None)


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_ctrl_c_while_a_command_is_imported_is_one_line(code, tmp_path):
    (tmp_path / "slow.py").write_text(code)
    (tmp_path / "start.py").write_text(
        "import imdb_wiki.__main__ as house\n"
        "house.COMMANDS['slow'] = house.Command('slow', '')\n"
        "house.run('slow')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "start"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.long
@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_ctrl_c_at_any_moment_is_one_line(name, tmp_path):
    prepared_dir = write_prepared(tmp_path / "prepared", {"train": 20, "val": 40, "test": 4})
    arguments = {
        "train": [prepared_dir, "--run_dir", tmp_path / "run", "--image_size", "32"],
        "evaluate": ["models/compact.keras", prepared_dir, "--output_dir", tmp_path / "results"],
    }[name]
    code = f"from imdb_wiki.__main__ import run\nprint('started', flush=True)\nrun('{name}')"
    for wait_seconds in (0, 0.1, 0.3, 0.6, 1, 1.5, 2, 3, 5, 9, 14):
        begun = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.stdout.readline()
        time.sleep(wait_seconds)
        begun.send_signal(signal.SIGINT)
        done = ended(begun)
        if done.returncode == 0:
            assert name == "evaluate" and done.stderr == ""  # it was quicker
            break
        assert assert_one_line(done, code=130).startswith("stopped")


PRINTS = (
    "import sys\n"
    "from imdb_wiki.command import says_errors_in_one_line\n"
    "@says_errors_in_one_line\n"
    "def main():\n"
    "    print('19–42 years', 'photo\\udcff.jpg')\n"
    "    print('x' * int(sys.argv[1]))\n"
    "    return 0\n"
    "sys.exit(main())"
)


def prints(length: int, output: int, **variables: str) -> subprocess.CompletedProcess:
    """A command that prints odd characters and then a line of some length."""
    return subprocess.run(
        [sys.executable, "-c", PRINTS, str(length)],
        **{"cwd": REPOSITORY, "env": os.environ | variables, "stdout": output},
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp1252"])
def test_a_terminal_that_lacks_characters_gets_them_spelled_out(encoding):
    done = prints(1, subprocess.PIPE, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode(encoding).splitlines()
    dash = "–" if encoding in ("utf-8", "cp1252") else "\\u2013"
    assert lines == [f"19{dash}42 years photo\\udcff.jpg", "x"]


@pytest.mark.parametrize("length", [1, 1_000_000])
def test_a_reader_that_has_enough_is_no_error(length):
    reading, writing = os.pipe()
    os.close(reading)
    done = prints(length, writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("length", [1, 1_000_000])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")  # noqa: PTH110
def test_output_that_cannot_be_written_is_one_line(length):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = prints(length, full.fileno())
    assert assert_one_line(done) == "error: No space left on device"


def test_a_line_for_a_closed_standard_error_does_not_go_to_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    tell("an error")
    with quiet_tensorflow():
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("driver", "said"), [(True, NEWS), (False, "")])
def test_of_tensorflows_log_only_a_gpus_errors_are_printed(
    driver, said, tmp_path, monkeypatch, capfd
):
    (tmp_path / "version").touch()
    files = [str(tmp_path / "absent"), str(tmp_path / "version")]
    monkeypatch.setattr(tensorflow_start, "NVIDIA_DRIVER_FILES", files if driver else files[:1])
    with pytest.raises(ZeroDivisionError), quiet_tensorflow():
        os.write(2, LOG.encode())
        _ = 1 / 0
    os.write(2, b"said afterwards\n")
    assert capfd.readouterr() == ("", said + "said afterwards\n")


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess:
    """Python code in a process of its own, without what the tests' own process has imported."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


def test_tensorflow_starts_silently_and_as_needed_whatever_is_set_for_other_projects(tmp_path):
    settings = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 1e-3}
    (tmp_path / "keras.json").write_text(json.dumps(settings | {"backend": "jax"}))
    done = run_python(
        "from imdb_wiki.tensorflow_start import start_tensorflow\n"
        "start_tensorflow()\n"
        "import keras, tensorflow as tf\n"
        "@tf.function\n"
        "def traced(x): return x\n"
        "for number in range(8): traced(number)  # each a trace, of which TensorFlow warns\n"
        "from keras import config\n"
        "print(config.backend(), config.image_data_format(), config.floatx(), config.epsilon(),\n"
        "      config.max_epochs(), keras.layers.Conv2D(1, 3).data_format)",
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND="torch",
        KERAS_MAX_EPOCHS="1",
    )
    assert done.stderr == (  # and not a word of TensorFlow's
        "not used here: Keras' settings for other projects, backend=torch, "
        "image_data_format=channels_first, floatx=float16, epsilon=0.001, max_epochs=1\n"
    )
    assert done.stdout == "tensorflow channels_last float32 1e-07 None channels_last\n"


@pytest.fixture(scope="module")
def without_jax(tmp_path_factory) -> Path:
    """All packages of this environment but JAX, for a Python that sees no others (`-S`)."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("jax"):
            (folder / path.name).symlink_to(path)
    return folder


def run_without_jax(packages: Path, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-S", "-m", "imdb_wiki", *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
    )


def test_a_training_on_jax_says_in_one_line_that_jax_is_not_installed(without_jax, tmp_path):
    (tmp_path / "train.csv").touch()
    done = run_without_jax(without_jax, "train", tmp_path, "--run_dir", tmp_path / "run")
    assert_one_line(done, "JAX is not installed: pip install -r requirements-jax.txt")
    assert not (tmp_path / "run").exists()


def test_a_command_that_computes_with_tensorflow_alone_says_so_and_needs_no_jax(
    without_jax, tmp_path
):
    model = tmp_path / "broken.keras"
    model.write_text("no network")
    done = run_without_jax(without_jax, "export", model, "--to", "onnx")
    said = done.stderr.splitlines()
    assert said[0] == "not used here: Keras' settings for other projects, backend=jax"
    assert done.returncode == 2 and len(said) == 2 and str(model) in said[1]


def test_a_gpu_that_is_not_found_is_said_where_there_is_a_driver(monkeypatch, capsys):
    monkeypatch.setattr(tensorflow.config, "list_physical_devices", lambda *_: [])
    for driver, hidden in (([sys.executable], False), ([sys.executable], True), ([], False)):
        monkeypatch.setattr(tensorflow_start, "NVIDIA_DRIVER_FILES", driver)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1" if hidden else "0")
        start_tensorflow()
        said = capsys.readouterr().err
        assert said.startswith("TensorFlow finds no GPU") == bool(driver and not hidden)
        assert said.count("\n") == len(said.splitlines()) <= 1


def test_a_wrong_value_in_keras_json_is_one_line(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "int8"}')
    done = run_python(
        "from imdb_wiki.command import says_errors_in_one_line\n"
        "from imdb_wiki.tensorflow_start import start_tensorflow\n"
        "raise SystemExit(says_errors_in_one_line(start_tensorflow)())",
        KERAS_HOME=str(tmp_path),
    )
    assert_one_line(done, "keras.json in $KERAS_HOME or ~/.keras: Invalid `floatx`")


def test_keras_imported_before_with_another_backend_is_said(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(InputError, match="computes with torch, not with TensorFlow: import imdb_w"):
        start_tensorflow()


@pytest.mark.parametrize(
    "command",
    [
        [REPOSITORY / "imdb_wiki_preparation.py", "--dataset", "sample", "--output_dir", "data"],
        ["-m", "imdb_wiki.evaluation", "model.keras", "data", "--output_dir", "out"],
    ],
)
def test_a_backend_of_matplotlib_that_does_not_exist_is_no_trouble(command, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("so that nothing is prepared here")
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "foo", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert "foo" not in assert_one_line(done)
