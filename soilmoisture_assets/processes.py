"""Processes by name: which one this is, and whether another one lives. Not here: runs of dead ones (defs/leases.py)."""

import os
import socket

import psutil

_SAME_START_SECONDS = 1.0


def this_process() -> str:
    """Host, number and start (seconds since 1970) of this process."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def process_lives(named: str) -> bool:
    """Whether a process that ``this_process`` named lives; one of another host does, as far as we know."""
    host, process, start = named.split(" ")
    return host != socket.gethostname() or lives(int(process), float(start), float(start))


def lives(process: int, earliest: float, latest: float) -> bool:
    """Whether a process lives that started between two times (the number may have gone to another one since)."""
    try:
        found = psutil.Process(process)
        started, ended = found.create_time(), found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    return not ended and earliest - _SAME_START_SECONDS <= started <= latest + _SAME_START_SECONDS
