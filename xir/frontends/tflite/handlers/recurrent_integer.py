"""Recurrent layers of integers, bit by bit as TFLite's kernels compute them.

Facts: `LstmStepInteger8x8_16` (tensorflow/lite/kernels/lstm_eval.cc), `PopulateQuantizedLstmParams8x8_16` (lstm.cc),
`EvalIntegerSVDF` (kernels/internal/reference/svdf.h).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xir.frontends._bodies import Body
from xir.frontends._operands import product_of
from xir.frontends.tflite._fixed_norm import normalized
from xir.frontends.tflite._fixed_point import (
    looked_up,
    rescaled,
    rounded_down,
    saturated,
    sigmoid_table,
    sum16,
    tanh_table,
    wide,
)
from xir.frontends.tflite.model import Quantization
from xir.frontends.tflite.site import Operand, Site, as_dtype, literal
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import control, elementwise
from xir.ops._build import scalar_like
from xir.ops.quantize_product import matmul_integer
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

_GATE_SCALE = 2.0**-12
"""What a step of a gate's sum stands for: 3 bits before the point."""

_H, _C, _NORM = 18, 19, 20
"""The places of the two states and of the coefficients of layer normalisation among the operands."""

GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True, slots=True)
class _Gate:
    """One gate: what the input adds at each step, [T, N, H], and what the states add."""

    from_input: Value
    recurrent: Value
    scale: float
    peephole: Value | None
    peephole_scale: float
    norm: tuple[Value, Value, float] | None
    """Coefficients of layer normalisation [H], their bias, their scale."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """The numbers of a layer.

    Attributes:
        cell_bits: bits of the cell before its point.
        cell_clip: the largest cell, or 0.
        hidden: how the result of a step is quantised before the projection.
        output: how it is after it.
    """

    cell_bits: int
    cell_clip: int
    hidden: Quantization
    output: Quantization


def _scale(site: Site, place: int) -> float:
    quantization = site.operand_quantization(place)
    if quantization is None or len(quantization.scales) != 1:
        site.refuse("an LSTM of integers with an operand that has not one scale")
    return float(np.float32(quantization.scales[0]))


def _product(x: Value, w: Value, point: int, bias: Value | None) -> Value:
    """Integers [..., I] less their zero point times w [O, I], plus a bias: i32."""
    rows = reshape(x, shape=(product_of(x.shape[:-1]), x.shape[-1]))
    made = matmul_integer(rows, transpose(w, perm=(1, 0)), literal(point, x.dtype))
    made = reshape(made, shape=(*x.shape[:-1], w.shape[0]))
    return made if bias is None else elementwise.add(made, broadcast(bias, shape=made.shape))


def _product16(first: Value, second: Value, places: int) -> Value:
    return as_dtype(rounded_down(elementwise.mul(*wide(first, second)), places), DType.INT16)


def _gate(site: Site, steps: Value, operands: Sequence[Operand], number: int, layer: _Layer) -> _Gate | None:
    """A gate's parts; None for the input gate that a layer leaves out."""
    w, r, bias = operands[1 + number], operands[5 + number], operands[12 + number]
    if number == 0 and w is None:
        return None
    if w is None or r is None or bias is None:
        site.invalid(f"a part of the {GATES[number]} gate is left out that must be there")
    x_q = site.operand_quantization(0)
    if x_q is None:
        site.invalid("an input that is not quantised")
    norm = operands[_NORM + number]
    unit = np.float32(_GATE_SCALE if norm is None else _sum_scale(site, number))
    scale = np.float32(_scale(site, 1 + number)) * np.float32(x_q.scales[0]) / unit
    product = _product(steps, w, x_q.zero_points[0], bias if norm is None else None)
    own = saturated(rescaled(product, float(scale)), DType.INT16)
    place = {0: 9, 1: 10, 3: 11}.get(number)
    peephole = operands[place] if place is not None else None
    if peephole is not None and r.shape[0] != r.shape[1]:
        # The kernel takes as many cells as there are results, whichever cells these are (lstm_eval.cc, n_output).
        site.refuse("an LSTM of integers with peepholes beside a projection to another size")
    across = np.float32(_scale(site, 5 + number)) * np.float32(layer.output.scales[0]) / unit
    held = 0.0 if peephole is None or place is None else 2.0 ** (layer.cell_bits - 15) * _scale(site, place)
    coefficients = None if norm is None else (norm, bias, _scale(site, _NORM + number))
    return _Gate(own, r, float(across), peephole, float(np.float32(held / float(unit))), coefficients)


def _sum_scale(site: Site, number: int) -> float:
    """What a step of a gate's sum stands for before it is normalised."""
    quantization = site.intermediate_quantization(number)
    if quantization is None:
        site.invalid(f"the sum of the {GATES[number]} gate is not quantised")
    return quantization.scales[0]


def _summed(gate: _Gate, own: Value, h: Value, c: Value, point: int) -> Value:
    """What goes into a gate's function: i16 with 3 bits before the point."""
    across = rescaled(_product(h, gate.recurrent, point, None), gate.scale)
    made = saturated(elementwise.add(across, as_dtype(own, DType.INT64)), DType.INT16)
    if gate.peephole is not None:
        weight = broadcast(as_dtype(gate.peephole, DType.INT64), shape=c.shape)
        held = rescaled(elementwise.mul(weight, as_dtype(c, DType.INT64)), gate.peephole_scale)
        made = saturated(elementwise.add(held, as_dtype(made, DType.INT64)), DType.INT16)
    return made if gate.norm is None else normalized(made, *gate.norm)


def _layer(site: Site, operands: Sequence[Operand]) -> _Layer:
    """The numbers of a layer; raises UnsupportedError where LiteRT has no kernel of 8 bits with cells of 16."""
    hidden, output = site.intermediate_quantization(4), site.operand_quantization(_H)
    if len(site.intermediates) != 5 or hidden is None or output is None:
        site.refuse("an LSTM of integers whose states do not have 8 and 16 bits")
    mantissa, exponent = math.frexp(_scale(site, _C))
    if mantissa != 0.5 or exponent - 1 > -9:
        site.invalid(f"cells of the scale {_scale(site, _C)}: a power of 2 up to 2 ** -9 is needed")
    clip = site.number("cell_clip")
    limit = int(min(max(clip / _scale(site, _C), -32768), 32767)) if clip > 0 else 0
    return _Layer(exponent - 1 + 15, limit, hidden, output)


def integer_lstm(site: Site, steps: Value, operands: Sequence[Operand]) -> Value:
    """An LSTM over [T, N, I] in i8, its cells i16: what it makes of each step, [T, N, O]; its state is kept."""
    norms = operands[_NORM:]
    if any(each is not None for each in norms) and any(each is None for each in norms[operands[1] is None :]):
        site.invalid("coefficients of layer normalisation are left out that must be there")
    h, c = operands[_H], operands[_C]
    if h is None or c is None:
        site.invalid("a state is left out that must be there")
    layer = _layer(site, operands)
    found = [_gate(site, steps, operands, number, layer) for number in range(4)]
    gates = [each for each in found if each is not None]
    body = _body(site, operands, layer, (found[0] is None, gates), (h, c))
    last_h, last_c, y = control.scan(
        h,
        c,
        *(gate.from_input for gate in gates),
        *body.captured,
        body=body.graph,
        states=2,
        axes=(0,) * len(gates),
        reversed_inputs=(False,) * len(gates),
        result_axes=(0,),
        reversed_results=(False,),
    )
    site.flow.update(site.operator, _H, last_h)
    site.flow.update(site.operator, _C, last_c)
    return y


def _body(
    site: Site, operands: Sequence[Operand], layer: _Layer, held: tuple[bool, list[_Gate]], states: tuple[Value, Value]
) -> Body:
    """One step: (h, c, what the input adds to each gate) -> (h, c, h)."""
    is_coupled, gates = held
    rows = [gate.from_input.tensor.with_shape(gate.from_input.shape[1:]) for gate in gates]
    inputs = [Value(type) for type in (*(state.type for state in states), *rows)]
    h, c, *owns = inputs

    def step() -> list[Value]:
        point = layer.output.zero_points[0]

        def activated(place: int, cell: Value) -> Value:
            table = tanh_table(3) if place == 2 - is_coupled else sigmoid_table()
            return looked_up(_summed(gates[place], owns[place], h, cell, point), table)

        forget, new = activated(1 - is_coupled, c), activated(2 - is_coupled, c)
        kept = broadcast(scalar_like(forget, 32767), shape=forget.shape)
        taken = elementwise.sub(kept, forget) if is_coupled else activated(0, c)
        cell = sum16(_product16(forget, c, 15), _product16(taken, new, 15 + layer.cell_bits))
        if layer.cell_clip:
            cell = elementwise.clip(cell, minimum=-layer.cell_clip, maximum=layer.cell_clip)
        output = activated(3 - is_coupled, cell)
        size = looked_up(cell, tanh_table(layer.cell_bits))
        hidden = rescaled(elementwise.mul(*wide(output, size)), float(np.float32(2.0**-30 / layer.hidden.scales[0])))
        made = _projected(site, _shifted(hidden, layer.hidden.zero_points[0]), operands, layer)
        return [made, cell, made]

    return site.flow.body(inputs, step)


def _shifted(x: Value, point: int) -> Value:
    """Integers of i64 with a zero point, in i8."""
    return saturated(elementwise.add(x, broadcast(scalar_like(x, point), shape=x.shape)), DType.INT8)


def _projected(site: Site, hidden: Value, operands: Sequence[Operand], layer: _Layer) -> Value:
    """The result of a step after the projection, if there is one."""
    w, bias = operands[16], operands[17]
    if w is None:
        return hidden
    held = np.float32(layer.hidden.scales[0])
    scale = float(np.float32(_scale(site, 16)) * held / np.float32(layer.output.scales[0]))
    made = rescaled(_product(hidden, w, layer.hidden.zero_points[0], bias), scale)
    result = _shifted(made, layer.output.zero_points[0])
    clip = site.number("proj_clip")
    if clip > 0:
        limit = int(min(max(clip / layer.output.scales[0], -128), 127))
        result = elementwise.clip(result, minimum=-limit, maximum=limit)
    return result


def integer_filter(site: Site, x: Value, feature: Value, time: Value, bias: Operand, state: Value) -> Value:
    """SVDF of i8, its state and its weights over time i16 (EvalIntegerSVDF); the activation is not computed there.

    x: [N, I]; feature: [F, I]; time: [F, M]; state: [N, F * M]; result: [N, F / rank].
    """
    site.ignore("asymmetric_quantize_inputs", "fused_activation_function")
    rank, (filters, memory), batch = site.integer("rank"), time.shape, x.shape[0]
    if not isinstance(filters, int) or rank < 1 or filters % rank:
        site.invalid(f"{filters!r} filters of rank {rank}")
    x_q, y_q = site.operand_quantization(0), site.result_quantization()
    if x_q is None or y_q is None or time.dtype is not DType.INT16 or state.dtype is not DType.INT16:
        site.refuse("SVDF of integers whose state and weights over time do not have 16 bits")
    x_scale, w_scale, time_scale, held_scale = (np.float32(_scale(site, place)) for place in (0, 1, 2, 4))
    new = rescaled(_product(x, feature, x_q.zero_points[0], None), float(x_scale * w_scale / held_scale))
    row = reshape(saturated(new, DType.INT16), shape=(batch, filters, 1))
    held = reshape(state, shape=(batch, filters, memory))
    held = concat(slice_(held, axes=(2,), starts=(1,), stops=(memory,), steps=(1,)), row, axis=2)
    site.flow.update(site.operator, 4, reshape(held, shape=state.shape))
    wide = as_dtype(held, DType.INT32)
    weighted = elementwise.mul(wide, broadcast(as_dtype(time, DType.INT32), shape=wide.shape))
    parts = reshape(weighted, shape=(batch, filters // rank, rank * memory))
    total = reduce_sum(parts, axes=(2,), keep_dims=False)
    if bias is not None:
        total = elementwise.add(total, broadcast(bias, shape=total.shape))
    scale = float(held_scale * time_scale / np.float32(y_q.scales[0]))
    return _shifted(rescaled(total, scale), y_q.zero_points[0])
