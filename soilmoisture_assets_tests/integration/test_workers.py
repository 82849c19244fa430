"""Runs whose steps work side by side."""

import itertools

import dagster as dg

from soilmoisture_assets_tests.integration.conftest import Workplace


def test_steps_that_need_nothing_of_each_other_overlap(finished: Workplace):
    with dg.DagsterInstance.from_config(str(finished.data / "dagster_home")) as instance:
        runs = [record.dagster_run.run_id for record in instance.get_run_records()]
        steps = {run: [each for each in instance.get_run_step_stats(run) if each.start_time] for run in runs}
    spans = [sorted((each.start_time, each.end_time, each.step_key) for each in own) for own in steps.values()]
    together = [
        (first[2], second[2]) for own in spans for first, second in itertools.pairwise(own) if second[0] < first[1]
    ]
    named = {step for pair in together for step in pair}
    assert {"small__models__regional_model_drivers", "small__models__regional_model_forecast"} & named, together
    assert len(together) > 20
