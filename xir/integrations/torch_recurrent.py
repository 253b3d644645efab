"""Recurrent layers that are trained, each as one loop over the steps of a sequence.

torch writes the layer anew for each step (torch/_decomp/decompositions.py, `_rnn_helper`), so that the graph of a
long sequence has thousands of calls. `torch.ops.higher_order.scan` is a loop with gradients
(torch/_higher_order_ops/scan.py), which AOTAutograd keeps as one call in the graph forwards and one in that backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

from xir.frontends.torch.live.objects import FxModule, torch_module
from xir.integrations.torch_rules import Elements

_States = tuple[Elements, ...]
_Step = Callable[[_States, Elements, Elements], _States]
"""Takes the states [N, H] and products of an input and of the state h with weights, [N, gates * H]; returns new states.

The state h is the first one."""


def _lstm_step(states: _States, from_input: Elements, from_state: Elements) -> _States:
    i, f, g, o = (from_input + from_state).chunk(4, 1)
    c = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_step(states: _States, from_input: Elements, from_state: Elements) -> _States:
    parts = zip(from_input.chunk(3, 1), from_state.chunk(3, 1), strict=True)
    (input_r, state_r), (input_z, state_z), (input_n, state_n) = parts
    n = (input_n + (input_r + state_r).sigmoid() * state_n).tanh()
    return (n + (input_z + state_z).sigmoid() * (states[0] - n),)


def _tanh_step(_: _States, from_input: Elements, from_state: Elements) -> _States:
    return ((from_input + from_state).tanh(),)


def _relu_step(_: _States, from_input: Elements, from_state: Elements) -> _States:
    return ((from_input + from_state).relu(),)


STEPS: dict[str, _Step] = {"lstm": _lstm_step, "gru": _gru_step, "rnn_tanh": _tanh_step, "rnn_relu": _relu_step}
"""{function of torch: one of its steps}, after aten/src/ATen/native/RNN.cpp."""


class _Call(Protocol):
    """A call of a graph that may become another one."""

    target: object
    args: tuple[object, ...]


def use_loops(module: FxModule) -> None:
    """Lets recurrent layers of a graph of TorchDynamo be loops where gradients flow through them.

    Packed sequences (`lstm.data`, which has weights as its fourth argument) stay as they are.
    """
    torch = torch_module()
    known = {getattr(torch, name): name for name in STEPS}
    found = False
    for node in module.graph.nodes:
        call = cast("_Call", node)
        if node.op == "call_function" and call.target in known and isinstance(call.args[3], bool):
            call.target, found = partial(recurrent, known[call.target]), True
    if found:
        module.recompile()


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer in one direction.

    Attributes:
        step: one of its steps.
        weights: of the input [gates * H, I] and of the state [gates * H, H], then a bias [gates * H] of each or none.
        is_reversed: whether it begins with the last step.
    """

    step: _Step
    weights: Sequence[Elements]
    is_reversed: bool

    def __call__(self, x: Elements, states: _States) -> tuple[Elements, _States]:
        """The outputs [T, N, H] of all steps, and the last states, for the inputs [T, N, I] and the first states."""
        torch = torch_module()
        x = x.flip(0) if self.is_reversed else x
        w, r, *biases = self.weights
        if self.step is not _gru_step:  # the others add both products, so that both biases may join the first one
            biases = [sum(biases[1:], biases[0])] if biases else []
        from_input = torch.nn.functional.linear(x, w, *biases[:1])
        of_state = [r.mT.contiguous(), *biases[1:]]
        count = len(states)

        def step(*given: Elements) -> list[Elements]:
            h, (weights, *bias) = given[0], given[count + 1 :]
            made = self.step(given[:count], given[count], sum(bias, h @ weights))
            return [*made, made[0].clone()]  # an output must not share memory with a state

        *last, y = torch.ops.higher_order.scan(step, [*states], [from_input], of_state)
        return cast("Elements", y.flip(0) if self.is_reversed else y), tuple(last)


def recurrent(
    name: str,
    x: Elements,
    states: Elements | Sequence[Elements],
    weights: Sequence[Elements],
    has_biases: bool,
    count: int,
    dropout: float,
    is_training: bool,
    is_bidirectional: bool,
    is_batch_first: bool,
) -> tuple[Elements, ...]:
    """What the function of torch of this name computes: the outputs of the last layer, the last states of all.

    Where no gradients flow, and where states are projected (`proj_size`), torch's function itself is called.
    """
    torch = torch_module()
    ways, each = 1 + is_bidirectional, 4 if has_biases else 2
    firsts = cast("_States", (states,) if name != "lstm" else tuple(cast("Sequence[Elements]", states)))
    flows = torch.is_grad_enabled() and any(one.requires_grad for one in (x, *firsts, *weights))
    if not flows or len(weights) != count * ways * each:
        rest = (has_biases, count, dropout, is_training, is_bidirectional, is_batch_first)
        return cast("tuple[Elements, ...]", getattr(torch, name)(x, states, weights, *rest))
    y = x.transpose(0, 1) if is_batch_first else x
    lasts: list[_States] = []
    for layer in range(count):
        if layer and dropout and is_training:
            y = cast("Elements", torch.dropout(y, dropout, True))
        outputs: list[Elements] = []
        for number in range(layer * ways, layer * ways + ways):
            one = _Layer(STEPS[name], weights[number * each : (number + 1) * each], number % ways == 1)
            made, last = one(y, tuple(state[number] for state in firsts))
            outputs.append(made)
            lasts.append(last)
        y = cast("Elements", torch.cat(outputs, 2))
    stacked = (cast("Elements", torch.stack(each)) for each in zip(*lasts, strict=True))
    return y.transpose(0, 1) if is_batch_first else y, *stacked
