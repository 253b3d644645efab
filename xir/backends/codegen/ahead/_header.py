"""The C header of a model that was compiled ahead of time; of a model's names only letters, digits and `_` come in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xir.ir.types import DType
from xir.runtime.program import Port

MARK = "/* Written by xir compile. */"
"""The first line: a header without it is somebody's own, and is not written over."""

MAX_NAME = 48
"""Letters of a name that are kept."""

_TYPES = {DType.FLOAT32: "float", DType.FLOAT64: "double"}


def c_name(text: str) -> str:
    """What of a text can be part of a C identifier: every other character becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)[:MAX_NAME]


def prefix_of(stem: str) -> str:
    """What the functions' names begin with, from the name of a file; no name that C reserves."""
    name = c_name(stem)
    return name if re.match(r"[A-Za-z]", name) else f"model_{name.lstrip('_')}".rstrip("_")


def parameters(inputs: Sequence[Port], outputs: Sequence[Port]) -> tuple[tuple[str, Port], ...]:
    """The parameters of `run` after the model: inputs are `in_NAME`, outputs `out_NAME`; no two are alike."""
    found: dict[str, Port] = {}
    for begin, ports in (("in_", inputs), ("out_", outputs)):
        for port in ports:
            name = plain = begin + c_name(port.name)
            number = 2
            while name in found:
                name, number = f"{plain}_{number}", number + 1
            found[name] = port
    return tuple(found.items())


def c_type(dtype: DType) -> str:
    """The C type of an element; narrow floats are their bits, bool is a byte that is 0 or 1."""
    if dtype in _TYPES:
        return _TYPES[dtype]
    sign = "" if dtype.is_integer and str(dtype).startswith("i") else "u"
    return f"{sign}int{8 * dtype.dtype.itemsize}_t"


def header_text(prefix: str, inputs: Sequence[Port], outputs: Sequence[Port], beside: bool, cpu: str) -> str:
    """The whole header.

    Args:
        prefix: what every name begins with.
        inputs: the model's inputs, of known sizes.
        outputs: the model's outputs.
        beside: whether the weights lie in a file of their own.
        cpu: the processor that the code is for.
    """
    guard = f"XIR_{prefix.upper()}_H"
    given, lines = [f"struct {prefix}_model *model"], list[str]()
    for name, port in parameters(inputs, outputs):
        dtype = port.type or DType.FLOAT32
        constant = "const " if name.startswith("in_") else ""
        given.append(f"{constant}{c_type(dtype)} *{name}")
        lines.append(f" * {name}: {dtype}[{','.join(map(str, port.shape or ()))}]")
    text = _TEMPLATE.format(
        guard=guard,
        prefix=prefix,
        cpu=cpu,
        ports="\n".join(lines),
        given=",\n    ".join(given),
        path="const char *weights" if beside else "void",
        where=_BESIDE if beside else _WITHIN,
    )
    return MARK + "\n" + text


_WITHIN = "NULL: no memory, or another processor."
_BESIDE = """\
`weights` is the path of the file of weights.
 * NULL: no memory, another processor, no such file, or another model's."""

_TEMPLATE = """\
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Linux on x86-64, processor {cpu}. Link with -lm. */
struct {prefix}_model;

/* A model; {where}
 * It serves one call at a time: threads make one each. They share the weights. */
struct {prefix}_model *{prefix}_init({path});

/* Computes the outputs. Every array lies in row-major order; outputs overlap nothing.
{ports}
 * f16 and bf16 are given as their bits, bool as bytes that are 0 or 1.
 * 0: done. 1, 2: a loop was given up, as it did not end; what the outputs hold says nothing then. */
int {prefix}_run(
    {given});

/* Gives back the memory of a model; nothing for NULL. */
void {prefix}_free(struct {prefix}_model *model);

#ifdef __cplusplus
}}
#endif

#endif
"""
