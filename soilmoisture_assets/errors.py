"""Errors a user can act on: one class per kind of trouble, all below SoilMoistureError.

Belongs here: exception classes, and what no message may hold. Not here: messages; each is written where the trouble is
seen and names the file or station, what is wrong and what to do. The command line prints the message and exits 2.
"""

import re
from collections.abc import Sequence

from soilmoisture_assets.commands import command, with_inputs

_SECRETS = re.compile(r"(?<=://)[^\s/]+(?=@)|(?<=\bBearer )\S+")


def without_secrets(text: str, *secrets: str) -> str:
    """A text of others without passwords in addresses, tokens, and the secrets named."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return _SECRETS.sub("…", text)


class SoilMoistureError(Exception):
    """Something is wrong with what the platform was given, and the message says what to do; it holds no secrets.

    Parameters
    ----------
    make : paths of assets that a run has to make (again): the message ends with the command for it.
    """

    def __init__(self, message: str = "", *, make: Sequence[str] = ()) -> None:
        self._message, self._make = without_secrets(message), make
        super().__init__(self._told(None, None))

    def name(self, study: str, data_dir: str | None) -> None:
        """Have the command in the message name a study, and a store if need be: whoever raised it may not know them."""
        self.args = (self._told(study, data_dir),)

    def _told(self, study: str | None, data_dir: str | None) -> str:
        if not self._make:
            return self._message
        fix = command("run", *with_inputs(*self._make), study=study, data_dir=data_dir)
        return f"{self._message}\n  Make it with: {fix}"


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

    EXIT_CODE = 130
    """128 and the number of the signal, as shells count."""

    def __init__(self) -> None:
        super().__init__("interrupted; what is stored is kept: run it again to go on.")
