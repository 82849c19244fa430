"""Raw data of a network whose service is asked: its stations and their records. Not here: the clients (sources/)."""

from collections.abc import Iterator

import dagster as dg
import numpy as np

from soilmoisture_assets.assets import PLACES, places_from, records_of
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.defs.raw.ismn import places_part
from soilmoisture_assets.defs.raw.point_services import SANDBOX_RATE
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SourceUnavailable, StationError
from soilmoisture_assets.sources import network_of
from soilmoisture_assets.sources.services import ServiceUrls
from soilmoisture_assets.sources.source import Network, NetworkRequest

ASKED_ON = "asked_on"
"""Metadata of a record: the day on which the service was asked for it."""


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The table and the records, where the study's target comes from a network's service."""
    if network_of(deployment.study) is None:
        return []
    return [
        step(deployment, [places_from(deployment.study)], _stations),
        step(deployment, [records_of(deployment.study)], _records),
    ]


def _asked(work: Work, urls: ServiceUrls) -> tuple[Network, NetworkRequest]:
    network, name = network_of(work.study), work.study.target.source
    assert network is not None
    return network, NetworkRequest(
        study=work.study,
        today=work.deployment.today(),
        workspace=work.workspace("raw", name, "answers"),
        url=str(urls[name]),
        patience=work.deployment.patience,
        requests_per_minute=SANDBOX_RATE if work.study.sandbox else None,
        progress=work.progress,
    )


def _stations(work: Work) -> Iterator[Made]:
    with work.services() as urls:
        network, request = _asked(work, urls)
        table = network.stations(request)
    names = tuple(table.station.values.astype(str).tolist())
    networks = dict(zip(*np.unique(table.network.values.astype(str), return_counts=True), strict=True))
    metadata = {"stations": len(names), "networks": {name: int(count) for name, count in networks.items()}}
    yield Made(table, names=names, parts={PLACES: places_part(table)}, metadata=metadata)


def _records(work: Work) -> Iterator[Made]:
    """Ask for the stations of this run; each is stored as it comes, and one that fails does not hinder the others."""
    with work.services() as urls:
        network, request = _asked(work, urls)
        stations = work.given(partition=work.partitions[0])["stations"].load().sel(station=work.partitions)
        for name, found in network.records(request, stations):
            if isinstance(found, StationError):
                yield Made(partition=name, left_out=str(found))
            elif isinstance(found, Exception):
                yield Made(partition=name, failure=str(found), passing=isinstance(found, SourceUnavailable))
            else:
                values = {f"{each}_values": int(own.notnull().sum()) for each, own in found.data_vars.items()}
                said = {"notes": found.attrs["notes"].splitlines(), ASKED_ON: str(request.today)}
                yield Made(found, name, metadata={"times": found.sizes["time"], **values, **said})
