"""Errors a user can act on: one class per kind of trouble, all below SoilMoistureError.

Belongs here: exception classes, and what no message may hold. Not here: messages; each is written where the trouble is
seen and names the file or station, what is wrong and what to do. The command line prints the message and exits 2.
"""

import re

_SECRETS = re.compile(r"(?<=://)[^\s/]+(?=@)|(?<=\bBearer )\S+")


def without_secrets(text: str, *secrets: str) -> str:
    """A text of others without passwords in addresses, tokens, and the secrets named."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return _SECRETS.sub("…", text)


class SoilMoistureError(Exception):
    """Something is wrong with what the platform was given, and the message says what to do; it holds no secrets."""

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class StudyError(SoilMoistureError):
    """A study file or a setting cannot be used."""


class SourceError(SoilMoistureError):
    """A data source (file, archive or service) did not give what was asked of it."""


class DamagedError(SourceError):
    """A stored object is not what its record says."""


class SourceUnavailable(SourceError):
    """A service is down or too busy at present; the same request may work later."""


class UnitsError(SoilMoistureError):
    """Units cannot be converted to those of the registry."""


class TimeAxisError(SoilMoistureError):
    """A time axis is not regular, unique and increasing where it must be."""


class StationError(SoilMoistureError):
    """One station cannot be used; the others can."""


class CheckpointError(SoilMoistureError):
    """A stored model cannot be read, or is of another format or experiment."""


class MachineError(SoilMoistureError):
    """This machine cannot go on: no room, no permission, a disk that is gone. Nothing is wrong with the data."""


class Interrupted(BaseException):
    """The user ended the command (Ctrl-C). No ``Exception``: what outlives the fault of a station must not catch it."""

    def __init__(self) -> None:
        super().__init__("interrupted.\n  What is stored is kept: run it again to go on.")
