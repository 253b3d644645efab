"""Packed and nested sequences: each is what it is alone."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch._shown import shown
from xir.frontends.torch.call import Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.tensor import Tensor
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IN, HIDDEN, STEPS = 3, 4, 6
LENGTHS = np.array([6, 4, 1])
LAYER = ((12, 4), (12,), (4, 4), (4,), (4,), (4,), (4,), (4,), (6, 4), (6,), (4, 6), (4,))
"""The weights of a layer of 4 features, and 6 between its linear ones."""
RANDOM = np.random.default_rng(5).standard_normal


def place(*shape: Dim, dtype: DType = DType.FLOAT64) -> Tensor:
    return Tensor(Value(TensorType(dtype, shape)))


def made(inputs: list[Tensor], outputs: list[Tensor], fed: list[Array]) -> list[Array]:
    graph = Graph("ragged", tuple(each.value for each in inputs), tuple(each.value for each in outputs))
    return [*xir.run(graph, dict(zip(graph.input_names, fed, strict=True))).values()]


def weights(gates: int, ways: int) -> list[Array]:
    shapes = [(gates * HIDDEN, IN), (gates * HIDDEN, HIDDEN), (gates * HIDDEN,), (gates * HIDDEN,)]
    return [RANDOM(shape) for _ in range(ways) for shape in shapes]


@pytest.mark.parametrize(("name", "gates"), [("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_packed_sequences_are_what_they_are_alone(name: str, gates: int, symbolic: bool):
    caller, ways, batch_first = Caller(OPERATORS, Scope()), 1 if gates == 3 else 2, not symbolic
    n, t = (Symbol("n", minimum=1), Symbol("t", minimum=1)) if symbolic else (len(LENGTHS), STEPS)
    x, lengths = place(n, t, IN) if batch_first else place(t, n, IN), place(n, dtype=DType.INT64)
    states = [place(ways, n, HIDDEN) for _ in range(2 if gates == 4 else 1)]
    given = weights(gates, ways)
    held = [place(*array.shape) for array in given]
    data, counts = caller.call("aten._pack_padded_sequence.default", [x, lengths, batch_first], {})
    rest = [True, 1, 0.0, False, ways == 2]
    hx = states if gates == 4 else states[0]
    y, *last = caller.call(f"aten.{name}.data", [data, counts, hx, held, *rest], {})
    padded, told = caller.call("aten._pad_packed_sequence.default", [y, counts, batch_first, 9.0, t], {})
    fed = [RANDOM((len(LENGTHS), STEPS, IN)), RANDOM((ways, len(LENGTHS), HIDDEN))]
    first = fed[0] if batch_first else fed[0].swapaxes(0, 1)
    arrays = [first, LENGTHS, *[fed[1]] * len(states), *given]
    results = made([x, lengths, *states, *held], [padded, counts, told, *last], arrays)
    rows = results[0] if batch_first else results[0].swapaxes(0, 1)
    assert caller.call("aten.dim.default", [data], {}) == 2
    assert results[1].tolist() == [3, 2, 2, 2, 1, 1]
    assert results[2].tolist() == LENGTHS.tolist()
    for row, length in enumerate(LENGTHS.tolist()):
        one, state = place(1, length, IN), [place(ways, 1, HIDDEN) for _ in states]
        alone = caller.call(f"aten.{name}.input", [one, state if gates == 4 else state[0], held, *rest, True], {})
        own = [fed[0][row : row + 1, :length], *[fed[1][:, row : row + 1]] * len(states), *given]
        wanted = made([one, *state, *held], list(alone), own)
        np.testing.assert_allclose(rows[row, :length], wanted[0][0], rtol=1e-12)
        assert (rows[row, length:] == 9).all()
        for each, end in zip(results[3:], wanted[1:], strict=True):
            np.testing.assert_allclose(each[:, row], end[:, 0], rtol=1e-12)


def test_nested_sequences_attend_to_their_own_places_alone():
    caller, width = Caller(OPERATORS, Scope()), 4
    given = [RANDOM(shape) for shape in LAYER]
    held = [place(*array.shape) for array in given]
    x, kept = place(3, STEPS, width), place(3, STEPS, dtype=DType.BOOL)

    def layer(value: Tensor, norm_first: bool) -> Tensor:
        settings = [False, norm_first, 1e-5]
        made = caller.call(
            "aten._transformer_encoder_layer_fwd.default", [value, 4, 2, *held[:4], *settings, *held[4:]], {}
        )
        assert isinstance(made, Tensor)
        return made

    nested = caller.call("aten._nested_tensor_from_mask.default", [x, kept, False], {})
    two = layer(layer(nested, True), False)
    padded = caller.call("aten.to_padded_tensor.default", [two, 7.0, [3, STEPS, width]], {})
    mask = np.arange(STEPS) < LENGTHS[:, None]
    data = RANDOM((3, STEPS, width))
    (result,) = made([x, kept, *held], [padded], [data, mask, *given])
    for row, length in enumerate(LENGTHS.tolist()):
        one = place(1, length, width)
        (wanted,) = made([one, *held], [layer(layer(one, True), False)], [data[row : row + 1, :length], *given])
        np.testing.assert_allclose(result[row, :length], wanted[0], rtol=1e-10)
        assert (result[row, length:] == 7).all()


def test_where_a_mask_has_gaps_nothing_is_nested():
    """torch.nn.TransformerEncoder pads then: places that are left out have elements, which nobody attends to."""
    caller, width = Caller(OPERATORS, Scope()), 4
    given = [
        RANDOM(shape) for shape in ((12, 4), (12,), (4, 4), (4,), (4,), (4,), (4,), (4,), (6, 4), (6,), (4, 6), (4,))
    ]
    held = [place(*array.shape) for array in given]
    x, kept = place(2, STEPS, width), place(2, STEPS, dtype=DType.BOOL)

    def layer(value: Tensor, *mask: object) -> Tensor:
        items = [value, 4, 2, *held[:4], False, True, 1e-5, *held[4:], *mask]
        made = caller.call("aten._transformer_encoder_layer_fwd.default", items, {})
        assert isinstance(made, Tensor)
        return made

    assert caller.call("aten._nested_tensor_from_mask_left_aligned.default", [x, kept], {}) is True
    nested = caller.call("aten._nested_tensor_from_mask.default", [x, kept, False], {})
    assert caller.call("aten.dim.default", [nested], {}) == 3
    padded = caller.call("aten.to_padded_tensor.default", [layer(nested), 7.0, [2, STEPS, width]], {})
    plain = layer(x, caller.call("aten.logical_not.default", [kept], {}), 1)
    data, mask = RANDOM((2, STEPS, width)), np.arange(STEPS) < np.array([[6], [4]])
    for gap in (False, True):
        mask[0, 2] = not gap
        result, wanted = made([x, kept, *held], [padded, plain], [data, mask, *given])
        np.testing.assert_allclose(result[mask], wanted[mask], rtol=1e-10)
        np.testing.assert_allclose(result[~mask], wanted[~mask] if gap else 7.0, rtol=1e-10)


def test_only_operators_that_know_the_lengths_take_such_tensors():
    caller, x, lengths = Caller(OPERATORS, Scope()), place(3, STEPS, IN), place(3, dtype=DType.INT64)
    data, counts = caller.call("aten._pack_padded_sequence.default", [x, lengths, True], {})
    nested = caller.call("aten._nested_tensor_from_mask.default", [x, place(3, STEPS, dtype=DType.BOOL)], {})
    for name, arguments, told in (
        ("mul.Tensor", [data, 2], "several lengths"),
        ("cat.default", [[nested]], "several lengths"),
        ("_pad_packed_sequence.default", [x, counts, True, 0.0, -1], "from outside"),
        ("_pad_packed_sequence.default", [data, counts, True, 0.0, 9], "total length"),
        ("to_padded_tensor.default", [x, 0.0], "from outside"),
        ("to_padded_tensor.default", [nested, 0.0], "another size"),
    ):
        with pytest.raises(UnsupportedError, match=told):
            caller.call(f"aten.{name}", arguments, {})
    for name, arguments in (
        ("_pack_padded_sequence.default", [lengths, lengths, True]),
        ("_nested_tensor_from_mask.default", [x, lengths]),
    ):
        with pytest.raises(InvalidModelError, match="sequences"):
            caller.call(f"aten.{name}", arguments, {})


def test_what_leaves_a_graph():
    caller, x, lengths = Caller(OPERATORS, Scope()), place(3, STEPS, IN), place(3, dtype=DType.INT64)
    data, _ = caller.call("aten._pack_padded_sequence.default", [x, lengths, True], {})
    given, scope = RANDOM((3, STEPS, IN)), caller.scope
    rows, plain = made([x, lengths], [Tensor(shown(scope, each.value)) for each in (data, x)], [given, LENGTHS])
    kept = np.arange(STEPS)[:, None] < LENGTHS
    np.testing.assert_array_equal(rows, given.swapaxes(0, 1)[kept])
    np.testing.assert_array_equal(plain, given)
    nested = caller.call("aten._nested_tensor_from_mask.default", [x, place(3, STEPS, dtype=DType.BOOL)], {})
    with pytest.raises(UnsupportedError, match="a nested tensor that leaves the graph"):
        shown(scope, nested.value)


def test_padded_to_the_longest():
    caller, x, lengths = Caller(OPERATORS, Scope()), place(3, STEPS, IN), place(3, dtype=DType.INT64)
    data, counts = caller.call("aten._pack_padded_sequence.default", [x, lengths, True], {})
    padded, _ = caller.call("aten._pad_packed_sequence.default", [data, counts, True, 0.0, -1], {})
    given = RANDOM((3, STEPS, IN))
    (result,) = made([x, lengths], [padded], [given, LENGTHS - 1])
    assert result.shape == (3, STEPS - 1, IN)
    np.testing.assert_array_equal(result[0], given[0, : STEPS - 1])
