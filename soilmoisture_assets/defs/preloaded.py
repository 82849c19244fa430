"""What workers find loaded: imported once, by the server that they are forked from. Nothing else belongs here.

No thread may be started by it: a fork has none of them, and waits for ever for the locks they held.
"""

import os
from importlib import import_module

import cartopy.mpl.geoaxes  # noqa: F401
import dask.array  # noqa: F401
import h5netcdf  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import netCDF4  # noqa: F401
import pint  # noqa: F401
import scipy.fftpack
import scipy.signal  # noqa: F401
import sklearn.linear_model  # noqa: F401
import torch._dynamo  # noqa: F401
import xarray  # noqa: F401
import zarr.storage  # noqa: F401
from dagster._core.execution import context_creation_job

from soilmoisture_assets.defs.workers import DEFINITIONS, STUDY

context_creation_job.default_system_loggers = lambda instance: []  # the terminal belongs to the command, not to steps

if study := os.environ.get(STUDY):
    getattr(import_module(DEFINITIONS), study).resolve_implicit_global_asset_job_def()
