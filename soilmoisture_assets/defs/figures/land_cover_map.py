"""Figure: interactive land-cover map with a choice of years. Not here: drawing (plots/land_cover_map.py)."""

from collections.abc import Sequence

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.io_managers.base import Partitions
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study


@figure_asset("land_cover_map", kind="leaflet", years=["raw", "modis", "land_cover"])
def land_cover_map(
    context: dg.AssetExecutionContext,
    years: Partitions,
    study: dg.ResourceParam[Study],
    settings: dg.ResourceParam[Settings],
) -> str:
    """IGBP land cover at the stations, year by year, on a page that opens without internet.

    Where an Earth Engine account is set, the whole map of each year lies below the stations while its address lasts.
    """
    from soilmoisture_assets.plots.land_cover_map import land_cover_map as draw

    order = sorted(years)
    index = pd.Index([int(year) for year in order], name="year")
    cover = xr.concat([years[year].drop_vars("year", errors="ignore") for year in order], dim=index)
    try:
        tiles = {} if study.sandbox else earthengine_tiles(settings, index.tolist())
    except SourceError as error:
        context.log.warning(f"The map has no tiles: {error}")
        tiles = {}
    return draw(cover, tiles)


def earthengine_tiles(settings: Settings, years: Sequence[int]) -> dict[int, str]:
    """Address of map tiles per year; none without an account of the settings. Raises SourceError where refused."""
    from soilmoisture_assets.sources.modis.client import connect, land_cover_tiles

    project, key_file = settings.earthengine_project, settings.earthengine_service_account_file
    if project is None and key_file is None:
        return {}
    connect(project=project, service_account_file=key_file, url=settings.earthengine_url)
    return land_cover_tiles(years)
