"""Settings: where things are on this machine and which accounts it has, from ``SOILMOISTURE_*`` and ``.env``.

Belongs here: paths, service addresses, credentials, machine limits. Not here: what is studied (study.py).
Secrets are ``SecretStr``: they print as stars and never reach logs, metadata or files.
"""

import datetime as dt
import re
import tempfile
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import UNFINISHED_WORK


class Settings(BaseSettings):
    """Settings of one machine. Every field is an environment variable with the prefix ``SOILMOISTURE_``."""

    model_config = SettingsConfigDict(env_prefix="SOILMOISTURE_", env_file=".env", extra="ignore", frozen=True)

    study: str = "demo"
    """Name of a built-in study or path of a study file."""
    data_dir: str = "data"
    """The store: a folder, or an fsspec URL such as ``s3://bucket/prefix``; a study is below ``<data_dir>/<study>``."""
    cache_dir: Path | None = None
    """Folder on this machine for unfinished work where the store is elsewhere; unset: ``.soilmoisture_cache``."""
    dagster_home: Path | None = None
    """Folder of the one Dagster instance; unset: ``<data_dir>/dagster_home``, one in ``data`` for each remote store."""
    extensions: tuple[Path, ...] = ()
    """Folders with sources, methods and plots of your own, as a JSON list."""
    today: dt.date | None = None
    """The day it is, for rehearsals and sandbox studies that go on day by day; unset: today."""
    realdata: Path | None = None
    """Folder of real station files; study files name it as ``${SOILMOISTURE_REALDATA}``."""
    ismn_archive: Path | None = None
    """ISMN download (zip or folder); a study may name its own instead."""

    cds_url: str | None = None
    cds_key: SecretStr | None = None
    """Copernicus Climate Data Store; where unset, cdsapi reads ``CDSAPI_URL``, ``CDSAPI_KEY`` or ``~/.cdsapirc``."""
    cds_poll_seconds: float = 5.0
    """First pause between looks at a job in the queue of the Climate Data Store; pauses grow to two minutes."""
    soilgrids_url: str = "https://rest.isric.org/soilgrids/v2.0"
    soilgrids_requests_per_minute: float = 5.0
    elevation_url: str = "https://epqs.nationalmap.gov/v1"
    earthengine_url: str | None = None
    earthengine_project: str | None = None
    earthengine_service_account_file: Path | None = None

    backfill_stations_per_run: int | None = None
    """Stations in one backfill run: unset means all in one run, the fastest on one machine."""
    threads: int | None = None
    """Threads for training and analysis; unset: all cores."""

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
    def written_folders(self) -> dict[str, Path]:
        """The folders on this machine that a run writes to, by what they hold."""
        _, is_remote, _ = self.data_dir.partition("://")
        stored = (self.cache_dir or UNFINISHED_WORK) if is_remote else Path(self.data_dir)
        return {
            "unfinished work" if is_remote else "data": stored.resolve(),
            "Dagster instance": self.instance_folder,
            "temporary files": Path(tempfile.gettempdir()).resolve(),
        }


def load_settings() -> Settings:
    """Read the settings. Raises StudyError that names the variable and what is allowed."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "SOILMOISTURE_" + "_".join(str(part) for part in first["loc"]).upper()
        raise StudyError(f"{name}: {first['msg']}.\n  Set it in the environment or in .env.") from error
