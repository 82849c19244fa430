"""Settings: where things are on this machine and which accounts it has, from ``SOILMOISTURE_*`` and ``.env``.

Belongs here: paths, service addresses, credentials, machine limits. Not here: what is studied (study.py).
Secrets are ``SecretStr``: they print as stars and never reach logs, metadata or files.
"""

import datetime as dt
import json
import os
import re
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import UNFINISHED_WORK
from soilmoisture_assets.machine import cores


def refuse_address(address: str, where: str = "") -> str:
    """The address of a service, without a slash at its end.

    Raises
    ------
    StudyError : it is none, or holds a password: addresses are printed and stored. Says where, and not what.
    """
    named = f"{where}: " if where else ""
    try:
        split = urlsplit(address.strip())
        port_is_one = split.port is None or split.port > 0
    except ValueError:
        split, port_is_one = urlsplit(""), False
    if "@" in split.netloc or split.query or split.fragment:
        raise StudyError(
            f"{named}a user name, password or token stands in the address, which is printed and stored.\n"
            "  Leave it out; keys have settings of their own."
        )
    if split.scheme not in ("http", "https") or not split.hostname or not port_is_one or " " in address.strip():
        raise StudyError(f"{named}it is no address of a service.\n  Write one such as https://example.org/api.")
    return address.strip().rstrip("/")


def _address(address: str) -> str:
    try:
        return refuse_address(address)
    except StudyError as error:
        raise ValueError(str(error)) from None


def _without_password(place: str) -> str:
    _, is_url, rest = place.partition("://")
    if is_url and "@" in rest.partition("/")[0]:
        raise ValueError(
            "a user name or password stands in it, and it is printed and stored.\n"
            "  Leave it out; the credentials of a store are in the environment."
        )
    return place


def with_driver(url: SecretStr) -> SecretStr:
    """The address with the driver of the ``postgres`` extra: without it, SQLAlchemy takes one that is not installed."""
    scheme, _, rest = url.get_secret_value().strip().partition("://")
    try:
        split = urlsplit(f"postgresql://{rest}")
        usable = split.port != 0 and len(split.path) > 1 and not set("@/").intersection(split.path[1:])
    except ValueError:
        usable = False
    if scheme.partition("+")[0] not in ("postgres", "postgresql") or not usable:
        raise ValueError(
            "it is no address of a Postgres database.\n"
            "  Write postgresql://, the user, a colon and the password, then @host:5432/database; special characters "
            "of both as %40. The password may also stand in PGPASSWORD or ~/.pgpass."
        )
    return SecretStr(f"postgresql+psycopg2://{rest}")


Address = Annotated[str, AfterValidator(_address)]
"""Where a service is asked; it holds no secret."""


def _secret_address(address: SecretStr) -> SecretStr:
    split = urlsplit(address.get_secret_value())
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("it is no address that can be posted to.\n  Write one such as https://example.org/hooks/key.")
    return address


SecretAddress = Annotated[SecretStr, AfterValidator(_secret_address)]
"""Where something is posted to; whoever knows it may post there."""


POSTGRES = "SOILMOISTURE_POSTGRES_URL"
"""The variable of the instance's database, which dagster.yaml names too."""


LAUNCHER, LAUNCHER_CONFIG = "SOILMOISTURE_LAUNCHER", "SOILMOISTURE_LAUNCHER_CONFIG"


class Launcher(StrEnum):
    """Where runs execute: in processes of this machine, or each by itself on a cluster."""

    LOCAL = "local"
    RAY = "ray"
    K8S = "k8s"
    DOCKER = "docker"


_OF_ONE_MACHINE = {"cache_dir", "dagster_home"}


class Settings(BaseSettings):
    """Settings of one machine. Every field is an environment variable with the prefix ``SOILMOISTURE_``."""

    model_config = SettingsConfigDict(
        env_prefix="SOILMOISTURE_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    study: str = "demo"
    """Name of a built-in study or path of a study file."""
    data_dir: Annotated[str, AfterValidator(_without_password)] = "data"
    """The store: a folder, or an fsspec URL such as ``s3://bucket/prefix``; a study is below ``<data_dir>/<study>``."""
    cache_dir: Path | None = None
    """Folder on this machine for unfinished work where the store is elsewhere; unset: ``.soilmoisture_cache``."""
    scratch_gigabytes: float = Field(default=10.0, gt=0)
    """Copies of what is stored elsewhere that a process keeps in ``cache_dir``; then those it did not ask for longest
    go."""
    dagster_home: Path | None = None
    """Folder of the one Dagster instance; unset: ``<data_dir>/dagster_home``, one in ``data`` for each remote store."""
    postgres_url: Annotated[SecretStr, AfterValidator(with_driver)] | None = None
    """The Postgres database of the Dagster instance (runs, events, schedules), one for each store; unset: SQLite in the
    folder of the instance."""
    launcher: Launcher = Launcher.LOCAL
    """Where runs execute; elsewhere than ``local`` they need a database and a store that all machines reach."""
    launcher_config: dict[str, Any] = {}
    """What the launcher is configured with, as JSON: for ``ray`` ``{"address": "http://head:8265", "num_cpus": 2}``."""
    extensions: tuple[Path, ...] = ()
    """Folders with sources, methods and plots of your own, as a JSON list."""
    today: dt.date | None = None
    """The day it is, for rehearsals and sandbox studies that go on day by day; unset: today."""
    realdata: Path | None = None
    """Folder of real station files; study files name it as ``${SOILMOISTURE_REALDATA}``."""
    ismn_archive: Path | None = None
    """ISMN download (zip or folder); a study may name its own instead."""

    cds_url: Address | None = None
    cds_key: SecretStr | None = None
    """Copernicus Climate Data Store; where unset, cdsapi reads ``CDSAPI_URL``, ``CDSAPI_KEY`` or ``~/.cdsapirc``."""
    cds_poll_seconds: float = 5.0
    """First pause between looks at a job in the queue of the Climate Data Store; pauses grow to two minutes."""
    service_patience_seconds: float = Field(default=600.0, gt=0)
    """A service without a usable answer for so long, retries included, is dead to a command: nobody asks it any more.
    A job that waits in a living queue is waited for longer."""
    soilgrids_url: Address = "https://rest.isric.org/soilgrids/v2.0"
    soilgrids_wcs_url: Address = "https://maps.isric.org/mapserv"
    soilgrids_requests_per_minute: float | None = Field(default=None, gt=0)
    """Unset: 5 of its REST service, which is ISRIC's fair use, and 120 small windows of its maps."""
    elevation_url: Address = "https://epqs.nationalmap.gov/v1"
    open_meteo_url: Address = "https://archive-api.open-meteo.com/v1"
    open_meteo_previous_runs_url: Address = "https://previous-runs-api.open-meteo.com/v1"
    uscrn_url: Address = "https://www.ncei.noaa.gov/pub/data/uscrn/products"
    awdb_url: Address = "https://wcc.sc.egov.usda.gov/awdbRestApi/services/v1"
    ornl_url: Address = "https://modis.ornl.gov/rst/api/v1"
    """Where land cover is asked for, unless an Earth Engine account is set."""
    earthengine_url: Address | None = None
    earthengine_project: str | None = None
    earthengine_service_account_file: Path | None = None

    notices_url: SecretAddress | None = None
    """Where a notice is posted, as JSON, when a run fails or something has grown stale; unset: nowhere."""
    ui_url: Address = "http://127.0.0.1:3000"
    """Where people reach the web UI, for the links in notices."""

    backfill_stations_per_run: int | None = None
    """Stations in one backfill run: unset means all in one run, the fastest on one machine. Where runs execute
    elsewhere, also in one of ``soilmoisture run``, whose runs then share the machines."""
    workers: int | None = Field(default=None, ge=0)
    """Steps of a run that work at a time, each in a process of its own; unset: one per core, with 3 GB of memory for
    each. 0: one at a time in the process of the run, for debugging and where a run has its share of a machine of others
    (``launcher``; so there if unset). Results do not depend on it."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of each step for training and analysis; unset: a quarter of the cores. Results depend on it in their last
    bits."""

    @property
    def threads_of_a_step(self) -> int:
        """Threads for training and analysis; a function of the machine, so that workers do not change results."""
        return self.threads or max(1, cores() // 4)

    @property
    def instance_folder(self) -> Path:
        """Where the Dagster instance is: beside the studies on disk, else on this machine."""
        if self.dagster_home is not None:
            return self.dagster_home.resolve()
        _, is_remote, place = self.data_dir.partition("://")
        if is_remote:
            return Path("data", "dagster_home_" + re.sub(r"[^\w.-]+", "_", place.strip("/"))).resolve()
        return Path(self.data_dir).resolve() / "dagster_home"

    @property
    def secrets(self) -> set[str]:
        """Environment variables of settings that are secret, and set."""
        return {f"SOILMOISTURE_{name.upper()}" for name, value in self if isinstance(value, SecretStr)}

    def told_elsewhere(self) -> list[str]:
        """What a run on another machine is told, as NAME=value: all that is set but secrets, which are in the
        environment of that machine, and folders for what does not leave a machine."""
        told = self.model_dump(include=self.model_fields_set - _OF_ONE_MACHINE)
        if "://" not in self.data_dir:
            told["data_dir"] = Path(self.data_dir)
        return [
            f"SOILMOISTURE_{name.upper()}={_written(value)}"
            for name, value in sorted(told.items())
            if value is not None and not isinstance(value, SecretStr)
        ]

    def tell_dagster(self) -> None:
        """Put the address of the database, with its driver, into the environment, where dagster.yaml points to."""
        if self.postgres_url is not None:
            os.environ[POSTGRES] = self.postgres_url.get_secret_value()

    @property
    def event_logs(self) -> Path:
        """Folder with a line of JSON for each event of a run, a file per day."""
        return self.instance_folder / "event_logs"

    @property
    def written_folders(self) -> dict[str, Path]:
        """The folders on this machine that a run writes to, by what they hold."""
        _, is_remote, _ = self.data_dir.partition("://")
        stored = (self.cache_dir or UNFINISHED_WORK) if is_remote else Path(self.data_dir)
        return {
            "unfinished work" if is_remote else "data": stored.resolve(),
            "Dagster instance": self.instance_folder,
            "temporary files": Path(tempfile.gettempdir()).resolve(),
        }


def _written(value: Any) -> str:
    """A setting as an environment variable that means the same in any folder."""
    if isinstance(value, dict | tuple):
        return json.dumps(value, default=_written)
    return str(value.resolve() if isinstance(value, Path) else value)


def load_settings() -> Settings:
    """Read the settings. Raises StudyError that names the variable and what is allowed."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "SOILMOISTURE_" + "_".join(str(part) for part in first["loc"]).upper()
        what, _, fix = first["msg"].removeprefix("Value error, ").partition("\n")
        fix = fix.strip() or "Set it in the environment or in .env."
        raise StudyError(f"{name}: {what.rstrip('.')}.\n  {fix}") from None
