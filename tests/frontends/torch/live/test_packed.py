"""Packed sequences in a run that is followed; without torch, see standin.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import xir
from tests.frontends.torch.live import standin
from tests.frontends.torch.live.standin import MODES, Module, Operator, Tag, Tensor, ask, call
from xir.errors import UnsupportedError

Rule = Callable[..., object]
X = np.random.default_rng(3).standard_normal((2, 3, 4)).astype(np.float32)
EYE = np.eye(4, dtype=np.float32)
SELECT = Operator("aten.select.int", lambda x, axis, at: Tensor(x.array[at : at + 1].reshape(())))
READ = Operator("aten._local_scalar_dense.default", lambda x: int(x.array), (Tag.data_dependent_output,))
ADD = Operator("aten.add.Tensor", lambda x, y: Tensor(x.array + y.array))


def _pack_padded_sequence(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    counts = [int((lengths.array > step).sum()) for step in range(lengths.array.max())]
    rows = np.concatenate([x.array[:count, step] for step, count in enumerate(counts)])
    return Tensor(rows), Tensor(np.array(counts, np.int64))


def rnn_relu(x: Tensor, counts: Tensor, state: Tensor, weights: list[Tensor], *rest: object) -> tuple[Tensor, Tensor]:
    call(ADD, x, x)  # its steps are no calls of the run
    return Tensor(np.maximum(x.array, 0)), Tensor(state.array.copy())


def _pad_packed_sequence(
    x: Tensor, counts: Tensor, batch_first: bool, fill: float, total: int
) -> tuple[Tensor, Tensor]:
    count = int(counts.array[0])
    return Tensor(np.full((count, total, x.shape[1]), fill, x.array.dtype)), Tensor(np.zeros(count, np.int64))


def asked_by_torch(counts: Tensor) -> int:
    """The number of steps, as torch/nn/utils/rnn.py asks for it."""
    place: dict[str, Rule] = {"__name__": "torch.nn.utils.rnn"}  # type: ignore[dict-item]  # the module's own name
    exec("def asked(mode, func, *items):\n    return mode.__torch_function__(func, (), items)", place)
    mode = next(each for each in MODES if hasattr(each, "__torch_function__"))
    return place["asked"](mode, Tensor.size, counts, 0)


def numel(input: Tensor) -> int:
    return input.array.size


class Shape:
    """The property `shape`, whose function is `__get__` as a method of it."""

    __name__ = "shape"

    def __get__(self, tensor: object, kind: object = None) -> object:
        """See torch."""
        return X.shape


class Net(Module):
    """A module whose run is followed."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def forward(self, x: Tensor, lengths: Tensor) -> object:
        return self.rule(x, lengths)


def loaded(rule: Rule, lengths: list[int]) -> Callable[..., list[np.ndarray]]:
    given = Tensor(X), Tensor(np.array(lengths, np.int64))
    with pytest.warns(UserWarning, match="one run of the module"):
        graph = xir.load(Net(rule), example_inputs=given)
    return lambda *feeds: [*xir.run(graph, dict(zip(graph.input_names, feeds, strict=True))).values()]


@pytest.mark.parametrize("to_longest", [False, True])
@pytest.mark.parametrize("lengths", [[3, 1], [2, 1]])
def test_they_are_kept_whole(monkeypatch: pytest.MonkeyPatch, to_longest: bool, lengths: list[int]) -> None:
    def rule(x: Tensor, lengths: Tensor) -> object:
        data, counts = ask(_pack_padded_sequence, x, lengths, True)
        assert call(READ, call(SELECT, counts, 0, 0)) == 2
        assert ask(Tensor.size, data, -1) == 4
        rest = Tensor(np.zeros((1, 2, 4), np.float32)), [Tensor(EYE), Tensor(EYE * 0)], False, 1, 0.0, False, False
        made, last = ask(rnn_relu, data, counts, *rest)
        longest = asked_by_torch(counts)
        padded, told = ask(_pad_packed_sequence, made, counts, True, 7.0, longest if to_longest else 3)
        return padded, told, last, counts, made

    standin.install(monkeypatch)
    run = loaded(rule, lengths)
    for given in ([3, 2], [2, 2], [1, 1]):
        padded, told, last, counts, made = run(X, np.array(given))
        wanted = np.where((np.arange(3) < np.array(given)[:, None])[:, :, None], np.maximum(X, 0), np.float32(7))
        np.testing.assert_array_equal(padded, wanted[:, : max(given)] if to_longest else wanted)
        np.testing.assert_array_equal(last[0], [wanted[row, length - 1] for row, length in enumerate(given)])
        np.testing.assert_array_equal(made, np.concatenate([wanted[:count, t] for t, count in enumerate(counts)]))
        assert (told.tolist(), counts.tolist()) == (given, [sum(n > t for n in given) for t in range(max(given))])


@pytest.mark.parametrize(
    "asks",
    [
        lambda data, counts: call(READ, call(SELECT, counts, 0, 1)),
        lambda data, counts: ask(Tensor.size, counts, 0),
        lambda data, counts: ask(Tensor.size, data, -2),
        lambda data, counts: ask(Tensor.size, call(ADD, counts, counts), 0),
        lambda data, counts: asked_by_torch(data),
        lambda data, counts: ask(Shape().__get__, data),
        lambda data, counts: ask(numel, input=counts),
    ],
)
def test_their_sizes_come_into_no_code_of_the_model(monkeypatch: pytest.MonkeyPatch, asks: Rule) -> None:
    standin.install(monkeypatch)
    given = Tensor(X), Tensor(np.array([3, 1]))
    with pytest.raises(UnsupportedError, match="becomes a number of Python"):
        xir.load(Net(lambda x, n: asks(*ask(_pack_padded_sequence, x, n, True))), example_inputs=given)
