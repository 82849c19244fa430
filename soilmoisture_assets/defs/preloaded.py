"""What workers find loaded: imported once, by the server that they are forked from. Nothing else belongs here.

No thread may be started by it: a fork has none of them, and waits for ever for the locks they held.
"""

import gc
import os
import signal
import warnings
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any

IMPORTED_BY_STEPS = (
    "cartopy.mpl.geoaxes",
    "dagster._core.instance.factory",
    "dagster._core.secrets.env_file",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.workspace.autodiscovery",
    "dask.array",
    "fsspec.implementations.local",
    "h5netcdf.legacyapi",
    "matplotlib.backends.backend_agg",
    "matplotlib.patheffects",
    "matplotlib.pyplot",
    "netCDF4",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "pint",
    "pyarrow.pandas_compat",
    "scipy.fftpack",
    "scipy.signal",
    "sklearn.linear_model",
    "soilmoisture_assets.learning.checkpoint",
    "soilmoisture_assets.learning.fit",
    "soilmoisture_assets.sandbox.earthengine",
    "torch._dynamo",
    "upath.implementations.local",
    "xarray.computation.nanops",
    "zarr.storage",
)
"""What most steps import when they need it first."""
SECONDS_BETWEEN_LOOKS = 0.5

gc.disable()  # looking for garbage takes a third of the time of imports, which leave none
os.setsid()  # before anything that takes time: Ctrl-C is for the command, which ends its workers in order
usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # drops one that came meanwhile (server.start_server)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGINT, usual)


def end_with_the_command(signum: int, frame: FrameType | None) -> None:
    """End while nobody would ask for a worker any more: imports take long on a busy machine."""
    if str(os.getppid()) != os.environ.get("_SOILMOISTURE_COMMAND"):
        os._exit(0)


before = signal.signal(signal.SIGALRM, end_with_the_command)
signal.setitimer(signal.ITIMER_REAL, SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_LOOKS)
warnings.filterwarnings("ignore", module="dagster.*")  # logging configuration is "beta"
for name in IMPORTED_BY_STEPS:
    with suppress(ImportError):  # of a library of another version, which then has nothing to import there
        import_module(name)
logging: Any = import_module("dagster._core.execution.context_creation_job")
logging.default_system_loggers = lambda instance: []  # the terminal belongs to the command, not to steps
server = import_module("soilmoisture_assets.defs.server")
private = import_module("soilmoisture_assets.defs.dagster_private")
private.read_migrations()
private.keep_connections()
if study := os.environ.get(server.STUDY):
    getattr(import_module(server.DEFINITIONS), study).resolve_implicit_global_asset_job_def()
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, before)
gc.freeze()  # none of it is garbage: workers need not look through it again and again, nor have copies of its pages
gc.set_threshold(10_000)  # as in the command (__main__.py)
gc.enable()
