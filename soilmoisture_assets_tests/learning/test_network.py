import dataclasses

import pytest
import torch

from soilmoisture_assets.learning.network import Inputs, NetworkShape, forward, initial_parameters
from soilmoisture_assets_tests.learning.plain_network import plain_forward

SHAPE = NetworkShape(
    width=16,
    layers=2,
    heads=2,
    feed_forward=32,
    history_features=6,
    future_features=5,
    static_features=4,
    neighbours=2,
    identities=3,
    identity_width=4,
    leads=3,
    steps_per_day=1,
    reach=3,
    anchored=True,
)


def random_inputs(models: int, runs: int, starts: int, shape: NetworkShape = SHAPE) -> Inputs:
    torch.manual_seed(0)
    days = shape.context_days + starts - 1
    return Inputs(
        torch.randn(models, runs, days, shape.history_features),
        torch.randn(models, runs, starts, shape.leads, shape.future_features),
        torch.randn(models, runs, shape.static_features),
        torch.randn(models, runs, shape.neighbours, shape.static_features + 4).abs(),
        torch.randn(models, runs, shape.identity_width),
    )


def lively_parameters(models: int, shape: NetworkShape = SHAPE) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    parameters = initial_parameters(shape, models, generator)
    return {name: value + 0.3 * torch.randn(value.shape, generator=generator) for name, value in parameters.items()}


def test_a_lead_never_depends_on_later_leads():
    inputs, parameters = random_inputs(1, 2, 4), lively_parameters(1)
    before = forward(parameters, SHAPE, inputs)
    for lead in range(1, SHAPE.leads):
        changed = inputs.future.clone()
        changed[..., lead:, :] += 100
        after = forward(parameters, SHAPE, dataclasses.replace(inputs, future=changed))
        assert torch.equal(after[..., :lead, :], before[..., :lead, :])
        assert not torch.allclose(after[..., lead, :], before[..., lead, :])


def test_a_start_never_depends_on_history_after_it_nor_on_the_weather_of_other_starts():
    inputs, parameters = random_inputs(1, 2, 4), lively_parameters(1)
    before = forward(parameters, SHAPE, inputs)
    history, future = inputs.history.clone(), inputs.future.clone()
    history[:, :, SHAPE.context_days + 1 :] += 100  # days after the second start
    future[:, :, 2:] += 100
    after = forward(parameters, SHAPE, dataclasses.replace(inputs, history=history, future=future))
    assert torch.equal(after[:, :, :2], before[:, :, :2])


def test_a_start_gives_the_same_forecast_alone_and_in_a_run():
    inputs, parameters = random_inputs(1, 2, 4), lively_parameters(1)
    together = forward(parameters, SHAPE, inputs)
    for start in range(4):
        alone = dataclasses.replace(
            inputs,
            history=inputs.history[:, :, start : start + SHAPE.context_days],
            future=inputs.future[:, :, start : start + 1],
        )
        torch.testing.assert_close(forward(parameters, SHAPE, alone)[:, :, 0], together[:, :, start])


def test_some_leads_alone_give_the_same_forecast_as_among_all():
    inputs, parameters = random_inputs(1, 3, 1), lively_parameters(1)
    every = forward(parameters, SHAPE, inputs)
    for leads in (range(1), range(1, 2), range(1, 3), range(2, 3), range(3)):
        torch.testing.assert_close(
            forward(parameters, SHAPE, inputs, leads), every[..., leads.start : leads.stop, :], rtol=1e-5, atol=1e-6
        )


def test_the_order_of_the_days_matters():
    inputs, parameters = random_inputs(1, 1, 1), lively_parameters(1)
    before = forward(parameters, SHAPE, inputs)
    history = inputs.history.clone()
    history[:, :, [1, 3]] = history[:, :, [3, 1]]
    after = forward(parameters, SHAPE, dataclasses.replace(inputs, history=history))
    assert (after - before).abs().max() > 1e-3


def test_every_day_of_the_context_counts():
    inputs, parameters = random_inputs(1, 1, 1), lively_parameters(1)
    inputs.history.requires_grad_()
    forward(parameters, SHAPE, inputs)[..., 1].sum().backward()
    assert inputs.history.grad is not None
    assert (inputs.history.grad.abs().sum(-1) > 0).all()


def test_quantiles_never_cross_however_wild_the_parameters():
    quantiles = forward({k: 5 * v for k, v in lively_parameters(1).items()}, SHAPE, random_inputs(1, 8, 4))
    assert (quantiles.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("neighbours", [0, 2])
def test_many_models_at_once_equal_each_model_alone(neighbours: int):
    shape = dataclasses.replace(SHAPE, neighbours=neighbours)
    inputs, parameters = random_inputs(3, 2, 4, shape), lively_parameters(3, shape)
    together = forward(parameters, shape, inputs)
    for i in range(3):
        alone = Inputs(*(getattr(inputs, field.name)[i : i + 1] for field in dataclasses.fields(Inputs)))
        torch.testing.assert_close(
            forward({k: v[i : i + 1] for k, v in parameters.items()}, shape, alone)[0],
            together[i],
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_missing_neighbour_changes_nothing_whatever_its_statics():
    inputs, parameters = random_inputs(1, 2, 2), lively_parameters(1)
    near = inputs.neighbours.clone()
    near[:, :, 1, -1] = 0
    before = forward(parameters, SHAPE, dataclasses.replace(inputs, neighbours=near))
    other = near.clone()
    other[:, :, 1, :-1] += 50
    torch.testing.assert_close(forward(parameters, SHAPE, dataclasses.replace(inputs, neighbours=other)), before)


@pytest.mark.parametrize(
    ("models", "starts", "changed"),
    [
        (1, 1, {}),
        (1, 4, {}),
        (3, 4, {"neighbours": 0}),
        (2, 6, {"layers": 3, "leads": 6, "steps_per_day": 2, "reach": 2}),
        (1, 16, {"layers": 1, "heads": 4, "reach": 5}),
    ],
)
def test_what_is_left_out_of_the_network_changes_neither_forecasts_nor_gradients(
    models: int, starts: int, changed: dict[str, int]
):
    shape = dataclasses.replace(SHAPE, **changed)
    inputs = random_inputs(models, 2, starts, shape)
    inputs = Inputs(*(each.double() for each in vars(inputs).values()))
    found = []
    for network in (forward, plain_forward):
        parameters = {k: v.double().requires_grad_() for k, v in lively_parameters(models, shape).items()}
        quantiles = network(parameters, shape, inputs)
        torch.manual_seed(2)
        (quantiles * torch.randn_like(quantiles)).sum().backward()
        found.append((quantiles.detach(), {k: v.grad for k, v in parameters.items() if k != "identity"}))
    (quantiles, gradients), (plain_quantiles, plain_gradients) = found
    torch.testing.assert_close(quantiles, plain_quantiles, rtol=1e-6, atol=1e-7)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, plain_gradients[name], rtol=1e-5, atol=1e-6, msg=name)
