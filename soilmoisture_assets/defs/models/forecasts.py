"""Models: the simple methods, forecasts of the validation and test periods, and the newest one.

Not here: the methods (methods/), the networks (networks.py), the scores (defs/analysis/).
"""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import xarray as xr

from soilmoisture_assets.assets import LATEST
from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.metadata.coordinates import with_valid_time
from soilmoisture_assets.methods import speaking, title
from soilmoisture_assets.methods.climatology import METHOD as CLIMATOLOGY
from soilmoisture_assets.methods.persistence import METHOD as PERSISTENCE
from soilmoisture_assets.study import Experiment, Study


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Per experiment the simple methods, and forecasts on their way from the networks to calibrated intervals."""
    made = []
    for experiment in deployment.study.model.experiments:
        made += [
            step(
                deployment,
                [f"models/baselines_{experiment}", f"models/baseline_fits_{experiment}"],
                _baselines(experiment),
            ),
            step(deployment, [f"models/uncalibrated_forecast_{experiment}"], _uncalibrated),
            step(deployment, [f"models/combination_{experiment}"], _combination),
            step(deployment, [f"models/calibration_{experiment}"], _calibration),
            step(deployment, [f"models/station_forecast_{experiment}"], _forecasts),
        ]
    if LATEST in deployment.graph:
        made.append(step(deployment, [LATEST], _latest_forecast, automation=follows(deployment, LATEST)))
    return made


def _baselines(experiment: Experiment) -> Make:
    def baselines(work: Work) -> Iterator[Made]:
        from soilmoisture_assets.methods.fitting import fit_baselines

        found, learned = fit_baselines(work.given()["cube"].load(), work.study, experiment, work.progress)
        methods = [title(str(name)) for name in found.forecaster.values]
        yield Made(
            found, asset=f"models/baselines_{experiment}", metadata={"methods": methods, "starts": found.sizes["start"]}
        )
        yield Made(
            learned,
            asset=f"models/baseline_fits_{experiment}",
            metadata={"arrays": len(learned), "bytes": sum(array.nbytes for array in learned.values())},
        )

    return baselines


def _uncalibrated(work: Work) -> Iterator[Made]:
    """Forecast every validation and test start; without a station model only the regional one forecasts."""
    from soilmoisture_assets.learning.predict import uncalibrated
    from soilmoisture_assets.methods.combination import with_combined
    from soilmoisture_assets.methods.without_weather import beside

    [path], names = work.assets, work.partitions
    given = work.given()
    cube, regional = given["cube"].load(), given["regional"]
    own = work.deployment.partitions(work.deployment.graph.inputs(path)["own"].asset, view=work.view)
    other = [given[name].load() for name in ("without_baselines", "without_combination") if name in given]
    for done, (name, found) in enumerate(uncalibrated(cube, regional, own, work.study, names), start=1):
        if other:
            without = with_combined(work.given(path, name)["without"].load(), *other)
            found = beside(found, without)
        work.progress(done, len(names), name)
        yield Made(found, name)


def _combination(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.methods.combination import combination_of

    given = work.given()
    found = combination_of(given["baselines"].load(), given["forecasts"], given["cube"])
    yield Made(found, metadata=_newest(found.weight))


def _calibration(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.methods.combination import CombinedForecasts
    from soilmoisture_assets.scoring.calibration import calibration_of

    given = work.given()
    cube = given["cube"]
    held_out = cube.station.values[cube.held_out.values == 1].astype(str).tolist()
    forecasts = CombinedForecasts(given["forecasts"], given["baselines"].load(), given["combination"].load())
    found = calibration_of(forecasts, held_out)
    yield Made(found, metadata={"stations": len(given["forecasts"])})


def _forecasts(work: Work) -> Iterator[Made]:
    """Intervals calibrated on blocks of the validation period, following the errors known at each later start."""
    from soilmoisture_assets.methods.combination import with_combined
    from soilmoisture_assets.scoring.calibration import calibrated

    [path] = work.assets
    given = work.given()
    calibration, baselines, combination = (given[name].load() for name in ("calibration", "baselines", "combination"))
    for done, name in enumerate(work.partitions, start=1):
        uncalibrated = work.given(path, name)["uncalibrated"].load()
        found = with_valid_time(calibrated(with_combined(uncalibrated, baselines, combination), calibration))
        work.progress(done, len(work.partitions), name)
        own = combination.station_weight.sel(station=name) if name in combination.station else combination.weight
        yield Made(found, name, metadata=_errors(found, baselines, work.study) | _newest(own))


def _newest(weight: xr.DataArray) -> dict[str, object]:
    """What each method weighs (fit, forecaster, lead) in the forecasts that are issued next."""
    last = weight.isel(fit=-1, lead=-1)
    shares = zip(last.forecaster.values, last.values, strict=True)
    return {f"newest weights at {last.lead.item()} h": {title(name): float(share) for name, share in shares if share}}


def _errors(found: xr.Dataset, baselines: xr.Dataset, study: Study) -> dict[str, object]:
    """The method that speaks for the station, its error on test data at the last lead, and what it is worth beside the
    simplest methods on what both forecast."""
    method, lead = speaking(found.forecaster.values.astype(str)), study.lead_hours[-1]
    found = found.isel(station=0, lead=-1).sel(start=slice(str(study.splits.test.start), None))
    errors = found.soil_moisture_forecast.sel(quantile=0.5, forecaster=method) - found.soil_moisture_observed
    said: dict[str, object] = {
        "method": title(method),
        "scored test starts": int(errors.notnull().sum()),
        f"RMSE at {lead} h [m3 m-3]": float(np.sqrt((errors**2).mean())),
    }
    simple = baselines.soil_moisture_forecast.isel(lead=-1).sel(station=found.station).reindex(start=found.start)
    for name in (PERSISTENCE.name, CLIMATOLOGY.name):
        others = (simple.sel(forecaster=name) - found.soil_moisture_observed).where(errors.notnull())
        if bool(others.notnull().any()):
            skill = 1 - float((errors.where(others.notnull()) ** 2).mean() / (others**2).mean())
            said[f"skill over {title(name)} at {lead} h (1 - MSE / MSE)"] = skill
    return said


def _latest_forecast(work: Work) -> Iterator[Made]:
    """By the first experiment that can forecast: where no forecast of the weather has come, by the one without."""
    from soilmoisture_assets.alignment.issued_weather import issued_starts
    from soilmoisture_assets.learning.predict import latest_forecast
    from soilmoisture_assets.methods.combination import latest_combined
    from soilmoisture_assets.methods.without_weather import beside
    from soilmoisture_assets.scoring.calibration import scale_intervals
    from soilmoisture_assets.scoring.gathering import newest_interval_factors

    given, instead = work.given(), {}
    cube = given["cube"].load()
    found = None
    for e in reversed(work.study.issuable):  # the last to come off counts
        try:
            networks = latest_forecast(cube, given[f"regional_{e}"], given[f"own_{e}"], work.study)
        except StationError as error:
            instead[f"no forecast of '{e}'"] = str(work.deployment.with_command(error))
            continue
        if found is not None:
            networks = beside(networks, found)
        found = latest_combined(networks, cube, work.study, given[f"learned_{e}"], given[f"combination_{e}"].load())
    if found is None:
        yield Made(left_out=next(iter(instead.values())))
        return
    e = Experiment(found.attrs["experiment"])
    without, unforecast = cube.sizes["station"] - found.sizes["station"], 0
    if e is Experiment.ISSUED:
        unforecast = int((~issued_starts(cube, work.study)[:, -1]).sum())
    factors = newest_interval_factors(given[f"forecasts_{e}"])
    found["soil_moisture_forecast"] = scale_intervals(
        found.soil_moisture_forecast, factors.reindex(station=found.station.values).fillna(factors.mean("station"))
    )
    yield Made(
        with_valid_time(found),
        metadata={
            **instead,
            "experiment": str(e),
            "issued from the step that ends at (UTC)": str(found.start.max().values)[:16],
            "stations": found.sizes["station"],
            "stations without one, as no forecast of the weather came for them": unforecast,
            "stations without one, as their last observation is too old": without - unforecast,
            "oldest last observation [hours before]": float(found.age.max()),
        },
    )
