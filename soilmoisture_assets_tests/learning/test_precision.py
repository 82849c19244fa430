"""Products of matrices within ``fast_float32``: float32, wherever they are made."""

import pytest
import torch

from soilmoisture_assets.learning.precision import fast_float32

FLOAT32_ROUNDING = 2.0**-24


@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 64, 3), (48, 64, 64), (3072, 64, 128), (64, 3072, 64)])
def test_fast_products_are_rounded_as_float32_is(rows: int, inner: int, columns: int):
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(rows, inner, generator=generator), torch.randn(inner, columns, generator=generator)
    exact = left.double() @ right.double()
    with fast_float32():
        found = left @ right
    bound = inner * FLOAT32_ROUNDING * (left.double().abs() @ right.double().abs())  # bfloat16 rounds by 2**-9
    assert ((found - exact).abs() <= bound).all()


def test_how_others_multiply_is_as_before_it_whatever_happens_within():
    setting = torch.backends.mkldnn.matmul
    before = setting.fp32_precision
    with pytest.raises(ArithmeticError), fast_float32():
        raise ArithmeticError
    assert setting.fp32_precision == before
