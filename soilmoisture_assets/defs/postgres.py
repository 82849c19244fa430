"""The Postgres server that holds the Dagster instance, where the settings name one: whether it serves, and why not.

Belongs here: how Dagster is told of it, and what may be wrong, in words that hold no password. Not here: opening the
instance (cli/terminal.py).
"""

import re
import time

import sqlalchemy as sa
from pydantic import SecretStr

from soilmoisture_assets.defs.dagster_private import check_alembic_revision, get_alembic_config
from soilmoisture_assets.errors import StudyError, without_secrets
from soilmoisture_assets.settings import POSTGRES

STORAGE = """
storage:
  custom:
    module: soilmoisture_assets.defs.postgres_storage
    class: KeptConnections
    config:
      postgres_url:
        env: SOILMOISTURE_POSTGRES_URL
"""
"""What dagster.yaml says more where there is a server; the address, with its password, stays in the environment."""
OLDEST_VERSION = 13
SECONDS_TO_CONNECT = 10
SECONDS_TO_MAKE_TABLES = 20
"""After which nobody is still making them."""
_FIXES = {
    r"password|authentication": f"Correct the user or the password in {POSTGRES}, PGPASSWORD or ~/.pgpass.",
    r"database .* does not exist": "Make it on the server: createdb --owner USER DATABASE",
    r"role .* does not exist": "Make the user on the server: createuser --pwprompt USER",
    r"pg_hba.conf|SSL": f"Allow this machine in pg_hba.conf of the server, or end {POSTGRES} with ?sslmode=require.",
    r"too many (clients|connections)|connection slots": "Raise max_connections of the server.",
    r"starting up|shutting down|recovery mode": "Wait for the server, and try again.",
    "": f"Start the server, or correct host and port in {POSTGRES}.",
}
"""By what a message of the server or of its client library looks like: what to do. The first that fits."""


def server(url: SecretStr, *, outdated: bool = False) -> str:
    """Which server serves, in words.

    Parameters
    ----------
    url : the address of a database; it holds the password.
    outdated : tables of another version of Dagster are no trouble.

    Raises
    ------
    StudyError : it does not serve, or not this version of Dagster; says what to do.
    """
    address = sa.make_url(url.get_secret_value())
    place = f"Postgres at {address.host or 'a local socket'}{f':{address.port}' if address.port else ''}"
    try:
        import dagster_postgres  # noqa: F401

        engine = sa.create_engine(
            address, connect_args={"connect_timeout": SECONDS_TO_CONNECT}, poolclass=sa.pool.NullPool
        )
        with engine.connect() as connection:
            version = int((connection.dialect.server_version_info or (0,))[0])
            may_make = connection.scalar(sa.text("select has_schema_privilege(current_schema(), 'create')"))
            made = connection.scalar(sa.text("select to_regclass('alembic_version') is not null"))
            of_another = made and _of_another_version(connection)
    except ImportError as error:
        raise StudyError(
            f"{POSTGRES} is set, but what speaks to Postgres is not installed ({error.name}).\n"
            "  Install it: pip install 'soilmoisture_assets[postgres]'"
        ) from error
    except sa.exc.DBAPIError as error:
        said = without_secrets(" ".join(str(error.orig).split()), str(address.password or ""))
        fix = next(fix for pattern, fix in _FIXES.items() if re.search(pattern, said))
        raise StudyError(f"{place} does not serve: {said}\n  {fix}") from None  # the error holds the address
    if version < OLDEST_VERSION:
        raise StudyError(f"{place} is version {version}.\n  Take one that is {OLDEST_VERSION} or newer.")
    if not may_make and not made:
        raise StudyError(
            f"{place}: this user may make no tables in database {address.database}.\n"
            f"  Give it to the user: ALTER DATABASE {address.database} OWNER TO {address.username}"
        )
    if of_another and not outdated:
        raise StudyError(
            f"{place}: the tables in database {address.database} are those of another version of Dagster.\n"
            "  Install what the others have. If this machine has the newer one: end all that uses them, back them up, "
            "then type: soilmoisture migrate"
        )
    return f"{place}, version {version}, database {address.database}"


def _of_another_version(connection: sa.Connection) -> bool:
    """Whether the tables are. Who makes them says their version a moment after they are there."""
    until = time.monotonic() + SECONDS_TO_MAKE_TABLES
    while True:
        found, newest = check_alembic_revision(get_alembic_config(""), connection)
        if found is not None or time.monotonic() > until:
            return found != newest
        time.sleep(0.1)
