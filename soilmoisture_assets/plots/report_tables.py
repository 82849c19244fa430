"""Tables of the report: settings, coverage, quality, skill and drivers as rows of text.

Belongs here: turning datasets into small printable tables. Not here: the page (report.py), numbers that an
analysis should have made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import CODES
from soilmoisture_assets.attribution.ranks import rank_interval
from soilmoisture_assets.metadata.provenance import code_version
from soilmoisture_assets.methods import speaking
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.groups import group_title
from soilmoisture_assets.plots.labels import MASKING_REASONS, ONE_STATION, feature_label, rank_words, words
from soilmoisture_assets.plots.style import counted
from soilmoisture_assets.scores import written
from soilmoisture_assets.scoring.drought import category
from soilmoisture_assets.sources import sources_of
from soilmoisture_assets.study import Study


@dataclass(frozen=True)
class Table:
    """A table to print: caption, column heads, rows of text."""

    caption: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


def settings_table(study: Study) -> Table:
    model, target = study.model, study.target
    rows = [
        ["Period", f"{study.period.start} to {study.period.end}"],
        ["Reach of the axis", "the newest data" if study.reach == "open" else str(study.reach or study.period.end)],
        ["Step", f"{study.lead_hours[0]} h, labelled by its end (UTC)"],
        *[
            [f"{name.capitalize()} split", f"{getattr(study.splits, name).start} to {getattr(study.splits, name).end}"]
            for name in ("train", "validation", "test")
        ],
        ["Domain", f"{study.domain.south}° to {study.domain.north}° N, {study.domain.west}° to {study.domain.east}° E"],
        ["Networks", ", ".join(target.networks) or "all of the source"],
        ["Soil layer", f"{target.depth_from} to {target.depth_to} m, preferred depth {target.preferred_depth} m"],
        ["Target", f"{target.source}; good flags {', '.join(target.good_flags)}"],
        ["Dynamic inputs", f"{', '.join(study.dynamic_inputs.variables)} ({', '.join(study.dynamic_inputs.sources)})"],
        ["Static attributes", f"{len(study.static_attributes.variables)} ({study.static_attributes.source})"],
        ["Experiments", "; ".join(f"{item.value}: {item.description}" for item in model.experiments)],
        ["Leads", ", ".join(f"{lead} h" for lead in study.lead_hours)],
        [
            "Model",
            f"{model.preset}; {style.counted(model.regional_epochs, 'epoch')} of the regional model or 200 steps, "
            f"{style.counted(model.station_epochs, 'epoch')} of the stations' "
            f"({model.station_training.replace('_', ' ')}), {model.neighbours} neighbours",
        ],
        ["Held-out stations", style.percent(study.splits.held_out_fraction)],
        ["Seed", str(study.seed)],
    ]
    return Table("Settings of the study", ["Setting", "Value"], rows)


def model_card(
    study: Study,
    cube: xr.Dataset | None = None,
    summary: pd.DataFrame | None = None,
    calibration: pd.DataFrame | None = None,
    split: str = "test",
) -> Table:
    """What whoever uses the models should know first, on one card; parameters as ``build_report`` takes them.

    Source: Mitchell et al. 2019, "Model cards for model reporting", doi:10.1145/3287560.3287596.
    """
    splits, data = study.splits, [source for source in sources_of(study) if source.citation and not study.sandbox]
    made_up = "synthetic" if study.sandbox else ""
    stations = f"{counted(cube.sizes['station'], 'station')}, " if cube is not None else ""
    rows = [
        [
            "Model",
            f"soilmoisture_assets {code_version()}: a network of all stations, one of each station and simple methods, "
            "together the combined forecast, which is the one that is issued",
        ],
        [
            "Intended use",
            f"soil moisture up to {study.lead_hours[-1]} h ahead at the stations of this study, with 80 % intervals, "
            "beside a person who knows them",
        ],
        [
            "Not intended",
            "other soils or layers, frozen soil (sensors miss the ice), decisions without a look at the data",
        ],
        ["Learned from", f"{stations}{splits.train.start} to {splits.train.end}"],
        ["Chosen and calibrated on", f"{splits.validation.start} to {splits.validation.end}"],
        ["Judged on", f"{splits.test.start} to {splits.test.end}, on which nothing was chosen"],
        ["Data", "; ".join(source.title for source in data) or made_up or "station files"],
    ]
    if summary is not None:
        shown = speaking(summary["method"].astype(str).unique())
        own = summary[(summary["split"].astype(str) == split) & (summary["method"].astype(str) == shown)]
        for experiment, lines in own.groupby("experiment", sort=False, observed=True):
            each = "; ".join(f"{line['lead_hours']} h {_skill(line)}" for _, line in lines.iterrows())
            of = "Median R²" if own["stations"].max() > 1 else "R²"
            rows.append([f"{of}, {experiment}", f"{method_title(shown)}: {each}"])
    for line in calibration_table(calibration, split).rows if calibration is not None else []:
        rows.append([f"Intervals, {line[0]}, {line[1]}", f"hold {line[-1]} of the observations, where 0.80 is meant"])
    rows += [
        [
            "Limits",
            "medians over stations hide the worst of them (see the maps); a sensor that drifts or is replaced shifts a "
            "level for months; weather beyond that of the training years has not been seen",
        ],
        [
            "Licence",
            "code Apache-2.0; data: "
            + ("; ".join(f"{each.title}, {each.licence}" for each in data) or made_up or "your own"),
        ],
    ]
    return Table("Model card", ["What", ""], rows)


def coverage_table(cube: xr.Dataset) -> Table:
    """Stations per network and the median share of steps observed in each split [%]."""
    observed = np.isfinite(cube["soil_moisture_scored"].transpose("station", "time").values)
    splits = cube["split"].values
    shares = {
        name: 100 * observed[:, splits == code].mean(axis=1) for name, code in CODES.items() if (splits == code).any()
    }
    networks = words(cube["network"].values)
    rows = []
    for network in [*sorted(set(networks)), "all"]:
        members = networks == network if network != "all" else np.ones(len(networks), dtype=bool)
        rows.append(
            [network, str(int(members.sum())), *(f"{np.median(share[members]):.0f}" for share in shares.values())]
        )
    return Table(
        "Stations per network, and median share of steps observed",
        ["Network", "Stations", *(f"{name} [%]" for name in shares)],
        rows,
    )


def quality_table(cube: xr.Dataset) -> Table:
    """Values of the source masked per reason, and steps with too few of them, over all stations.

    They are counted in the days that are learned from, judged on and tested: up to the last step of a split.
    """
    values = int(cube["source_values"].sum())
    steps = cube.sizes["station"] * (np.flatnonzero(cube["split"].values)[-1] + 1)
    rows = []
    for name, reason, unit, of in (
        *((name, reason, "values", values) for name, reason in MASKING_REASONS.items()),
        ("masked_few_hours", "too few good hours in the step", "steps", steps),
    ):
        if name in cube:
            counts = cube[name].values.astype("int64")
            rows.append(
                [
                    reason,
                    f"{counts.sum():,} of {of:,} {unit}",
                    f"{100 * counts.sum() / max(of, 1):.2f}",
                    f"{int((counts > 0).sum())}",
                ]
            )
    return Table(
        "Masked in the target, by reason; a value may fail several checks (masked values stay in the raw store; scores "
        "use every value in range)",
        ["Reason", "Masked", "Share [%]", "Stations concerned"],
        rows,
    )


def drought_table(drought: xr.Dataset, most: int = 10) -> Table:
    """The driest stations for the time of year, as ``scoring.drought`` has them; at most so many."""
    lead, dry = int(drought["lead"].values[-1]), float(drought.attrs["dry_percentile"])
    ahead = drought.isel(lead=-1)
    percentile = drought["percentile_observed"].values
    known = np.flatnonzero(np.isfinite(percentile))
    rows = []
    for at in known[np.argsort(percentile[known], kind="stable")][:most]:
        own = category(float(percentile[at]))
        rows.append(
            [
                str(drought["station"].values[at]),
                f"{pd.Timestamp(drought['observed_at'].values[at]):%Y-%m-%d %H:%M}",
                f"{drought['last_observation'].values[at]:.3f}",
                f"{percentile[at]:.0f}" + (f" ({own.title})" if own else ""),
                _or_dash(drought["change_in_a_week"].values[at], "+.3f"),
                _or_dash(ahead["percentile"].values[at], ".0f"),
                _or_dash(ahead["probability_dry"].values[at], ".0f"),
                str(int(drought["years"].values[at])),
            ]
        )
    without = drought.sizes["station"] - len(known)
    fewest = counted(int(drought.attrs["minimum_years"]), "year")
    return Table(
        f"The {len(rows)} driest of {counted(len(known), 'station')} for the time of year"
        + (f"; {without} more have fewer than {fewest} of climatology" if without else "")
        + f". In a week: change of soil moisture; in {lead} h: percentile of the forecast; dry: probability of lying "
        f"below percentile {dry:g}; years: of climatology",
        [
            "Station", "Observed (UTC)", "[m³ m⁻³]", "Percentile", "In a week", f"In {lead} h", "Dry then [%]", "Years",
        ],
        rows,
    )  # fmt: skip


def _or_dash(value: float, form: str) -> str:
    return format(value, form).replace("-", "−") if np.isfinite(value) else "–"


def skill_tables(summary: pd.DataFrame, split: str = "test") -> list[Table]:
    """Median R² with its interval per method and lead, one table per experiment."""
    tables = []
    part = summary[summary["split"].astype(str) == split]
    for experiment, rows in part.groupby("experiment", sort=False, observed=True):
        leads, stations = sorted(rows["lead_hours"].unique()), int(rows["stations"].max())
        table = Table(
            f"Experiment {experiment}, {split} split: "
            + (
                f"median R² over {stations} stations [95 % bootstrap interval]; ≈: behind the best of its column by no "
                "more than chance (paired bootstrap)"
                if stations > 1
                else f"R² of one station; {ONE_STATION}"
            ),
            ["Method", *(f"{lead} h" for lead in leads)],
        )
        for method, line in rows.groupby("method", sort=False, observed=True):
            by_lead = line.set_index("lead_hours")
            cells = [
                _skill(by_lead.loc[lead]) + _like_the_best(by_lead.loc[lead]) if lead in by_lead.index else "–"
                for lead in leads
            ]
            if any(cell != "–" for cell in cells):
                table.rows.append([method_title(str(method)), *cells])
        tables.append(table)
    return tables


def _skill(row: pd.Series) -> str:
    return written(row["median_r2"], row["low"], row["high"])


def _like_the_best(row: pd.Series) -> str:
    return " ≈" if row["behind_best"] > 0 and row["behind_low"] <= 0 else ""


def held_out_tables(skill: xr.Dataset, cube: xr.Dataset, split: str = "test") -> list[Table]:
    """Median R² of the stations no model was trained on; nothing where the study holds none out."""
    held_out = cube["station"].values[cube["held_out"].values.astype(bool)] if "held_out" in cube else []
    chosen = np.isin(skill["station"].values, held_out)
    if not chosen.any():
        return []
    part = skill["r2"].sel(split=split).isel(station=np.flatnonzero(chosen))
    tables = []
    for experiment in part["experiment"].values:
        table = Table(
            f"Experiment {experiment}, {split} split: median R² over {counted(int(chosen.sum()), 'held-out station')}",
            ["Method", *(f"{int(lead)} h" for lead in part["lead"].values)],
        )
        for method in part["forecaster"].values:
            values = part.sel(experiment=experiment, forecaster=method).transpose("station", "lead").values
            if np.isfinite(values).any():
                table.rows.append([method_title(str(method)), *(written(np.nanmedian(x)) for x in values.T)])
        tables.append(table)
    return tables


def group_tables(by_group: pd.DataFrame, split: str = "test") -> list[Table]:
    """Median R² with its interval by network, climate, land cover and soil texture: one table per grouping.

    Parameters
    ----------
    by_group : grouping, group, split, experiment, method, lead_hours, stations, median_r2, low, high. Of the
        methods the one that speaks is shown.
    """
    part = by_group[by_group["split"].astype(str) == split]
    if part.empty:
        return []
    method = speaking(part["method"].astype(str).unique())
    part = part[part["method"].astype(str) == method]
    heads = [(e, lead) for e in part["experiment"].unique() for lead in sorted(part["lead_hours"].unique())]
    tables = []
    for grouping, rows in part.groupby("grouping", sort=False):
        table = Table(
            f"By {grouping}: median R² of the {method_title(method)}, {split} split [95 % bootstrap interval]",
            [str(grouping).capitalize(), "Stations", *(f"{experiment} {lead} h" for experiment, lead in heads)],
        )
        for group, line in rows.groupby("group", sort=False):
            by_head = line.set_index(["experiment", "lead_hours"])
            cells = [_skill(by_head.loc[head]) if head in by_head.index else "–" for head in heads]
            table.rows.append([str(group), str(int(line["stations"].max())), *cells])
        tables.append(table)
    return tables


def calibration_table(calibration: pd.DataFrame, split: str = "test") -> Table:
    """What the quantiles and the interval of the forecasts hold, per experiment and lead."""
    part = calibration[calibration["split"].astype(str) == split]
    rows = [
        [
            f"{row['experiment']}, {method_title(str(row['method']))}",
            f"{row['lead_hours']} h",
            *(written(row[name]) for name in ("below_10", "below_50", "below_90")),
            written(row["coverage_80"], row["low"], row["high"]),
        ]
        for _, row in part.iterrows()
    ]
    over = ", mean over stations [95 % bootstrap interval]" if part["stations"].max() > 1 else f"; {ONE_STATION}"
    return Table(
        f"Calibration, {split} split: share of observations at or below each forecast quantile, and inside the 80 % "
        f"interval{over}",
        ["Experiment", "Lead", "≤ 0.1 quantile", "≤ central forecast", "≤ 0.9 quantile", "In the interval"],
        rows,
    )


def driver_tables(shap: Mapping[str, xr.Dataset], most: int = 12) -> list[Table]:
    """Groups and the strongest features of each experiment: mean |SHAP| [10⁻³ m³ m⁻³] per window, and the rank."""
    tables = []
    for experiment, dataset in shap.items():
        share = float(dataset["shared_residual"].mean() / dataset["movement_spread"].mean())
        text = (
            f"Movement of the forecast, experiment {experiment}: mean |SHAP| over "
            f"{counted(dataset.sizes['station'], 'station')} and {counted(dataset.sizes['seed'], 'seed')} of the "
            "regional network [10⁻³ m³ m⁻³], and the rank, as far as stations and seeds determine it (95 % bootstrap "
            "interval)"
        )
        windows = [f"{int(window)} h" for window in dataset["window"].values]
        columns = [*windows, f"Rank at {windows[-1]}"]
        groups = [group_title(name) for name in words(dataset["group"].values)]
        features = [feature_label(name) for name in words(dataset["feature"].values)]
        group_of = [group_title(name) for name in words(dataset["feature_group"].values)]
        tables += [
            Table(
                f"{text}, groups of features",
                ["Group", *columns],
                [[groups[i], *cells] for i, cells in _strengths(dataset["group_shap_of_seed"], "group")],
            ),
            Table(
                f"{text}, features: within a group, what goes together is shared in a way that the data do not "
                f"determine. They add up to the movement, {style.percent(share)} of which was shared among them in "
                "proportion",
                ["Feature", "Group", *columns],
                [
                    [features[i], group_of[i], *cells]
                    for i, cells in list(_strengths(dataset["mean_absolute_shap_of_seed"], "feature"))[:most]
                ],
            ),
        ]
    return tables


def _strengths(values: xr.DataArray, item: str) -> Iterator[tuple[int, list[str]]]:
    """Items from the strongest: mean of each window and the rank in the last."""
    each = 1e3 * values.transpose("seed", "station", "window", item).values.astype("float64")
    mean, ranks = np.nanmean(each, axis=(0, 1)), rank_interval(each[:, :, -1])
    for i in np.argsort(-np.nan_to_num(mean[-1]), kind="stable"):
        yield int(i), [*(f"{value:.2f}" for value in mean[:, i]), rank_words(ranks, i)]


def frame_table(caption: str, frame: pd.DataFrame) -> Table:
    """Any tidy table, its numbers at three significant digits."""
    return Table(
        caption,
        [str(column).replace("_", " ") for column in frame.columns],
        [[_cell(value) for value in row] for row in frame.itertuples(index=False)],
    )


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "–" if not np.isfinite(value) else f"{value:.3g}"
    return str(value)
