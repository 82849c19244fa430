"""Cube: static attributes of the stations. Not here: encoding (alignment/static_encoding.py), services (defs/raw)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.defs.deployment import SERVICES, STUDY
from soilmoisture_assets.io_managers.base import Partitions
from soilmoisture_assets.study import Study

if SERVICES:

    @cube_asset(
        "static_attributes",
        in_situ=["raw", "ismn", "static_variables"],
        soilgrids=["raw", "soilgrids", "properties"],
        terrain=["raw", "elevation", "slope"],
        land_cover=["raw", "modis", "land_cover"],
    )
    def static_attributes(
        context: dg.AssetExecutionContext,
        in_situ: xr.Dataset,
        soilgrids: xr.Dataset,
        terrain: xr.Dataset,
        land_cover: Partitions,
        study: dg.ResourceParam[Study],
    ) -> xr.Dataset:
        """The study's static attributes with units; categories as CF flags; land cover of the end of training."""
        from soilmoisture_assets.alignment.static_encoding import encode_static_attributes, land_cover_before

        years = xr.concat([land_cover[year].land_cover for year in sorted(land_cover)], dim="year")
        cover = land_cover_before(years, study.splits.train).to_dataset()
        merged = in_situ.drop_vars(list(in_situ.data_vars))
        for part in (in_situ, soilgrids, terrain, cover):
            wanted = [name for name in study.static_attributes.variables if name in part.data_vars]
            merged = merged.drop_vars(wanted, errors="ignore").assign(part[wanted].reset_coords(drop=True))
        found = encode_static_attributes(merged.load(), study.static_attributes.variables)
        context.add_output_metadata(static_metadata(found))
        return found

else:

    @cube_asset("static_attributes", files=(STUDY.static_attributes.path,))
    def static_attributes(context: dg.AssetExecutionContext, study: dg.ResourceParam[Study]) -> xr.Dataset:
        """The study's static attributes with units, from its station file."""
        from soilmoisture_assets.alignment.static_encoding import encode_static_attributes
        from soilmoisture_assets.alignment.station_files import read_static_attributes_file

        source = study.static_attributes
        read = read_static_attributes_file(str(source.path), source.variables, study.domain)
        found = encode_static_attributes(read, source.variables)
        context.add_output_metadata(static_metadata(found))
        return found


def static_metadata(found: xr.Dataset) -> dict[str, dg.MetadataValue]:
    """How many stations have each attribute, and the encodings of categories."""
    from soilmoisture_assets.alignment.static_encoding import encodings

    return {
        "stations": dg.MetadataValue.int(found.sizes["station"]),
        "attributes": dg.MetadataValue.int(len(found.data_vars)),
        "encodings": dg.MetadataValue.json(encodings(found)),
    }
