"""The account of the Climate Data Store: where its address and key come from, and whether they can serve.

Belongs here: the one judgement that ``doctor`` and a run share, before anything is asked. Not here: asking
(cds_queue.py).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.settings import refuse_address

PUBLIC_ADDRESS = "https://cds.climate.copernicus.eu/api"
_HOW = (
    "Make a free account at https://cds.climate.copernicus.eu, accept the licence of ERA5 there, and set "
    "SOILMOISTURE_CDS_KEY (or 'key: …' in ~/.cdsapirc) to your key."
)
_NEW_KEY = "Copy the personal access token from your profile page on https://cds.climate.copernicus.eu to it."


@dataclass(frozen=True)
class CdsAccount:
    """Address and key, and where the key was found."""

    url: str
    key: SecretStr
    where: str


def an_account_is_set(key: SecretStr | None) -> bool:
    """Whether a key of the Climate Data Store is set anywhere on this machine, or a file for it is there.

    Parameters
    ----------
    key : of the settings.
    """
    return bool(key or os.environ.get("CDSAPI_KEY") or _rc_file().exists())


def _rc_file() -> Path:
    return Path(os.environ.get("CDSAPI_RC", "~/.cdsapirc")).expanduser()


def cds_account(url: str | None, key: str | None) -> CdsAccount:
    """The account that a run would use, in the order of ``cdsapi``: the settings, ``CDSAPI_*``, ``~/.cdsapirc``.

    Parameters
    ----------
    url, key : of the settings; None: not set there.

    Raises
    ------
    SourceError : there is none, or it is left from the old Climate Data Store (before September 2024), or cannot be an
        address or a key; says where it stands and never what the key is.
    """
    rc_file = _rc_file()
    found = {
        "url": [(url, "SOILMOISTURE_CDS_URL"), (os.environ.get("CDSAPI_URL"), "CDSAPI_URL")],
        "key": [(key, "SOILMOISTURE_CDS_KEY"), (os.environ.get("CDSAPI_KEY"), "CDSAPI_KEY")],
    }
    given = {name: next(((value, where) for value, where in each if value), None) for name, each in found.items()}
    if None in given.values():
        written = _read(rc_file)
        for name, at in given.items():
            if at is None and written.get(name):
                given[name] = written[name], str(rc_file)
    if given["key"] is None:
        what = f"{rc_file}: no line 'key: <your token>'" if rc_file.exists() else "no credentials"
        raise SourceError(f"{what} for the Copernicus Climate Data Store.\n  {_HOW}")
    address, named = given["url"] or (PUBLIC_ADDRESS, "")
    token, where = given["key"]
    _check_key(token, where)
    return CdsAccount(_checked_address(address, named), SecretStr(token), where)


def _read(rc_file: Path) -> dict[str, str]:
    """The lines ``url: …`` and ``key: …`` of the file; empty where there is no file."""
    try:
        lines = rc_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SourceError(f"{rc_file}: cannot be read ({reason}).\n  Write it again, or delete it. {_HOW}") from None
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _checked_address(address: str, where: str) -> str:
    address = refuse_address(address, where)
    split = urlsplit(address)
    fix = f"Write {PUBLIC_ADDRESS} there."
    if split.hostname == "cds-beta.climate.copernicus.eu" or split.path.endswith("/v2"):
        raise SourceError(f"{where}: {address} is the address of the old Climate Data Store, out of use.\n  {fix}")
    if split.hostname == urlsplit(PUBLIC_ADDRESS).hostname and address != PUBLIC_ADDRESS:
        raise SourceError(f"{where}: {address} is not the address of the Climate Data Store.\n  {fix}")
    return address


def _check_key(key: str, where: str) -> None:
    if ":" in key:
        raise SourceError(
            f"{where}: the key of the Climate Data Store is of the old form <uid>:<key>, which is out of use.\n"
            f"  {_NEW_KEY}"
        )
    if not key.isascii() or not key.isprintable() or any(mark in key for mark in " \"'<>"):
        raise SourceError(f"{where}: what stands there cannot be a key of the Climate Data Store.\n  {_NEW_KEY}")
