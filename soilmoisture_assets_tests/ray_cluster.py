"""A real Ray cluster of two nodes, in a network that is loopback alone: Ray listens on every address of a machine.

Not here: tests.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
import requests

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of unshare(2) and setns(2)."""
HEAD, WORKER = "127.0.0.1", "127.0.0.2"
ADDRESS = f"http://{HEAD}:8265"
SECONDS_TO_START = 240


@contextlib.contextmanager
def loopback_alone() -> Iterator[None]:
    """A network of its own for this thread and what it starts; tests that need it are skipped where there is none."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network of a test's own takes root and the program ip")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEW_NETWORK) != 0:
            pytest.skip("this machine gives a test no network of its own")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        libc.setns(before, _NEW_NETWORK)
        os.close(before)


class Node:
    """One machine of the cluster, as far as Ray knows: all of its processes start and die together."""

    def __init__(self, address: str, environment: Mapping[str, str], *arguments: str) -> None:
        self.address = address
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
        self.process = subprocess.Popen(
            [*command, f"--node-ip-address={address}", "--num-cpus=1", "--object-store-memory=80000000", *arguments],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def kill(self) -> None:
        """As a power failure does: nobody has time for a last word."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            process.suspend()  # it would start again what dies before it
            for each in [*process.children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def two_nodes(environment: Mapping[str, str]) -> Iterator[tuple[Node, Node]]:
    """The head and another node, of one processor each; what runs there has this environment."""
    pytest.importorskip("ray", reason="ray is not installed")
    folder = tempfile.mkdtemp(prefix="ray_", dir="/tmp")  # the path of a socket is 107 characters at most
    nodes: list[Node] = []
    try:
        port = ("--port=6379", "--dashboard-host=127.0.0.1", f"--temp-dir={folder}")
        nodes.append(Node(HEAD, environment, "--head", *port))
        _wait_for(1)
        nodes.append(Node(WORKER, environment, f"--address={HEAD}:6379"))
        _wait_for(2)
        yield nodes[0], nodes[1]
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def living() -> dict[str, str]:
    """Address of each node that Ray takes for alive, by its id."""
    said = requests.get(f"{ADDRESS}/api/v0/nodes", timeout=30).json()["data"]["result"]["result"]
    return {node["node_id"]: node["node_ip"] for node in said if node["state"] == "ALIVE"}


def nodes_of_runs() -> dict[str, str]:
    """Id of the node of each run by the run's id."""
    jobs = requests.get(f"{ADDRESS}/api/jobs/", timeout=30).json()
    return {job["metadata"]["dagster/run-id"]: job["driver_node_id"] for job in jobs}


def _wait_for(count: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(requests.RequestException, KeyError, ValueError):
            if len(living()) >= count:
                return
        assert time.monotonic() < deadline, f"no Ray cluster of {count} nodes"
        time.sleep(1)
