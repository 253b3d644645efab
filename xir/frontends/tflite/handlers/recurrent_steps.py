"""LSTMs of real numbers that no one operator of ours says, as a scan over their steps.

Facts: `LstmStepFloat` and what it calls (tensorflow/lite/kernels/lstm_eval.cc), `MeanStddevNormalization`
(kernels/internal/reference/portable_tensor_utils.cc).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends._operands import product_of
from xir.frontends.tflite.site import Operand, Site, activated
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.activation import sigmoid
from xir.ops.control import scan
from xir.ops.matmul import gemm
from xir.ops.norm import layer_norm
from xir.ops.shape import broadcast, reshape

_EPSILON = 1e-8
"""What layer normalisation adds to the variance (kNormalizationConstant)."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One direction of an LSTM as the file gives it, four parts in the order input, forget, cell, output.

    Attributes:
        weights: [H, I]; the first is left out where the input gate is 1 less the forget gate.
        recurrent: [H, O], or [H] for the diagonal of a matrix.
        peepholes: [H] of the input, forget and output gate.
        biases: [H].
        projection: the weights [O, H] and the bias [O].
        norms: coefficients of layer normalisation, [H].
        second: another input [T, N, J] with its weights [H, J].
        turned: whether the last step comes first.
    """

    weights: Sequence[Operand]
    recurrent: Sequence[Operand]
    peepholes: Sequence[Operand]
    biases: Sequence[Operand]
    projection: Sequence[Operand]
    norms: Sequence[Operand]
    second: tuple[Value, Sequence[Operand]] | None
    turned: bool

    def is_plain(self) -> bool:
        """Whether it has none of what ONNX's LSTM lacks too."""
        held = (*self.projection, *self.norms, *(each for each in self.recurrent if each is not None and each.rank < 2))
        return self.second is None and all(each is None for each in held)


def layer_of(
    parts: Sequence[Operand],
    *,
    norms: Sequence[Operand] = (),
    second: tuple[Value, Sequence[Operand]] | None = None,
    turned: bool = False,
) -> Layer:
    """A direction by its 17 operands in the order of the file; see `Layer`."""
    return Layer(parts[:4], parts[4:8], parts[8:11], parts[11:15], parts[15:17], norms, second, turned)


@dataclass(frozen=True, slots=True, eq=False)
class _Gate:
    """One gate: what the inputs add at each step, [T, N, H], and what it does with the states."""

    entered: Value
    recurrent: Value
    peephole: Operand
    norm: Operand
    bias: Operand


def _product(x: Value, w: Value) -> Value:
    """Rows [..., I] times w [H, I]: [..., H]; a vector w stands for a diagonal matrix."""
    if w.rank == 1:
        return elementwise.mul(x, broadcast(w, shape=x.shape))
    rows = reshape(x, shape=(product_of(x.shape[:-1]), x.shape[-1]))
    made = gemm(rows, w, None, alpha=1.0, beta=0.0, transpose_a=False, transpose_b=True)
    return reshape(made, shape=(*x.shape[:-1], w.shape[0]))


def _plus(x: Value, bias: Operand) -> Value:
    return x if bias is None else elementwise.add(x, broadcast(bias, shape=x.shape))


def _gate(site: Site, steps: Value, layer: Layer, number: int) -> _Gate:
    w, r, bias = layer.weights[number], layer.recurrent[number], layer.biases[number]
    if w is None or r is None or bias is None:
        site.invalid("a part of a gate is left out that must be there")
    entered = _product(steps, w)
    if layer.second is not None:
        other, weights = layer.second
        weight = weights[number]
        if weight is None:
            site.invalid("a weight of the auxiliary input is left out that must be there")
        entered = elementwise.add(entered, _product(other, weight))
    is_normal = any(each is not None for each in layer.norms)
    norm = layer.norms[number] if is_normal else None
    if is_normal and norm is None:
        site.invalid("coefficients of layer normalisation are left out that must be there")
    has_peepholes = number != 2 and any(each is not None for each in layer.peepholes)
    peephole = layer.peepholes[min(number, 2)] if has_peepholes else None
    if has_peepholes and peephole is None:
        site.invalid("a peephole is left out that must be there")
    return _Gate(entered if is_normal else _plus(entered, bias), r, peephole, norm, bias)


def _summed(gate: _Gate, entered: Value, h: Value, c: Value) -> Value:
    """What goes into a gate's function at a step, [N, H]."""
    made = elementwise.add(entered, _product(h, gate.recurrent))
    if gate.peephole is not None:
        made = elementwise.add(made, elementwise.mul(broadcast(gate.peephole, shape=c.shape), c))
    return made if gate.norm is None else layer_norm(made, gate.norm, gate.bias, axis=1, epsilon=_EPSILON)


def _clipped(x: Value, limit: float) -> Value:
    return elementwise.clip(x, minimum=-limit, maximum=limit) if limit > 0 else x


def stepped_lstm(site: Site, steps: Value, layer: Layer, h: Value, c: Value) -> tuple[Value, Value, Value]:
    """One direction over [T, N, I], from the states h [N, O] and c [N, H]: its results [T, N, O], the last h and c."""
    function = site.word("fused_activation_function", "TANH")
    if function == "NONE":
        site.refuse("an LSTM without an activation, whose results LiteRT leaves undefined")
    clip, last_clip = site.number("cell_clip"), site.number("proj_clip")
    project, project_bias = layer.projection
    if project is None and project_bias is not None:
        site.invalid("a projection has a bias, but no weights")
    is_coupled = layer.weights[0] is None
    gates = [_gate(site, steps, layer, number) for number in range(is_coupled, 4)]
    rows = [gate.entered.tensor.with_shape(gate.entered.shape[1:]) for gate in gates]
    inputs = [Value(type) for type in (h.type, c.type, *rows)]
    before_h, before_c, *entered = inputs

    def step() -> list[Value]:
        def summed(place: int, cell: Value) -> Value:
            return _summed(gates[place], entered[place], before_h, cell)

        forget = sigmoid(summed(-3, before_c))
        new = activated(site, summed(-2, before_c), function)
        taken = elementwise.sub(_ones(forget), forget) if is_coupled else sigmoid(summed(0, before_c))
        cell = elementwise.add(elementwise.mul(forget, before_c), elementwise.mul(taken, new))
        cell = _clipped(cell, clip)
        made = elementwise.mul(sigmoid(summed(-1, cell)), activated(site, cell, function))
        if project is not None:
            made = _clipped(_plus(_product(made, project), project_bias), last_clip)
        return [made, cell, made]

    body = site.flow.body(inputs, step)
    last_h, last_c, y = scan(
        h,
        c,
        *(gate.entered for gate in gates),
        *body.captured,
        body=body.graph,
        states=2,
        axes=(0,) * len(gates),
        reversed_inputs=(layer.turned,) * len(gates),
        result_axes=(0,),
        reversed_results=(layer.turned,),
    )
    return y, last_h, last_c


def _ones(like: Value) -> Value:
    return broadcast(scalar_like(like, 1.0), shape=like.shape)
