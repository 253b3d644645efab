"""Types and numbers as a person writes them: `f32[batch,3,224,224]`, `16000`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from xir.errors import UsageError, XirError
from xir.frontends.options import LoadOptions, Plain
from xir.ir.dims import Dim, Symbol
from xir.ir.types import TensorType, Type, dtype_from_name
from xir.limits import MAX_RANK, element_count

_FORM = re.compile(r"\s*([a-z][a-z0-9]*)\s*\[([^\[\]]*)\]\s*")
_NUMBER = re.compile(r"-?\d{1,18}|-?\d{1,18}\.\d{0,18}(?:e[-+]?\d{1,3})?|-?\d{1,18}e[-+]?\d{1,3}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HINT = "write it like f32[1,3,224,224] or f32[batch,3,h,w]"


def parse_type(text: str) -> TensorType:
    """The type that `text` spells: an element type and sizes, each a number or a name.

    Example:
        >>> parse_type("f32[batch,3,224,224]")
        f32[batch,3,224,224]

    Raises:
        UsageError: if it spells none.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no tensor type", hint=_HINT)
    parts = [part.strip() for part in match[2].split(",")] if match[2].strip() else []
    if len(parts) > MAX_RANK:
        raise UsageError(f"{len(parts)} axes are too many; at most {MAX_RANK} are taken")
    try:
        dtype = dtype_from_name(match[1])
        shape = tuple(_size(part) for part in parts)
        element_count([size if isinstance(size, int) else 1 for size in shape])
    except XirError as error:
        raise UsageError(f"{text!r}: {error.message}", hint=error.hint or _HINT) from error
    return TensorType(dtype, shape)


def _size(text: str) -> Dim:
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text)
    if _NAME.fullmatch(text):
        return Symbol(text)
    raise UsageError(f"{text!r} is neither a size nor a name", hint=_HINT)


def parse_spec(text: str) -> TensorType | Plain:
    """The type that `text` spells, or the number that it is: `16000`, `0.5`, `true`.

    Raises:
        UsageError: if it is neither.
    """
    stripped = text.strip()
    if stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    if _NUMBER.fullmatch(stripped):
        return int(stripped) if stripped.lstrip("-").isdigit() else float(stripped)
    return parse_type(text)


def split_specs(specs: Mapping[str, str | Type | Plain]) -> tuple[dict[str, Type], dict[str, Plain]]:
    """The types, and the numbers, that are given as text or as they are.

    Raises:
        UsageError: a text spells neither.
    """
    read = {name: parse_spec(spec) if isinstance(spec, str) else spec for name, spec in specs.items()}
    types = {name: spec for name, spec in read.items() if not isinstance(spec, bool | int | float)}
    return types, {name: spec for name, spec in read.items() if isinstance(spec, bool | int | float)}


def with_specs(options: LoadOptions, specs: Mapping[str, str | Type | Plain | None]) -> LoadOptions:
    """`options` with what a person says of inputs: a type or a number, or None for a value that becomes an input.

    Raises:
        UsageError: a text spells neither type nor number.
    """
    types, numbers = split_specs({name: spec for name, spec in specs.items() if spec is not None})
    cuts = tuple(name for name, spec in specs.items() if spec is None)
    return replace(options, inputs=types, numbers=numbers, cuts=cuts)
