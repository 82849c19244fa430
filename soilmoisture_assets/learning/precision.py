"""Precision: with what instructions matrices are multiplied, in how many bits.

Belongs here: what depends on the processor or GPU. Not here: the network (network.py), its training (program.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

BFLOAT16_WIDTH = 128
"""Networks at least this wide are trained in bfloat16 by processors that can; narrower ones gain nothing."""


@contextmanager
def fast_float32() -> Iterator[None]:
    """Within it, float32 matrices are multiplied by oneDNN where that is faster and as precise; also a decorator.

    PyTorch leaves them to MKL, which uses AVX2 on processors of AMD, where oneDNN uses AVX-512 and takes half the time.
    PyTorch gives them to oneDNN only if it may round to bfloat16, which oneDNN does with AMX alone: where there is AMX
    MKL stays.
    Source: torch.backends.mkldnn.matmul.fp32_precision, https://docs.pytorch.org/docs/stable/notes/mkldnn.html.
    """
    able = torch.cpu.get_capabilities()
    setting = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # set at import of torch
    before = setting.fp32_precision
    if "AMD" in str(able.get("cpu_name")) and able.get("avx512_f") and not able.get("amx_bf16"):
        setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before


def training_precision(device: torch.device, width: int) -> torch.autocast:
    """Context in which training multiplies matrices: bfloat16 on GPUs, and for wide networks on processors that have
    instructions for it, else float32. Parameters, the optimiser and the loss stay in float32."""
    able = torch.cpu.get_capabilities()
    in_bfloat16 = device.type == "cuda" or (
        width >= BFLOAT16_WIDTH and bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    )
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16)
