"""All cases, by family."""

from __future__ import annotations

from itertools import chain

from tests.frontends.tflite.cases import (
    elementwise,
    flow,
    images,
    late,
    layers,
    moving,
    quantized,
    rare,
    recurrent_integer,
    recurrent_steps,
    stablehlo,
)
from tests.frontends.tflite.models import Case


def cases() -> tuple[Case, ...]:
    """Every case; raises ValueError where two have one name."""
    found = tuple(
        chain(
            elementwise.CASES,
            flow.CASES,
            late.CASES,
            layers.CASES,
            images.CASES,
            moving.CASES,
            quantized.CASES,
            rare.CASES,
            recurrent_integer.CASES,
            recurrent_steps.CASES,
            stablehlo.CASES,
        )
    )
    names = [case.name for case in found]
    if len(set(names)) != len(names):
        raise ValueError(f"names that stand twice: {sorted({name for name in names if names.count(name) > 1})}")
    return found
