"""Small things that tests of several rooms need."""

import contextlib
import io
import json
import re
import resource
import socket
import subprocess
from collections.abc import Callable
from contextlib import contextmanager

_PROGRESS = re.compile(r"\[\d\d:\d\d")  # in each state of a bar that tqdm writes

# The least two-branch network: what tests wait for is TensorFlow tracing layers.
SMALL = {
    "image_size": 16,
    "age_filters": (4,),
    "age_last_filters": (8,),
    "gender_filters": (4,),
    "dense_units": 8,
}

# The least compact network, and the least one with a residual block: it takes longer to trace.
LEAST_COMPACT = {"stem_filters": 4, "stage_filters": (), "stage_blocks": ()}
ONE_BLOCK = {"stem_filters": 4, "stage_filters": (8,), "stage_blocks": (1,)}

DESCRIPTION = {
    "name": "compact",
    "image_size": 32,
    "colour_order": "RGB",
    "value_range": [0, 255],
    "framing": {"box": "chip", "margin": 0.0, "padding": "edge", "resampling": "area"},
    "age_interval": {"coverage": 0.9, "factor": 2.0, "floor_years": 1.0, "count": 100},
}


def write_description(path, **changes):
    description = DESCRIPTION | changes
    path.write_text(
        json.dumps({name: value for name, value in description.items() if value is not ...})
    )
    return path


@contextmanager
def files_of_at_most(count: int):
    """Lets no file grow beyond so many bytes: writing more fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ran(main: Callable[[list[str]], int], *arguments: object) -> subprocess.CompletedProcess:
    """Runs a command's `main` in this process, which has imported already what it needs.

    Returns:
        What `subprocess.run` would of the command in a process of its own.
    """
    command = [str(argument) for argument in arguments]
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main(command)
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(command, code, out.getvalue(), errors.getvalue())


def ended(process: subprocess.Popen, timeout_s: float = 60) -> subprocess.CompletedProcess:
    """Waits for a process that was started with pipes."""
    out, errors = process.communicate(timeout=timeout_s)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def assert_one_line(
    done: subprocess.CompletedProcess, *said: str | re.Pattern, code: int = 2
) -> str:
    """A command has ended as one that was given something wrong: with a code and a line of why.

    Args:
        done: The command, by `ran`, `subprocess.run` or `ended`; progress bars are not counted.
        said: What stands in the line.
        code: The exit code: 2 for wrong input, 130 for Ctrl-C.

    Returns:
        All that standard error says: the line, without its line break.
    """
    errors = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
    # A pipe that is read as text turns the bars' carriage returns into line breaks.
    written = [line for line in re.split(r"[\r\n]+", errors) if line.strip()]
    assert done.returncode == code, errors[-3000:]
    lines = [line for line in written if not _PROGRESS.search(line)]
    assert len(lines) == 1, errors[-3000:]
    (line,) = lines
    for part in said:
        assert part.search(line) if isinstance(part, re.Pattern) else part in line, line
    return line


def status_of_request(host: str, request: str, body: str = "") -> int:
    """Sends an HTTP request as it stands to a server of this machine.

    Args:
        host: `127.0.0.1:PORT`; the word HOST in the request is it.
        request: Its lines; that the connection is closed afterwards is added.
        body: What follows.

    Returns:
        The status of the answer, which may not let other pages read it.
    """
    head = request.replace("HOST", host).replace("\n", "\r\n")
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=30) as connection:
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n{body}".encode())
        answer = b""
        while part := connection.recv(2**16):
            answer += part
    assert b"access-control-allow" not in answer.lower()
    return int(answer.split()[1])
