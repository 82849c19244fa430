"""Where the services of the sources are: the addresses of this machine's settings, or a running sandbox.

Belongs here: which address each source is asked at. Not here: what is asked (the sources' clients), the protocols
themselves (sandbox/). The sandbox is imported inside the functions: only a study that says so has one.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import sources
from soilmoisture_assets.sources.source import Source
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

ServiceUrls = Mapping[str, str | None]
"""Base address by source, and by each further service of a source; None where the client knows its own."""


def issued_from(source: Source) -> str:
    """Under this name stands where a source gives the weather as it was forecast."""
    return f"{source.name} issued"


@contextmanager
def services(study: Study, settings: Settings, today: dt.date | None = None) -> Iterator[ServiceUrls]:
    """Addresses that work within the block.

    Parameters
    ----------
    today : the day it is to a sandbox, which has what is published by then; None: all of it, and all final.
    """
    declared = sources().values()
    further = [name for source in declared for name in source.further]
    if not study.sandbox:
        yield {
            **{source.name: source.url(settings) for source in declared},
            **{issued_from(source): source.issued.url(settings) for source in declared if source.issued},
            **{name: getattr(settings, f"{name}_url") for name in further},
        }
        return
    from soilmoisture_assets.sandbox.server import Sandbox

    with Sandbox(synthetic_world(study, today), today=today) as running:
        urls = {source.name: running.urls[source.sandbox] if source.sandbox else None for source in declared}
        yield {
            **urls,
            **{issued_from(source): urls[source.name] for source in declared if source.issued},
            **{name: running.urls[name] for name in further},
        }


@contextmanager
def settings_within(study: Study, settings: Settings, today: dt.date | None = None) -> Iterator[Settings]:
    """The settings with addresses that work within the block; ``today`` as of :func:`services`."""
    if not study.sandbox:
        yield settings
        return
    from soilmoisture_assets.sandbox.server import Sandbox

    with Sandbox(synthetic_world(study, today), today=today) as running:
        urls = {source.name: running.urls[source.sandbox] for source in sources().values() if source.sandbox}
        urls["open_meteo_previous_runs"] = running.urls["open_meteo"]  # one twin for both
        addresses = {f"{name}_url": url for name, url in (running.urls | urls).items()}
        known = {name: url for name, url in addresses.items() if name in Settings.model_fields}
        yield settings.model_copy(update=known | {"cds_key": settings.cds_key or SecretStr("sandbox")})


def synthetic_world(study: Study, today: dt.date | None = None) -> "World":
    """The synthetic world of a sandbox study: its domain and axis, the same for the same seed."""
    from soilmoisture_assets.sandbox.world import World

    domain, period = study.domain, study.axis_period(today)
    return World(
        seed=study.seed,
        west=domain.west,
        east=domain.east,
        south=domain.south,
        north=domain.north,
        start=period.start,
        end=period.end,
        stations=study.sandbox_stations,
    )
