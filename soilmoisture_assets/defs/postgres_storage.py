"""Dagster's storage on Postgres with connections that are kept. Nothing else belongs here.

By itself Dagster opens a connection, with its password check, for every event: 15 ms each on loopback, 2 where it is
kept. A process keeps one, tries it before it is used, as the server may have been started again, and opens more only
while its threads need them.
"""

from typing import Any, Self

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine
from pydantic import SecretStr

from soilmoisture_assets.settings import with_driver


class KeptConnections(DagsterPostgresStorage):
    """What dagster.yaml names as the storage of an instance."""

    def __init__(self, postgres_url: str, inst_data: Any = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        engine = create_pg_engine(
            postgres_url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=20, pool_pre_ping=True
        )
        for each in (self._run_storage, self._event_log_storage, self._schedule_storage):
            each._engine = engine
            each.optimize_for_webserver = _is_optimized  # type: ignore[method-assign, assignment, unused-ignore]

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        # on another machine it stands in the environment as a person wrote it
        url = with_driver(SecretStr(config_value["postgres_url"]))
        return cls(url.get_secret_value(), inst_data)


def _is_optimized(**_: int) -> None:
    """The webserver would take connections that are not tried before they are used."""
