"""A model's twin with random weights: what is verified where the model's own weights would show nothing.

A net whose weights Caffe's default filler makes up is all zeros: each output is one number whatever the layers do, so
that agreeing on it proves nothing. The twin has the same structure, and numbers in the place of these constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xir.ir.constant import Array, Constant, constant_of
from xir.ir.graph import Graph, Parameter
from xir.limits import GIBI

MAX_TWIN_BYTES = GIBI
"""Bytes of random weights that a twin may hold; they are held in memory."""

_PIECE = 1 << 16
"""Elements that are looked at at a time."""


def twin_of(graph: Graph, made_up: Sequence[str], *, seed: int = 0, always: bool = False) -> Graph | None:
    """The graph with random numbers instead of the made-up weights that are one number throughout.

    Weights of two axes and more are normal with the deviation `sqrt(2 / fan in)`, which keeps the numbers of a deep net
    near one (He et al. 2015); vectors, among them variances, are even in [0.5, 1.5).

    Args:
        graph: the model.
        made_up: names of its weights that no file gave.
        seed: the seed of the numbers.
        always: makes a twin also where only vectors, such as biases, are one number.

    Returns:
        The twin; None where the made-up weights hold numbers of their own, or where the twin would be too large.
    """
    names = set(made_up)
    dull = [
        parameter
        for parameter in graph.parameters
        if graph.names.get(parameter.value) in names and parameter.constant.dtype.is_floating
        if _is_one_number(parameter.constant)
    ]
    size = sum(parameter.constant.elements * 4 for parameter in dull)
    decisive = always or any(len(parameter.constant.shape) > 1 for parameter in dull)
    if not dull or not decisive or size > MAX_TWIN_BYTES:
        return None
    generator = np.random.default_rng(seed)
    drawn = {parameter.value: _drawn(parameter, generator) for parameter in dull}
    return replace(graph, parameters=tuple(drawn.get(parameter.value, parameter) for parameter in graph.parameters))


def _is_one_number(constant: Constant) -> bool:
    flat = constant.array().reshape(-1)
    return all(
        np.array_equal(piece, np.broadcast_to(flat[:1], piece.shape), equal_nan=True)
        for piece in (flat[start : start + _PIECE] for start in range(0, flat.size, _PIECE))
    )


def _drawn(parameter: Parameter, generator: np.random.Generator) -> Parameter:
    shape = parameter.constant.shape
    numbers: Array
    if len(shape) > 1:
        fan_in = max(math.prod(shape[1:]), 1)
        numbers = generator.standard_normal(shape, dtype=np.float32) * np.float32(math.sqrt(2 / fan_in))
    else:
        numbers = generator.random(shape, dtype=np.float32) + np.float32(0.5)
    return replace(parameter, constant=constant_of(numbers.astype(parameter.constant.dtype.dtype)))
