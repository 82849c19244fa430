"""Land cover at stations: MODIS MCD12Q1 v061 (IGBP classes, yearly, 500 m) through Earth Engine.

Belongs here: accounts, the one expression that samples every station and year, its answer.
Not here: retries (http.py), resuming (station_cache.py), classes and their names (metadata/variables.py).

Source: Friedl and Sulla-Menashe 2022, doi:10.5067/MODIS/MCD12Q1.061;
developers.google.com/earth-engine/datasets/catalog/MODIS_061_MCD12Q1.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.metadata.variables import IGBP_CLASSES, IGBP_COLOURS, VARIABLES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.http import LOOPBACK, Answer, HttpClient, read_json
from soilmoisture_assets.sources.station_cache import Place, StationCache, add_problems, places_of, station_coordinates

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

COLLECTION = "MODIS/061/MCD12Q1"
BAND = "LC_Type1"
STATIONS_PER_REQUEST = 1000
"""Earth Engine returns at most 5000 features, and large graphs are refused."""
MISSING = np.int8(-1)

_ACCOUNT_HELP = (
    "  Either a service account: SOILMOISTURE_EARTHENGINE_SERVICE_ACCOUNT_FILE=<its JSON key file>\n"
    "  or your own account: run `earthengine authenticate` once, and set SOILMOISTURE_EARTHENGINE_PROJECT to a Google\n"
    "  Cloud project registered for Earth Engine (https://code.earthengine.google.com/register; free for research)."
)


def fetch_land_cover(
    stations: xr.Dataset,
    cache_dir: Path,
    years: Sequence[int] | None = None,
    progress: Progress | None = None,
    *,
    project: str | None = None,
    service_account_file: Path | None = None,
    url: str | None = None,
    timeout: float = 300,
    backoff: float = 2.0,
) -> xr.Dataset:
    """The IGBP class of the 500 m pixel each station lies in, per year.

    One request answers for up to 1000 stations and all years; what it says is kept per station in ``cache_dir``, so a
    rerun asks only for stations and years that are missing.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    years : which; None: every year the collection has. The product of a year appears about a year after its end.
    project, service_account_file, url : see ``connect``.

    Returns
    -------
    ``land_cover`` (station, year) int8, -1 where missing, with CF flags, of the years the collection has;
    ``problem`` and ``answered`` (station) as ``add_problems``.

    Raises
    ------
    SourceError : no usable account (the message says which is missing and how to get it).
    SourceUnavailable : Earth Engine answered for no station.
    """

    cache = StationCache(cache_dir)
    places = places_of(stations)
    known = {place.station: _classes(cache.load(place)) for place in places}
    wanted = sorted(set(years or ()))
    if years is None or any(year not in known[place.station] for place in places for year in wanted):
        connect(project=project, service_account_file=service_account_file, url=url, timeout=timeout, backoff=backoff)
        there = available_years()
        wanted = there if years is None else [year for year in wanted if year in there]
    missing = [place for place in places if not set(wanted) <= set(known[place.station])]
    problems: dict[str, str] = {}
    if progress and len(places) > len(missing):
        progress(len(places) - len(missing), len(places), "kept from an earlier run")
    last_error: SourceError | None = None
    for start in range(0, len(missing), STATIONS_PER_REQUEST):
        batch = missing[start : start + STATIONS_PER_REQUEST]
        needed = [year for year in wanted if any(year not in known[place.station] for place in batch)]
        try:
            classes = _sample(batch, needed)
        except SourceError as error:
            last_error = error
            problems |= {place.station: str(error).partition("\n")[0] for place in batch}
        else:
            for place in batch:
                known[place.station] |= classes[place.station]
                cache.save(place, {"classes": {str(year): code for year, code in known[place.station].items()}})
        if progress:
            progress(len(places) - len(missing) + start + len(batch), len(places), f"{len(needed)} years")
    if last_error and not any(known.values()):
        raise last_error
    return _dataset(stations, places, wanted, known, problems)


def connect(
    *,
    project: str | None = None,
    service_account_file: Path | None = None,
    url: str | None = None,
    timeout: float = 300,
    backoff: float = 2.0,
) -> None:
    """Connect the process to Earth Engine.

    Parameters
    ----------
    project : Google Cloud project; a service account brings its own.
    service_account_file : JSON key of a service account; None: the user's own account on this machine.
    url : another address of the service; on loopback (the sandbox) no account is needed.

    Raises
    ------
    SourceError : no account, no project, or Earth Engine refuses them; says which and how to get it.
    SourceUnavailable : Earth Engine does not answer.
    """
    import ee
    import ee.deprecation

    on_loopback = url is not None and urlsplit(url).hostname in LOOPBACK
    credentials = _anonymous() if on_loopback else _credentials(service_account_file)
    # The client would look for notices on deprecated assets on the internet, without a timeout.
    ee.deprecation.InitializeDeprecatedAssets = lambda: None
    client = HttpClient("Earth Engine", timeout=timeout, backoff=backoff)
    _translate(
        lambda: ee.Initialize(
            credentials=credentials,
            project=project or ("sandbox" if on_loopback else getattr(credentials, "project_id", None)),
            url=url,
            http_transport=_Transport(client),
        )
    )
    ee.data.setMaxRetries(0)  # the transport retries


def available_years() -> list[int]:
    """The years the collection has, in order; needs ``connect`` first."""
    import ee

    indices = _translate(ee.ImageCollection(COLLECTION).aggregate_array("system:index").getInfo)
    years = sorted(int(str(index)[:4]) for index in indices)
    if not years:
        raise SourceUnavailable(f"Earth Engine: {COLLECTION} is empty.\n  Run it again later.")
    return years


def land_cover_tiles(years: Sequence[int]) -> dict[int, str]:
    """Address template ({z}, {x}, {y}) of map tiles of the IGBP classes per year; needs ``connect`` first.

    Earth Engine forgets such an address after some hours or days: it is for looking now, not for keeping.
    """
    import ee

    addresses = {}
    for year in years:
        image = ee.Image(f"{COLLECTION}/{year}_01_01").select(BAND)
        style = {"min": min(IGBP_CLASSES), "max": max(IGBP_CLASSES), "palette": list(IGBP_COLOURS.values())}
        addresses[year] = _translate(partial(image.getMapId, style))["tile_fetcher"].url_format
    return addresses


def earthengine_tiles(settings: Settings, years: Sequence[int]) -> dict[int, str]:
    """``land_cover_tiles`` with the account of the settings; none where there is no account.

    Raises
    ------
    SourceError : Earth Engine refuses the account.
    """
    project, key_file = settings.earthengine_project, settings.earthengine_service_account_file
    if project is None and key_file is None:
        return {}
    connect(project=project, service_account_file=key_file, url=settings.earthengine_url)
    return land_cover_tiles(years)


def _sample(places: list[Place], years: list[int]) -> dict[str, dict[int, int | None]]:
    """Class per station and year, None where the pixel has none: one request."""
    import ee

    indices = [f"{year}_01_01" for year in years]
    images = ee.ImageCollection(COLLECTION).filter(ee.Filter.inList("system:index", indices)).select(BAND)
    points = ee.FeatureCollection(
        [ee.Feature(ee.Geometry.Point([p.longitude, p.latitude]), {"station": p.station}) for p in places]
    )
    # without a scale the pixels are the product's own
    sampled = images.toBands().reduceRegions(collection=points, reducer=ee.Reducer.first())
    features = _translate(sampled.getInfo)["features"]
    bands = [f"{index}_{BAND}" for index in indices]
    only = "first" if len(bands) == 1 else ""  # an image of one band names its output after the reducer
    result: dict[str, dict[int, int | None]] = {}
    for feature in features:
        properties = feature["properties"]
        codes = [properties.get(band, properties.get(only)) for band in bands]
        if strange := [code for code in codes if code is not None and code not in IGBP_CLASSES]:
            raise SourceError(f"Earth Engine: it answered land cover class {strange[0]}, which IGBP does not have")
        result[properties["station"]] = dict(zip(years, codes, strict=True))
    if len(result) < len(places) or all(code is None for codes in result.values() for code in codes.values()):
        raise SourceUnavailable(
            "Earth Engine: it answered without land cover for any station: an outage.\n  Run it again later."
        )
    return result


class _Transport:
    """What the Earth Engine client sends its requests through: our timeouts and retries."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> tuple[Any, bytes]:
        import httplib2  # type: ignore[import-untyped]

        def read(answer: Answer) -> Answer:
            read_json(answer.body)
            return answer

        answer = self._client.send(method, uri, read, body=body, headers=headers, refuse=False)
        return httplib2.Response({**answer.headers, "status": answer.status}), answer.body


def _anonymous() -> "Credentials":
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


def _credentials(service_account_file: Path | None) -> "Credentials":
    import ee
    from google.oauth2 import service_account

    if service_account_file is not None:
        try:
            return service_account.Credentials.from_service_account_file(
                str(service_account_file), scopes=ee.oauth.SCOPES
            )
        except (OSError, ValueError) as error:
            raise SourceError(
                f"Earth Engine: {service_account_file} is not the key file of a service account "
                f"({type(error).__name__}).\n{_ACCOUNT_HELP}"
            ) from error
    try:
        return ee.data.get_persistent_credentials()
    except ee.EEException as error:
        raise SourceError(f"Earth Engine: no account on this machine.\n{_ACCOUNT_HELP}") from error


def _translate(call: Callable[[], Any]) -> Any:
    """Run a call of the Earth Engine client; its errors become ours."""
    import ee
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error as GoogleApiError  # type: ignore[import-untyped]

    try:
        return call()
    except (ee.EEException, GoogleAuthError, GoogleApiError) as error:
        message = " ".join(str(error).split())
        account = any(word in message.lower() for word in ("project", "permission", "credential", "auth", "token"))
        advice = _ACCOUNT_HELP if account else "  Ask for fewer stations or years, or run it again later."
        raise SourceError(f"Earth Engine: {message}.\n{advice}") from error


def _classes(record: dict[str, Any] | None) -> dict[int, int | None]:
    return {int(year): code for year, code in (record or {}).get("classes", {}).items()}


def _dataset(
    stations: xr.Dataset,
    places: list[Place],
    years: list[int],
    known: dict[str, dict[int, int | None]],
    problems: dict[str, str],
) -> xr.Dataset:
    codes = np.full((len(places), len(years)), MISSING, dtype="int8")
    missing = []
    for row, place in enumerate(places):
        found = known[place.station]
        codes[row] = [MISSING if found.get(year) is None else found[year] for year in years]
        blank = [str(year) for year in years if year in found and found[year] is None]
        missing.append(f"no class in {', '.join(blank)}" if blank else "")
    dataset = station_coordinates(stations).assign_coords(year=("year", np.array(years, dtype="int32")))
    dataset["land_cover"] = (("station", "year"), codes, VARIABLES["land_cover"].attributes())
    dataset["land_cover"].encoding["_FillValue"] = MISSING
    add_problems(dataset, missing, problems)
    return dataset
