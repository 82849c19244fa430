"""What workers find loaded: imported once, by the server that they are forked from. Nothing else belongs here.

No thread may be started by it: a fork has none of them, and waits for ever for the locks they held.
"""

import os
import signal
import warnings
from importlib import import_module
from typing import Any

IMPORTED_BY_STEPS = (
    "cartopy.mpl.geoaxes",
    "dask.array",
    "h5netcdf",
    "matplotlib.pyplot",
    "netCDF4",
    "pint",
    "scipy.fftpack",
    "scipy.signal",
    "sklearn.linear_model",
    "torch._dynamo",
    "xarray",
    "zarr.storage",
)
"""What most steps import when they need it first."""

os.setsid()  # before anything that takes time: Ctrl-C is for the command, which ends its workers in order
usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # drops one that came meanwhile (workers.start_server)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGINT, usual)

warnings.filterwarnings("ignore", module="dagster.*")  # logging configuration is "beta"
for name in IMPORTED_BY_STEPS:
    import_module(name)
    if str(os.getppid()) != os.environ.get("_SOILMOISTURE_COMMAND"):  # it has ended: nobody asks for workers any more
        os._exit(0)
logging: Any = import_module("dagster._core.execution.context_creation_job")
logging.default_system_loggers = lambda instance: []  # the terminal belongs to the command, not to steps
workers = import_module("soilmoisture_assets.defs.workers")
import_module("soilmoisture_assets.defs.dagster_private").read_migrations()
if study := os.environ.get(workers.STUDY):
    getattr(import_module(workers.DEFINITIONS), study).resolve_implicit_global_asset_job_def()
