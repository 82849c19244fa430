"""Land cover at stations: MODIS MCD12Q1 v061 (IGBP classes, yearly, 500 m) through Earth Engine.

Belongs here: accounts, the one expression that samples every station and year, its answer.
Not here: retries (http.py), resuming (station_cache.py), what is kept of a station (records.py), classes and their
names (metadata/variables.py).

Source: Friedl and Sulla-Menashe 2022, doi:10.5067/MODIS/MCD12Q1.061;
developers.google.com/earth-engine/datasets/catalog/MODIS_061_MCD12Q1.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable
from soilmoisture_assets.metadata.variables import IGBP_CLASSES, IGBP_COLOURS
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.foreign import reason_of
from soilmoisture_assets.sources.http import LOOPBACK, PROBE_SECONDS, Answer, HttpClient, read_json
from soilmoisture_assets.sources.modis.records import (
    BAND,
    FARMLAND,
    Classes,
    classes_of,
    dataset_of,
    is_class,
    record_of,
)
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.station_cache import Place, StationCache, places_of

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

COLLECTION = "MODIS/061/MCD12Q1"
_INDEX = re.compile(r"2\d{3}_01_01")
STATIONS_PER_REQUEST = 1000
"""Earth Engine returns at most 5000 features, and large graphs are refused."""

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
    patience: Patience | None = None,
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
    known = {place.station: classes_of(cache.load(place)) for place in places}
    wanted = sorted(set(years or ()))
    if years is None or any(year not in known[place.station] for place in places for year in wanted):
        connect(
            project=project,
            service_account_file=service_account_file,
            url=url,
            timeout=timeout,
            backoff=backoff,
            patience=patience,
        )
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
                if place.station not in classes:
                    problems[place.station] = "Earth Engine: its answer lacks the station"
                    continue
                known[place.station] |= classes[place.station]
                cache.save(place, record_of(known[place.station]))
        if progress:
            progress(len(places) - len(missing) + start + len(batch), len(places), f"{len(needed)} years")
    if last_error and not any(known.values()):
        raise last_error
    return dataset_of(stations, wanted, known, problems)


def connect(
    *,
    project: str | None = None,
    service_account_file: Path | None = None,
    url: str | None = None,
    timeout: float = 300,
    backoff: float = 2.0,
    attempts: int = 5,
    patience: Patience | None = None,
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

    credentials, project = account_of(project, service_account_file, url)
    # The client would look for notices on deprecated assets on the internet, without a timeout.
    ee.deprecation.InitializeDeprecatedAssets = lambda: None
    client = HttpClient("Earth Engine", timeout=timeout, backoff=backoff, attempts=attempts, patience=patience)
    _translate(
        lambda: ee.Initialize(
            credentials=credentials,
            project=project,
            url=url,
            http_transport=_Transport(client),
        )
    )
    ee.data.setMaxRetries(0)  # the transport retries


def probe(settings: Settings) -> str:
    """Connect as a run would, and ask once for the years there are. Raises SourceError where that is not what comes."""
    connect(
        project=settings.earthengine_project,
        service_account_file=settings.earthengine_service_account_file,
        url=settings.earthengine_url,
        timeout=PROBE_SECONDS,
        attempts=1,
    )
    years = available_years()
    return f"{settings.earthengine_url or 'Earth Engine'} answers: land cover of {years[0]} to {years[-1]}"


def available_years() -> list[int]:
    """The years the collection has, in order; needs ``connect`` first."""
    import ee

    return read_years(_translate(ee.ImageCollection(COLLECTION).aggregate_array("system:index").getInfo))


def read_years(indices: Any) -> list[int]:
    """Years, in order, of the images that the collection says it has; what is no index of a year is passed over.

    Raises SourceUnavailable where there is none.
    """
    texts = [text for text in indices if isinstance(text, str)] if isinstance(indices, list) else []
    years = sorted({int(text[:4]) for text in texts if _INDEX.fullmatch(text)})
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


def _sample(places: list[Place], years: list[int]) -> dict[str, Classes]:
    """Class per station and year: one request."""
    import ee

    indices = [f"{year}_01_01" for year in years]
    images = ee.ImageCollection(COLLECTION).filter(ee.Filter.inList("system:index", indices)).select(BAND)
    points = ee.FeatureCollection(
        [ee.Feature(ee.Geometry.Point([p.longitude, p.latitude]), {"station": p.station}) for p in (*places, FARMLAND)]
    )
    # without a scale the pixels are the product's own
    sampled = images.toBands().reduceRegions(collection=points, reducer=ee.Reducer.first())
    return read_classes(_translate(sampled.getInfo), years)


def read_classes(sampled: Any, years: Sequence[int]) -> dict[str, Classes]:
    """Class per station and year of a sampled collection, whose stations include the field that has classes.

    Raises SourceUnavailable where that has none, or the answer is no such collection: an outage.
    """
    bands = [f"{year}_01_01_{BAND}" for year in years]
    only = "first" if len(bands) == 1 else ""  # an image of one band names its output after the reducer
    found: dict[str, Classes] = {}
    for feature in _list_of(sampled, "features"):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if isinstance(properties, dict) and isinstance(properties.get("station"), str):
            codes = [properties.get(band, properties.get(only)) for band in bands]
            found[properties["station"]] = dict(zip(years, codes, strict=True))
    if not any(is_class(code) for code in found.pop(FARMLAND.station, {}).values()):
        raise SourceUnavailable(
            "Earth Engine: it answered without land cover even where there is some: an outage.\n  Run it again later."
        )
    return found


def _list_of(answer: Any, name: str) -> list[Any]:
    content = answer.get(name) if isinstance(answer, dict) else None
    return content if isinstance(content, list) else []


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


def account_of(
    project: str | None, service_account_file: Path | None, url: str | None
) -> "tuple[Credentials, str | None]":
    """The account that is asked with, and its project, None where a service account brings its own; see ``connect``.

    Raises
    ------
    SourceError : there is none that can serve; says which is missing or cannot be read, and never what is in it.
    """
    import ee
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2 import service_account

    if url is not None and urlsplit(url).hostname in LOOPBACK:
        return AnonymousCredentials(), project or "sandbox"
    if service_account_file is not None:
        try:
            key = service_account.Credentials.from_service_account_file(
                str(service_account_file), scopes=ee.oauth.SCOPES
            )
        except Exception as error:
            what = "no such key file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}"
            raise SourceError(
                f"Earth Engine: {service_account_file} is not the key file of a service account "
                f"({what}).\n{_ACCOUNT_HELP}"
            ) from None
        return key, project or key.project_id
    try:
        own = ee.data.get_persistent_credentials()
    except ee.EEException:
        raise SourceError(f"Earth Engine: no account on this machine.\n{_ACCOUNT_HELP}") from None
    except Exception as error:
        raise SourceError(
            f"Earth Engine: {ee.oauth.get_credentials_path()} cannot be read ({type(error).__name__}).\n"
            "  Run `earthengine authenticate` again."
        ) from None
    if not (project or own.quota_project_id):
        raise SourceError(f"Earth Engine: no project is named.\n{_ACCOUNT_HELP}")
    return own, project or own.quota_project_id


def _translate(call: Callable[[], Any]) -> Any:
    """Run a call of the Earth Engine client; its errors become ours."""
    import ee
    from google.auth.exceptions import GoogleAuthError
    from googleapiclient.errors import Error as GoogleApiError  # type: ignore[import-untyped]

    try:
        return call()
    except SoilMoistureError:
        raise
    except Exception as error:
        if not isinstance(error, ee.EEException | GoogleAuthError | GoogleApiError):  # it stumbles over the answer
            raise SourceUnavailable(
                f"Earth Engine: it answered something that cannot be read ({reason_of(error)}).\n  Run it again later."
            ) from None
        message = " ".join(str(error).split())
        account = any(word in message.lower() for word in ("project", "permission", "credential", "auth", "token"))
        advice = _ACCOUNT_HELP if account else "  Ask for fewer stations or years, or run it again later."
        raise SourceError(f"Earth Engine: {message}.\n{advice}") from None
