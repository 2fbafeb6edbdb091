"""A real Dask cluster on this machine: a scheduler and nodes, each with processes of its own.

As root, on Linux, each node is in a network namespace and has an address of its own, so that taking
it away looks as it does between machines. Else they share the machine's loopback.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from distributed import Client

from tests.conftest import REPOSITORY

_PORT = 8786
# Another test process may have a cluster of its own.
_NUMBER = os.getpid() % 250
# How long is waited for a machine that is no longer there; Dask's own default are 30 seconds.
_QUICK = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}
_BRIDGE, _SUBNET = f"imdbw{_NUMBER}", f"10.{_NUMBER}.77"


def can_make_namespaces() -> bool:
    """Whether nodes can have networks, and later mounts, of their own."""
    command = ["ip", "link", "add", f"{_BRIDGE}t", "type", "bridge"]
    if not shutil.which("ip") or os.geteuid() != 0:
        return False
    if subprocess.run(command, capture_output=True).returncode != 0:
        return False
    _ip(f"link del {_BRIDGE}t")
    return subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True).returncode == 0


def _ip(arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments.split()], check=check, capture_output=not check)


class Node:
    """One machine of the cluster: a process group with a temporary folder of its own."""

    def __init__(self, process: subprocess.Popen, namespace: str | None):
        self.process, self.namespace = process, namespace

    def take_away(self) -> None:
        """Ends all of its processes at once, as if its power were cut."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.namespace:
            _ip(f"netns del {self.namespace}", check=False)
            self.namespace = None

    def worker_pid(self) -> int:
        """The process that does the work; its parent starts another when it ends."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
                is_worker = b"spawn_main" in (entry / "cmdline").read_bytes()
                if session == self.process.pid and is_worker:
                    return int(entry.name)
        raise AssertionError("the node has no worker")


class TestCluster:
    """A scheduler and its nodes.

    `disk` is a file system of 1 MB that all nodes see; None where none can be mounted.
    """

    __test__ = False  # it is no test, whatever its name says

    def __init__(self, folder: Path):
        self.folder, self.nodes, self.started = folder, [], 0
        self.disk: Path | None = folder / "disk"
        self.disk.mkdir()
        # Before the nodes are started: what is mounted later they would not see.
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(self.disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            self.disk = None
        self.has_namespaces = can_make_namespaces()
        host = "127.0.0.1"
        if self.has_namespaces:
            _ip(f"link add {_BRIDGE} type bridge")
            host = f"{_SUBNET}.1"
            _ip(f"addr add {host}/24 dev {_BRIDGE}")
            _ip(f"link set {_BRIDGE} up")
        self.address = f"tcp://{host}:{_PORT + _NUMBER}"
        arguments = ["scheduler", "--host", host, "--port", str(_PORT + _NUMBER), "--no-dashboard"]
        self.scheduler = Node(self._process(arguments, "scheduler"), None)

    def start_node(self, *arguments: str, before: tuple[str, ...] = (), **environment) -> Node:
        """Starts a node with one worker.

        Args:
            arguments: of `dask worker`.
            before: a command that starts the node's command.
            environment: variables of the node alone.
        """
        self.started += 1
        name = f"{_BRIDGE}n{self.started}"
        namespace = None
        if self.has_namespaces:
            namespace, outer, inner = name, f"o{name}", f"i{name}"
            _ip(f"netns add {namespace}")
            _ip(f"link add {outer} type veth peer name {inner}")
            _ip(f"link set {outer} master {_BRIDGE} up")
            _ip(f"link set {inner} netns {namespace}")
            _ip(f"-n {namespace} addr add {_SUBNET}.{self.started + 1}/24 dev {inner}")
            _ip(f"-n {namespace} link set {inner} up")
            before = ("ip", "netns", "exec", namespace, *before)
        command = ["worker", self.address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"]
        node = Node(self._process([*command, *arguments], name, before, **environment), namespace)
        self.nodes.append(node)
        return node

    def _process(self, arguments: list[str], name: str, before=(), **environment):
        temporary = self.folder / name
        temporary.mkdir()
        if arguments[0] == "worker":
            arguments = [*arguments, "--local-directory", str(temporary)]
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [*before, sys.executable, "-m", "dask", *arguments],
                **{"cwd": REPOSITORY, "start_new_session": True, "stdout": log, "stderr": log},
                env=os.environ | _QUICK | {"TMPDIR": str(temporary)} | environment,
            )

    def wait_for_nodes(self, count: int) -> None:
        """Waits until so many workers are there, and no others any more."""
        with Client(self.address, timeout=60, set_as_default=False) as client:
            deadline = time.monotonic() + 60
            while len(client.nthreads()) != count:
                assert time.monotonic() < deadline, f"not {count} nodes: {client.nthreads()}"
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends all of it."""
        for node in (*self.nodes, self.scheduler):
            node.take_away()
        if self.disk:
            subprocess.run(["umount", str(self.disk)], check=True)
        if self.has_namespaces:
            _ip(f"link del {_BRIDGE}")
