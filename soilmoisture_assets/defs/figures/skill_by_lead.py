"""Figure: skill by lead against the simple methods. Not here: drawing (plots/skill_by_lead.py)."""

from typing import Any

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Study


@figure_asset("skill_by_lead", summary=["analysis", "skill_summary"], skill=["analysis", "skill"])
def skill_by_lead(summary: pd.DataFrame, skill: xr.Dataset, study: dg.ResourceParam[Study]) -> Any:
    """Median R² over stations per lead, every method beside the models, on test data."""
    from soilmoisture_assets.plots.skill_by_lead import skill_by_lead as draw

    return draw(summary, skill, period=f"{study.splits.test.start} to {study.splits.test.end} (test)")
