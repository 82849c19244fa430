"""Stations: how they are called, which coordinates say where they are, how depths are compared with a layer.

Belongs here: the slug of a network and a station name, what more than one module takes for granted of stations.
Not here: where stations are or what they measure (sources/), which depth is used (alignment/depth.py).
"""

import re
import unicodedata
from collections.abc import Iterable

SEPARATOR = "__"
STATION_COORDINATES = ("latitude", "longitude", "elevation", "network", "station_name")
"""Coordinates on ``station`` of every dataset of stations, as far as they are known."""
DEPTH_TOLERANCE = 0.00501
"""m; depths are compared to the centimetre: 0.1016 m is the 4-inch sensor of a 0-0.10 m layer."""


def station_id(network: str, station: str) -> str:
    """Make the path-safe identifier ``network__station`` used as partition key, file name and coordinate.

    Accents are folded, ``#`` and other punctuation dropped, blanks become ``_``, so that the directory
    ``AdamsRanch#1`` of one archive and the header ``Adams_Ranch_#1`` of another do not clash by accident:
    the name in the file header is the one to pass.

    Source: ISMN names are unique within a network only (Dorigo et al. 2021, doi:10.5194/hess-25-5749-2021).
    """
    return f"{_slug(network)}{SEPARATOR}{_slug(station)}"


def in_layer(depth_from: float, depth_to: float, top: float, bottom: float) -> bool:
    """Whether an extent lies in the layer from top to bottom, compared to the centimetre; all in m."""
    return depth_from >= top - DEPTH_TOLERANCE and depth_to <= bottom + DEPTH_TOLERANCE


def _slug(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9.-]+", "_", ascii_name.replace("#", "")).strip("_.-")
    return re.sub(r"_+", "_", words) or "unnamed"


def unique_station_ids(names: Iterable[tuple[str, str]]) -> list[str]:
    """Slugs for (network, station) pairs in order; names that fold to one slug get ``-2``, ``-3`` … appended."""
    seen: dict[str, int] = {}
    slugs = []
    for network, station in names:
        slug = station_id(network, station)
        seen[slug] = seen.get(slug, 0) + 1
        slugs.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return slugs
