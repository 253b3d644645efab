"""Numbers that come at run time: they have one element, or the operator refuses them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fuzz.sample import one_application
from tests.ops.cases import Case, all_cases
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.types import TensorType, dtype_from_numpy
from xir.reference import run

NUMBERS = {
    "adagrad_step": (0, 1),
    "adam_step": (0, 1),
    "dft": (1, 2),
    "dropout": (1, 2),
    "cumprod": (1,),
    "cumsum": (1,),
    "mel_weight_matrix": (0, 1, 2, 3, 4),
    "momentum_step": (0, 1),
    "non_max_suppression": (2, 3, 4),
    "one_hot": (1,),
    "pad": (2,),
    "range": (0, 1, 2),
    "stft": (2, 3),
    "top_k": (1,),
    "trilu": (1,),
}
"""{operator: which of its operands are numbers}."""


def example(name: str, place: int) -> Case:
    """The first example of the operator that has such an operand."""
    found = (each for each in CASES if each.op.name == name and len(each.inputs) > place)
    return next(each for each in found if each.inputs[place] is not None)


CASES = [each for each in all_cases() if each.op.name in NUMBERS]
EXAMPLES = [(name, place) for name, places in NUMBERS.items() for place in places]


def of_any_size(case: Case, place: int, count: int) -> object:
    """The example on a number of an unknown number of elements, of which there are `count`."""
    arrays = [None if each is None else np.asarray(each) for each in case.inputs]
    types = [None if each is None else TensorType(dtype_from_numpy(each.dtype), each.shape) for each in arrays]
    number = arrays[place]
    assert number is not None
    types[place] = TensorType(dtype_from_numpy(number.dtype), (Symbol("k"),))
    arrays[place] = np.repeat(number.reshape(-1), count)
    graph, names = one_application(case.op, types, case.attributes)
    graph = replace(graph, constraints=())  # what the data tells only is not checked at the entry
    return run(graph, {name: array for name, array in zip(names, arrays, strict=True) if name and array is not None})


@pytest.mark.parametrize(("name", "place"), EXAMPLES)
def test_one_element_is_a_number_and_three_are_none(name: str, place: int) -> None:
    case = example(name, place)
    assert of_any_size(case, place, 1) is not None
    with pytest.raises(InvalidModelError, match="one element"):
        of_any_size(case, place, 3)
