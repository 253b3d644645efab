"""Which operator comes from and goes to which format, read off the tables of handlers and forms."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import cast

from xir.ir.node import Value
from xir.ops import OpDef, table

_HANDLER_ROOMS = ("xir.frontends.", "xir.ops._build")
_MAX_ITEMS = 200

_NO_OPERATORS = ("CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES")
"""Numbers of TFLite's enumeration that stand for no operator of its own."""


@dataclass(frozen=True, slots=True)
class OperatorCoverage:
    """One operator.

    Attributes:
        name: the operator's name.
        family: the file that defines it.
        storey: `core`, or `layer` where it decomposes.
        read: {framework: its layers or operators whose handlers build it}.
        export: `direct` where ONNX export has a form for it, `pieces` where it goes by its decomposition, else None.
        reference: whether it has a NumPy rule.
        gradient: whether it has a gradient rule.
        no_gradient: why there is none, or None.
        decompose: whether it has a decomposition.
        lower: whether it has a lowering.
        host: why every target runs the reference, or None.
    """

    name: str
    family: str
    storey: str
    read: Mapping[str, tuple[str, ...]]
    export: str | None
    reference: bool
    gradient: bool
    no_gradient: str | None
    decompose: bool
    lower: bool
    host: str | None

    def to_dict(self) -> dict[str, object]:
        """The operator as plain data."""
        return {
            "name": self.name,
            "family": self.family,
            "storey": self.storey,
            "import": {framework: list(kinds) for framework, kinds in self.read.items()},
            "export": {"onnx": self.export, "xir": "direct"},
            "reference": self.reference,
            "gradient": self.gradient,
            "no_gradient": self.no_gradient,
            "decompose": self.decompose,
            "lower": self.lower,
            "host": self.host,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage table.

    Attributes:
        operators: every operator, by name.
        read: {framework: {layer or operator that is read: the operators that it becomes}}; of PyTorch by overload.
        opsets: of the ONNX operators, the opsets whose wordings are known.
        core_aten: the overloads that exported programs are taken apart into ("core ATen").
        unread: {framework: what it declares besides}, of those that declare their operators in a table.
        refused: {framework: {what is known and refused: why}}.
    """

    operators: tuple[OperatorCoverage, ...]
    read: Mapping[str, Mapping[str, tuple[str, ...]]]
    opsets: Mapping[str, tuple[int, ...]]
    core_aten: tuple[str, ...]
    unread: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, Mapping[str, str]]

    def to_dict(self) -> dict[str, object]:
        """The table as plain data, as `--json` prints it."""
        built = {
            name: {kind: list(made) for kind, made in kinds.items()}
            for name, kinds in self.read.items()
            if name not in ("caffe", "onnx")
        }
        return {
            "version": 1,
            "operators": [operator.to_dict() for operator in self.operators],
            "caffe": list(self.read["caffe"]),
            "onnx": {kind: list(since) for kind, since in self.opsets.items()},
            **built,
            "core_aten": {kind: kind in self.read["torch"] for kind in self.core_aten},
            "unread": {name: list(kinds) for name, kinds in self.unread.items()},
            "refused": {name: dict(kinds) for name, kinds in self.refused.items()},
        }


def coverage() -> Coverage:
    """The coverage table of this version."""
    from xir.backends.export.onnx import FORMS
    from xir.flatbuffer.schema import tflite_schema
    from xir.frontends.caffe.kinds import REFUSED
    from xir.frontends.keras.handlers import REFUSED as KERAS_REFUSED
    from xir.frontends.keras.layers import LAYERS
    from xir.frontends.onnx import HANDLERS as ONNX
    from xir.frontends.tensorflow._outputs import UNSAFE
    from xir.frontends.tensorflow.op_defs import operators as declared
    from xir.frontends.torch.operators import core_aten

    reader = _Reader()
    read = {
        "caffe": _caffe(reader),
        "onnx": _onnx(reader),
        "torch": _torch(reader),
        "tensorflow": _tensorflow(reader),
        "tflite": _tflite(reader),
        "keras": _keras(reader),
    }
    by_operator = {framework: _by_operator(kinds.items()) for framework, kinds in read.items()}
    since: dict[str, list[int]] = {}
    for key in ONNX.kinds():
        since.setdefault(_kind(key), []).append(int(key.rpartition("-")[2]))
    operators = tuple(
        OperatorCoverage(
            name,
            definition.family,
            "core" if definition.decompose_rule is None else "layer",
            {framework: kinds.get(name, ()) for framework, kinds in by_operator.items()},
            "direct" if FORMS.get(name) is not None else ("pieces" if definition.decompose_rule is not None else None),
            definition.reference_rule is not None,
            definition.gradient_rule is not None,
            definition.no_gradient_reason,
            definition.decompose_rule is not None,
            definition.lower_rule is not None,
            definition.host_reason,
        )
        for name, definition in sorted(table().items())
    )
    unread = {
        "tensorflow": tuple(kind for kind in declared() if kind not in read["tensorflow"] and kind not in UNSAFE),
        "tflite": tuple(
            kind
            for kind in tflite_schema().names["BuiltinOperator"].values()
            if kind not in read["tflite"] and kind not in _NO_OPERATORS
        ),
        "keras": tuple(kind for kind in LAYERS if kind not in read["keras"] and kind not in KERAS_REFUSED),
    }
    opsets = {kind: tuple(sorted(held)) for kind, held in since.items()}
    refused = {"caffe": REFUSED, "tensorflow": UNSAFE, "keras": KERAS_REFUSED}
    return Coverage(operators, read, opsets, core_aten(), unread, refused)


_Built = dict[str, tuple[str, ...]]


def _caffe(reader: _Reader) -> _Built:
    from xir.frontends.caffe.handlers import HANDLERS

    return {kind: reader.operators(handler) for kind, handler in sorted(HANDLERS.items())}


def _onnx(reader: _Reader) -> _Built:
    from xir.frontends.onnx import HANDLERS

    built: dict[str, dict[str, None]] = {}
    for key, handler in sorted(HANDLERS.items()):
        built.setdefault(_kind(key), {}).update(dict.fromkeys(reader.operators(handler)))
    return {kind: tuple(operators) for kind, operators in built.items()}


def _torch(reader: _Reader) -> _Built:
    from xir.frontends.torch.handlers import OPERATORS
    from xir.frontends.torch.operators import core_aten

    built = {
        f"{namespace}.{kind}": reader.operators(handler)
        for namespace, handlers in sorted(OPERATORS.items())
        for kind, handler in sorted(handlers.items())
    }
    for kind in core_aten():
        plain = OPERATORS["aten"].plain_of(kind.removeprefix("aten."))
        if plain is not None and kind not in built:
            built[kind] = built[f"aten.{plain.schema.full_name}"]
    return built


def _tensorflow(reader: _Reader) -> _Built:
    """Those with handlers, and those that the importer itself builds."""
    from xir.frontends.tensorflow._built import BUILT_BY_IMPORTER
    from xir.frontends.tensorflow.handlers import HANDLERS, STATE_HANDLERS

    handlers = (*HANDLERS.items(), *STATE_HANDLERS.items())
    built = {kind: reader.operators(handler) for kind, handler in handlers}
    return dict(sorted({**BUILT_BY_IMPORTER, **built}.items()))


def _tflite(reader: _Reader) -> _Built:
    from xir.frontends.tflite.handlers import HANDLERS

    return {kind: reader.operators(entry.handler) for kind, entry in sorted(HANDLERS.items())}


def _keras(reader: _Reader) -> _Built:
    from xir.frontends.keras.handlers import HANDLERS

    built = {kind: reader.operators(handler) for kind, handler in sorted(HANDLERS.items())}
    return {"InputLayer": (), **built}


def _kind(key: str) -> str:
    """The operator of a key such as `Softmax-13`."""
    return key.rpartition("-")[0]


def _by_operator(built: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for kind, operators in built:
        for operator in operators:
            found.setdefault(operator, {})[kind] = None
    return {operator: tuple(kinds) for operator, kinds in found.items()}


class _Reader:
    """Reads off a handler's code which operators it names, through helpers, methods and what it closes over."""

    def __init__(self) -> None:
        self._known: dict[FunctionType, tuple[str, ...]] = {}

    def operators(self, handler: Callable[..., object]) -> tuple[str, ...]:
        """The operators that a handler can build, by name."""
        if not isinstance(handler, FunctionType):
            return ()
        if handler not in self._known:
            found: dict[str, None] = {}
            pending: list[object] = [handler]
            seen: set[FunctionType | type] = set()
            while pending:
                item = pending.pop()
                if isinstance(item, OpDef):
                    found[cast("OpDef[..., Value]", item).name] = None
                elif isinstance(item, Mapping | tuple) and len(cast("tuple[object, ...]", item)) <= _MAX_ITEMS:
                    held = cast("Mapping[object, object] | tuple[object, ...]", item)
                    pending += held.values() if isinstance(held, Mapping) else held
                elif isinstance(item, type) and item not in seen and _is_ours(item):
                    seen.add(item)
                    pending += vars(item).values()
                elif isinstance(item, FunctionType) and item not in seen and _is_ours(item):
                    seen.add(item)
                    pending += _mentioned(item)
            self._known[handler] = tuple(sorted(found))
        return self._known[handler]


def _is_ours(item: FunctionType | type) -> bool:
    return item.__module__.startswith(_HANDLER_ROOMS)


def _mentioned(function: FunctionType) -> list[object]:
    """What a function's code names among its globals, the modules that these are, and what it closes over."""
    found: list[object] = []
    codes: list[CodeType] = [function.__code__]
    space = function.__globals__
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        # The names of attributes stand in co_names too: `math.log` is not the operator `log` of the same file.
        read = dict.fromkeys(str(each.argval) for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL")
        named = [space[name] for name in read if name in space]
        modules = [item for item in named if isinstance(item, ModuleType)]
        found += [item for item in named if not isinstance(item, ModuleType)]
        found += [vars(module)[name] for module in modules for name in code.co_names if name in vars(module)]
    found += [cell.cell_contents for cell in function.__closure__ or ()]
    return found
