"""The C header of a model that was compiled ahead of time; of a model's names only letters, digits and `_` come in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from xir.backends.codegen.ahead._model import CODES
from xir.backends.codegen.ahead._program import Shared
from xir.ir.dims import Dim, Shape, Symbol, evaluate, to_text
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
    names = distinct(
        begin + c_name(port.name) for begin, ports in (("in_", inputs), ("out_", outputs)) for port in ports
    )
    return tuple(zip(names, (*inputs, *outputs), strict=True))


def size_names(symbols: Sequence[Symbol]) -> tuple[str, ...]:
    """The members that hold the sizes of symbols: `size_NAME`; no two are alike."""
    return tuple(distinct("size_" + c_name(symbol.name or "") for symbol in symbols))


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names, the later of two that are alike with a number behind it."""
    found: set[str] = set()
    for plain in names:
        name, number = plain, 2
        while name in found:
            name, number = f"{plain}_{number}", number + 1
        found.add(name)
        yield name


def c_type(dtype: DType) -> str:
    """The C type of an element; narrow floats are their bits, bool is a byte that is 0 or 1."""
    if dtype in _TYPES:
        return _TYPES[dtype]
    sign = "" if dtype.is_integer and str(dtype).startswith("i") else "u"
    return f"{sign}int{8 * dtype.dtype.itemsize}_t"


def header_text(shared: Shared) -> str:
    """The whole header."""
    prefix, names = shared.name, size_names(shared.symbols)
    ports = parameters(shared.inputs, shared.outputs)
    known = {symbol: Symbol(name) for symbol, name in zip(shared.symbols, names, strict=True)}
    given = [f"struct {prefix}_model *model"]
    given += [f"const struct {prefix}_sizes *sizes"] if names else []
    for name, port in ports:
        constant = "const " if name.startswith("in_") else ""
        given.append(f"{constant}{c_type(port.type or DType.FLOAT32)} *{name}")
    path = "const char *weights, " if shared.beside else ""
    levels = [each.name for each in shared.processors]
    parts = [
        _BEGIN.format(
            guard=f"XIR_{prefix.upper()}_H",
            system="AArch64" if levels == ["aarch64"] else "x86-64",
            cpu=" or ".join(levels),
            prefix=prefix,
            codes=",\n".join(f"  {prefix}_{name} = {code} /* {what} */" for name, (code, what) in CODES.items()),
        ),
        _INIT.format(prefix=prefix, path=path, beside=_BESIDE if path else ""),
    ]
    if len(levels) > 1:
        listed = ", ".join(f"{number} {level}" for number, level in enumerate(levels))
        parts.append(_LEVEL.format(prefix=prefix, path=path, listed=listed))
    if names:
        parts.append(_sizes(prefix, shared.symbols, names, ports, known))
    listed = "\n".join(f" * {name}: {port.type}[{_text(port.shape or (), known)}]" for name, port in ports)
    parts.append(_RUN.format(prefix=prefix, ports=listed, given=",\n    ".join(given)))
    return MARK + "\n" + "\n".join([*parts, _END.format(prefix=prefix)])


def _text(shape: Shape, known: Mapping[Symbol, Dim]) -> str:
    return ",".join(to_text(evaluate(dim, known)) for dim in shape)


def _sizes(
    prefix: str,
    symbols: Sequence[Symbol],
    names: Sequence[str],
    ports: Sequence[tuple[str, Port]],
    known: Mapping[Symbol, Dim],
) -> str:
    """What says sizes, and what is computed of them."""
    members: list[str] = []
    for symbol, name in zip(symbols, names, strict=True):
        most = "" if symbol.maximum is None else f", at most {symbol.maximum}"
        multiple = f", a multiple of {symbol.divisor}" if symbol.divisor > 1 else ""
        members.append(f"  int64_t {name}; /* at least {symbol.minimum}{most}{multiple} */")
    shapes = [
        f"  int64_t {name}[{len(port.shape)}]; /* {_text(port.shape, known)} */" for name, port in ports if port.shape
    ]
    return _SIZES.format(prefix=prefix, members="\n".join(members), shapes="\n".join(shapes))


_BEGIN = """\
#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* Linux on {system}, processor {cpu}. Link with -lm -pthread. */
struct {prefix}_model;

/* What the functions answer; 0: done. */
enum {prefix}_code {{
  {prefix}_DONE = 0,
{codes}
}};
"""

_BESIDE = """
 * `weights` is the path of the file of weights, which is mapped and must stay as it is."""

_INIT = """\
/* Makes a model, or sets it to NULL and answers a code.
 * At most `threads` threads work on a call, the caller's among them; 0: as many as it may run on. What is computed does
 * not depend on it. A model serves one call at a time: threads make one each, which share the weights.{beside} */
int {prefix}_init(struct {prefix}_model **model, {path}int threads);
"""

_LEVEL = """\
/* Like init, which takes the best code that the processor runs, but a certain one: {listed}. */
int {prefix}_init_level(struct {prefix}_model **model, {path}int threads, int level);
"""

_SIZES = """\
/* The sizes of a call. */
struct {prefix}_sizes {{
{members}
}};

/* The sizes of the arrays. */
struct {prefix}_shapes {{
{shapes}
}};

/* Finds out the sizes of the arrays; {prefix}_SIZES if the model does not take such sizes. */
int {prefix}_shapes(const struct {prefix}_sizes *sizes, struct {prefix}_shapes *shapes);

/* Bytes of temporary memory that a call with these sizes needs; below 0: a code, negated.
 * A call takes memory only where none before it needed as much. */
int64_t {prefix}_workspace(struct {prefix}_model *model, const struct {prefix}_sizes *sizes);
"""

_RUN = """\
/* Computes the outputs. Every array lies in row-major order; outputs overlap nothing.
{ports}
 * f16 and bf16 are given as their bits, bool as bytes that are 0 or 1. An array without elements may be NULL.
 * Where loops are given up, what the outputs hold says nothing. */
int {prefix}_run(
    {given});
"""

_END = """\
/* Gives back the memory and the threads of a model; nothing for NULL. */
void {prefix}_free(struct {prefix}_model *model);

#ifdef __cplusplus
}}
#endif

#endif
"""
