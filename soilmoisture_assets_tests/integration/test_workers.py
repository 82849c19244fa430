"""Runs whose steps work side by side."""

import itertools

import dagster as dg

from soilmoisture_assets_tests.integration.conftest import Workplace


def spans_of(finished: Workplace) -> dict[str, list[tuple[float, float, str]]]:
    """Begin, end and name of the steps of each run, in order."""
    with dg.DagsterInstance.from_config(str(finished.data / "dagster_home")) as instance:
        runs = [record.dagster_run.run_id for record in instance.get_run_records()]
        steps = {run: [each for each in instance.get_run_step_stats(run) if each.start_time] for run in runs}
    return {run: sorted((each.start_time, each.end_time, each.step_key) for each in own) for run, own in steps.items()}


def test_steps_that_need_nothing_of_each_other_overlap(finished: Workplace):
    every = sorted(span for own in spans_of(finished).values() for span in own)
    together = [(first[2], second[2]) for first, second in itertools.pairwise(every) if second[0] < first[1]]
    named = {step for pair in together for step in pair}
    assert {"small__models__regional_model_drivers", "small__models__regional_model_forecast"} <= named, together
    assert len(together) > 20


def test_runs_that_need_nothing_of_each_other_overlap_and_share_the_workers(finished: Workplace):
    spans = spans_of(finished)
    run_of = {step: run for run, own in spans.items() for _, _, step in own}
    every = sorted(span for own in spans.values() for span in own)
    together = [(first, second) for first, second in itertools.combinations(every, 2) if second[0] < first[1]]
    apart = {(first[2], second[2]) for first, second in together if run_of[first[2]] != run_of[second[2]]}
    assert any({"small__era5_months", "small__raw__ismn__archive"} == set(pair) for pair in apart), apart
    most = max(sum(begin <= at < end for begin, end, _ in every) for at, _, _ in every)
    assert most <= int(finished.environment["SOILMOISTURE_WORKERS"])
