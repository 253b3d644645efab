"""Complex numbers: two parts in the graph, an axis of 2 at its borders."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.programs import meta, node, program, tensor, write
from xir.errors import UnsupportedError
from xir.frontends.load import load_model
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType


def placed(caller: Caller, *shape: int) -> Tensor:
    """A complex place of this shape."""
    parts = Tensor(Value(TensorType(DType.FLOAT32, (*shape, 2))))
    made = caller.call("aten.view_as_complex.default", [parts], {})
    assert isinstance(made, Tensor)
    return made


def test_inputs_and_outputs_have_an_axis_of_their_parts(tmp_path):
    nodes = [
        node("aten.mul.Tensor", [tensor("z"), tensor("w")], "product"),
        node("aten.abs.default", [tensor("product")], "size"),
    ]
    inputs = {"w": meta("complex64", (3,)), "z": meta("complex64", (2, 3))}
    text = program(inputs, nodes, [tensor("product"), tensor("size")], weights={"w": "w"})
    w = np.array([1j, 2, -1 + 1j], np.complex64)
    loaded = load_model(str(write(tmp_path / "m.pt2", text, {"w": w})))
    assert loaded.notes == ("input 'z' is complex: feed its parts along a last axis of 2",)
    z = np.random.default_rng(0).standard_normal((2, 3, 2)).astype(np.float32)
    made, sizes = xir.run(loaded.graph, {"z": z}).values()
    wanted = (z[..., 0] + 1j * z[..., 1]) * w
    np.testing.assert_allclose(made[..., 0] + 1j * made[..., 1], wanted, rtol=1e-6)
    np.testing.assert_allclose(sizes, np.abs(wanted), rtol=1e-6)


def test_a_view_reads_what_was_written_to_the_whole():
    caller = Caller(OPERATORS, Scope())
    z, w = placed(caller, 2, 3), placed(caller, 2, 3)
    row = caller.call("aten.select.int", [z, 0, 1], {})
    caller.call("aten.mul_.Tensor", [z, w], {})
    assert isinstance(row, Tensor)
    assert caller.scope.parts[row.value] != caller.scope.parts[z.value]
    assert row.value.shape == (3,)


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("aten.tan.default", (), "complex numbers"),
        ("aten.add.Tensor", (1, 2j), "a sum with a complex"),
        ("aten._to_copy.default", ("dtype", DType.FLOAT32), "cast to real numbers"),
    ],
)
def test_what_is_not_for_complex_numbers_is_refused(kind, more, told):
    caller = Caller(OPERATORS, Scope())
    named = {"dtype": more[1]} if "dtype" in more else {"alpha": 2j} if more else {}
    items = [placed(caller, 2), *([1] if more and "dtype" not in more else [])]
    with pytest.raises(UnsupportedError, match=told):
        caller.call(kind, items, named)


def test_real_and_complex_tensors_do_not_go_together_in_one():
    caller = Caller(OPERATORS, Scope())
    real = Tensor(Value(TensorType(DType.FLOAT32, (2,))))
    with pytest.raises(UnsupportedError, match="real and complex"):
        caller.call("aten.cat.default", [[placed(caller, 2), real]], {})


def test_writes_through_views_and_of_other_shapes_are_refused():
    caller = Caller(OPERATORS, Scope())
    z = placed(caller, 2, 3)
    with pytest.raises(UnsupportedError, match="a write of c64"):
        caller.call("aten.mul_.Scalar", [caller.call("aten.select.int", [z, 0, 1], {}), 2.0], {})
    with pytest.raises(UnsupportedError, match="writes c64"):
        caller.call("aten.add_.Tensor", [Tensor(Value(TensorType(DType.FLOAT32, (2, 3)))), z], {})


def test_a_tensor_that_only_the_run_knows_has_no_parts():
    caller = Caller(OPERATORS, Scope())
    weight = Value(TensorType(DType.COMPLEX64, (2,)))
    with pytest.raises(UnsupportedError, match="computed in the run"):
        caller.call("aten.abs.default", [Tensor(weight)], {})
    caller.scope.constants[weight] = constant_of(np.array([3 + 4j, 0], np.complex64))
    made = caller.call("aten.real.default", [Tensor(weight)], {})
    assert isinstance(made, Tensor)
    assert made.value.dtype is DType.FLOAT32
