"""The model of a TorchScript archive as a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import cast

import numpy as np

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.frontends._problems import LostError
from xir.frontends.torch._imported import Imported, until_stable
from xir.frontends.torch._names import NameTable, unique
from xir.frontends.torch._shown import shown
from xir.frontends.torch._size_operands import with_size_operands
from xir.frontends.torch.call import Scope
from xir.frontends.torch.pickles.numpy_names import NumpyArray
from xir.frontends.torch.pickles.objects import Instance, as_table, as_tuple, kind_of
from xir.frontends.torch.pickles.storages import Quantizer, StoredTensor
from xir.frontends.torch.script import cells, mobile, packed, quantized
from xir.frontends.torch.script.inputs import Given, Inputs
from xir.frontends.torch.script.interpreter import Interpreter
from xir.frontends.torch.script.objects import Member, Object, Place, Record, ScriptArchive
from xir.frontends.torch.script.syntax import Group, Literal
from xir.frontends.torch.script.values import Raised, is_list, is_number, told
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.constant import Constant, constant_of
from xir.ir.constraints import Collected, collecting
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.types import TensorType
from xir.ir.walk import toposort

_MAX_NOTE = 500


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of the archive.

    Attributes:
        name: the attributes that lead to it.
        place: what code reads and writes.
        constant: its elements.
        trainable: whether it is a parameter.
    """

    name: str
    place: Tensor
    constant: Constant
    trainable: bool


def import_script(archive: ScriptArchive, given: Given, method: str | None = None) -> Imported:
    """The graph of a method of the model.

    Args:
        archive: the file.
        given: what a person says of its inputs.
        method: its name; `forward` without one.

    Raises:
        UnsupportedError: calls that xir has no operators for: all of them, with reasons; or code that no graph can do.
        InvalidModelError: the code contradicts itself, or refuses these inputs.
        UnsafeError: it asks for more than the limits allow.
        UsageError: an input's type is not told, `given` names no input, or the model has no such method.
    """

    def attempt(changed: frozenset[str]) -> tuple[Imported, frozenset[str]]:
        importer = _Importer(archive, given, changed, method)
        return importer.run(), importer.written

    try:
        return until_stable(attempt, frozenset(), archive.path.rpartition("/")[2])
    except RecursionError as error:
        raise UnsafeError("the code is nested too deep", number=804, file=archive.path) from error


class _Importer:
    def __init__(self, archive: ScriptArchive, given: Given, changed: frozenset[str], method: str | None) -> None:
        self.method = method
        self.archive = archive
        self.changed = changed
        self.written: frozenset[str] = frozenset()
        self.scope = Scope()
        self.names = NameTable()
        self.interpreter = Interpreter(archive, self.scope, self.names)
        self.inputs = Inputs(archive, self.interpreter, self.names, given)
        self.weights: dict[int, Weight] = {}
        self.plain: dict[int, StoredTensor] = {}  # what quantised weights hold, kept: weights are known by identity
        self.attributes: dict[tuple[str, ...], tuple[Object, str, object]] = {}
        self.state: dict[str, tuple[Value, Constant | None]] = {}
        self.made: dict[int, object] = {}
        self.bodies: list[object] = []

    def run(self) -> Imported:
        interpreter = self.interpreter
        with collecting() as assumed:
            root = self._object(self.archive.instance, ())
            interpreter.constants = tuple(
                self._value(item, ("CONSTANTS", f"c{index}"), False)
                for index, item in enumerate(self.archive.constants)
            )
            interpreter.roots = [root]
            self._enter_state()
            place = self._place(root.kind)
            arguments = self.inputs.enter(place.function)
            self.inputs.check_all_used()
            try:
                result = interpreter.run(place, arguments, {}, root)
            except Raised as error:
                raise InvalidModelError(
                    f"the model refuses these inputs: {error.message[:500] or 'it raises an exception'}",
                    hint="--input says other types or numbers",
                ) from error
            except LostError:
                result = None
            if interpreter.problems:
                raise interpreter.problems.error(interpreter.sources.calls, self.archive.path.rpartition("/")[2])
            with interpreter.sourced("output"):
                graph = self._finish(result, assumed)
        notes = list(interpreter.notes)
        if self.scope.left_out:
            texts = "; ".join(dict.fromkeys(self.scope.left_out))
            notes.append(f"{len(self.scope.left_out)} conditions of the code are not checked: {texts[:_MAX_NOTE]}")
        state: dict[str, Constant] = {}
        for name, (value, constant) in self.state.items():
            if constant is not None:
                state[self.names.of(value)] = constant
            else:
                notes.append(f"state {name!r} begins with other elements than the file holds: feed them")
        return Imported(graph, state, tuple(notes), interpreter.sources.calls)

    def _place(self, kind: str) -> Place:
        """The method that is wanted: `forward`, or the first of several that have its name (`forward__0`)."""
        if self.method is not None:
            found = self.archive.method(kind, self.method)
            if found is None:
                definition = self.archive.definition(kind)
                known = [] if definition is None else list(definition[0].methods)
                raise UsageError(f"the model has no method {self.method!r}; it has {known}")
            return found
        place = self.archive.method(kind, "forward") or self.archive.method(kind, "forward__0")
        if place is None:
            raise UnsupportedError(f"{kind} has no method 'forward'", hint="--method names another one")
        return place

    # Objects

    def _object(self, instance: Instance, path: tuple[str, ...]) -> Object:
        known = self.made.get(id(instance))
        if isinstance(known, Object):
            return known
        made = Object(instance.name, {}, path)
        self.made[id(instance)] = made
        found = self.archive.definition(instance.name)
        parameters = _parameters(found[0].values.get("__parameters__") if found is not None else None)
        table = as_table(instance.state)
        for name, item in ({} if table is None else table).items():
            if not isinstance(name, str):
                raise InvalidModelError(f"an attribute of {instance.name} has no name")
            made.attributes[name] = self._value(item, (*path, name), name in parameters)
        if table is None:
            self._restore(made, instance, path)
        for name, value in made.attributes.items():
            self.attributes[(*path, name)] = made, name, value
        return made

    def _restore(self, made: Object, instance: Instance, path: tuple[str, ...]) -> None:
        """An object whose class sets its attributes by code of its own (`__setstate__`)."""
        if self.archive.method(made.kind, "__setstate__") is None:
            raise UnsupportedError(f"{instance.name} is restored by code that the archive does not hold (__setstate__)")
        self.interpreter.method(made, "__setstate__", (self._packed(instance.state, path),))

    def _packed(self, state: object, path: tuple[str, ...]) -> object:
        """The items of a packed layer, its weights with names."""
        items = as_tuple(state)
        if items is None:
            return self._value(state, path, False)
        tensors = chain(("weight",), repeat("bias"))
        names = [next(tensors) if isinstance(item, StoredTensor) else "state" for item in items]
        return tuple(self._value(item, (*path, name), False) for item, name in zip(items, names, strict=True))

    def _value(self, item: object, path: tuple[str, ...], trainable: bool) -> object:
        """A value of the archive's as code sees it."""
        match item:
            case Instance():
                return self._instance(item, path)
            case StoredTensor(quantizer=Quantizer() as form):
                return self._quantized(item, form, path)
            case StoredTensor() | NumpyArray():
                return self._weight(item, path, trainable)
            case Record():
                return item
            case list() | tuple():
                items = cast("list[object] | tuple[object, ...]", item)
                self.interpreter.charge(len(items))
                parts = [self._value(part, (*path, str(index)), False) for index, part in enumerate(items)]
                return parts if isinstance(item, list) else tuple(parts)
            case dict():
                table = cast("dict[object, object]", item)
                return {key: self._value(value, (*path, str(key)), False) for key, value in table.items()}
            case None | bool() | int() | float() | complex() | str():
                return item
            case _:
                self.interpreter.refuse(f"{'.'.join(path)} is {kind_of(item)}")

    def _instance(self, item: Instance, path: tuple[str, ...]) -> object:
        if item.name == packed.LINEAR:
            return packed.packed_linear(self._packed(item.state, path))
        if item.name == packed.EMBEDDING:
            return packed.packed_embedding(self._packed(item.state, path))
        if item.name in mobile.OPERATORS:
            return mobile.context(mobile.OPERATORS[item.name], self._packed(item.state, path))
        if item.name == cells.CELL:
            return cells.packed_cell(self._value(item.state, path, False))
        if packed.CONVOLUTION.fullmatch(item.name):
            return self._convolution(item.state, path)
        if len(item.arguments) == 1 and item.state is None:
            return Member(item.name, "", item.arguments[0])
        return self._object(item, path)

    def _convolution(self, state: object, path: tuple[str, ...]) -> packed.Packed:
        """A packed convolution: (version, [settings, weight], [bias]) (conv_serialization.h)."""
        version, tensors, biases = [*(as_tuple(state) or ()), *(None,) * 3][:3]
        settings, weight = [*(tensors if is_list(tensors) else ()), None, None][:2]
        bias = biases[0] if is_list(biases) and biases else None
        if version != "2" or not isinstance(settings, StoredTensor):
            self.interpreter.refuse(f"{'.'.join(path)} is a packed convolution of another version than 2")
        numbers = [int(number) for number in settings.constant().array()]
        operands = self._value(weight, (*path, "weight"), False), self._value(bias, (*path, "bias"), False)
        return packed.packed_convolution(numbers, *operands)

    def _weight(self, stored: StoredTensor | NumpyArray, path: tuple[str, ...], trainable: bool) -> Tensor:
        known = self.weights.get(id(stored))
        if known is not None:
            return known.place
        name = ".".join(path)
        constant = stored.constant if isinstance(stored, NumpyArray) else stored.constant()
        if constant is None:
            self.interpreter.refuse(f"{name} is a tensor of unknown elements")
        constant = self.inputs.state_constant(name, constant)
        place = Tensor(Value(constant.type))
        self.weights[id(stored)] = Weight(name, place, constant, trainable)
        return place

    def _quantized(self, stored: StoredTensor, form: Quantizer, path: tuple[str, ...]) -> quantized.Weight:
        """A quantised weight: its whole numbers are a weight of the graph."""
        plain = self.plain.setdefault(id(stored), replace(stored, quantizer=None))
        numbers = self._weight(plain, path, False).value
        scale, zero = (
            (part.constant() if isinstance(part, StoredTensor) else part).array()
            for part in (form.scale, form.zero_point)
        )
        return quantized.Weight(numbers, scale, zero, form.axis)

    def _enter_state(self) -> None:
        """Weights become parameters, or inputs where the code changes them; so do numbers."""
        for weight in self.weights.values():
            self.names.enter(weight.place.value, weight.name)
            given = self.inputs.given.types.get(weight.name)
            if weight.name in self.changed or given is not None:
                fits = given is None or given == weight.constant.type
                self._as_state(weight.name, weight.place, given, weight.constant if fits else None)
            else:
                self.scope.constants[weight.place.value] = weight.constant
        for path, (owner, name, value) in self.attributes.items():
            full = ".".join(path)
            if full in self.inputs.given.numbers:
                owner.attributes[name] = self.inputs.take_number(full, value)
                self.attributes[path] = owner, name, owner.attributes[name]
            elif full in self.changed and isinstance(value, bool | int | float):
                number = self.interpreter.call.number(value)
                input_ = Value(number.type)
                owner.attributes[name] = Computed(input_)
                self.attributes[path] = owner, name, owner.attributes[name]
                self.names.enter(input_, full)
                self.state[full] = input_, constant_of(np.asarray(value, number.dtype.dtype))

    def _as_state(self, name: str, place: Tensor, given: object, constant: Constant | None) -> None:
        self.inputs.taken.add(name)
        if isinstance(given, TensorType) and given != place.value.type:
            value = Value(given)
            place.reset((value, 0, 0, None, None))
            self.names.rename(name, value)
        self.state[name] = place.value, constant

    # Results

    def _finish(self, result: object, assumed: Collected) -> Graph:
        results = list(self._results(result))
        changes = list(self._changes())
        self.written = frozenset(name for name, _ in changes)
        after = {name: value for name, value in changes if name in self.state}
        self._leave_out_idle([value for _, value in results], after)
        results += [(f"{name}.new", value) for name, value in after.items() if name in self.state]
        outputs = tuple(value for _, value in results)
        parameters = tuple(
            Parameter(weight.place.value, weight.constant, weight.trainable)
            for weight in self.weights.values()
            if weight.name not in self.state
        )
        inputs = (*self.inputs.values, *(value for value, _ in self.state.values()))
        leaves = (*inputs, *(parameter.value for parameter in parameters))
        names = self.names.live(outputs, leaves)
        name = self.archive.instance.name.rpartition(".")[2] or "model"
        output_names = unique(name for name, _ in results)
        graph = Graph(name, inputs, outputs, output_names, parameters, names, tuple(assumed))
        return drop_unused_parameters(with_size_operands(graph, self.scope))

    def _results(self, result: object) -> Iterable[tuple[str, Value]]:
        """The tensors and numbers that the model returns, with names."""
        if isinstance(result, Tensor | Computed) or is_number(result):
            yield "output", self._output(result)
            return
        yield from self._named(result, ())

    def _named(self, result: object, path: tuple[str, ...]) -> Iterable[tuple[str, Value]]:
        self.interpreter.charge(10 * (len(path) + 1))
        parts: Iterable[tuple[object, object]]
        if isinstance(result, Record):
            parts = zip(result.fields, result, strict=True)
        elif isinstance(result, list | tuple):
            parts = enumerate(cast("list[object]", result))
        elif isinstance(result, dict):
            parts = cast("dict[object, object]", result).items()
        elif isinstance(result, Object):
            parts = cast("dict[object, object]", result.attributes).items()
        else:
            name = "_".join(path if path and not path[0].isdigit() else ("output", *path))
            if isinstance(result, Tensor | Computed) or (is_number(result) and not isinstance(result, complex)):
                yield name, self._output(result)
            else:
                self.interpreter.notes[f"output {name!r} is left out: it is always {told(result)}"] = None
            return
        for key, part in parts:
            yield from self._named(part, (*path, str(key)))

    def _leave_out_idle(self, results: Sequence[Value], after: Mapping[str, Value]) -> None:
        """Numbers that no result depends on, in this run or a later one, are no state: `self.has_warned = True`."""
        read: set[Value] = set()
        needed = list(results)
        while needed:
            read |= _leaves(needed)
            kept = [name for name, (value, _) in self.state.items() if value in read and name in after]
            needed = [after[name] for name in kept if after[name] not in read]
            read.update(needed)
        weights = {weight.name for weight in self.weights.values()}
        for name in [name for name, (value, _) in self.state.items() if value not in read and name not in weights]:
            del self.state[name]
            self.interpreter.notes[f"attribute {name!r} is left out: the code changes it, no result depends on it"] = (
                None
            )

    def _output(self, result: object) -> Value:
        if isinstance(result, Tensor):
            return shown(self.scope, result.value)
        return self.interpreter.call.number(result)

    def _changes(self) -> Iterable[tuple[str, Value]]:
        """The new values of what the code has changed, with the names of what it is."""
        done: set[str] = set()
        for path, (owner, name, before) in self.attributes.items():
            full, after = ".".join(path), owner.attributes.get(name)
            if after is before and not (isinstance(before, Tensor) and before.writes):
                continue
            if isinstance(before, Tensor) and isinstance(after, Tensor):
                full = next((weight.name for weight in self.weights.values() if weight.place is before), full)
                done.add(full)
                yield full, after.value
            elif is_number(before) and is_number(after) and not _is_same(before, after):
                yield full, self.interpreter.call.number(after)
            elif not _is_same(before, after):
                told_as = f"attribute {full!r} is {told(after)} after a run; every run begins with {told(before)}"
                self.interpreter.notes[told_as] = None
        for weight in self.weights.values():
            if weight.place.writes and weight.name not in done:
                yield weight.name, weight.place.value


def _leaves(values: Sequence[Value]) -> set[Value]:
    """The inputs and weights that values depend on."""
    operands = (operand for node in toposort(values) for operand in node.inputs)
    return {each for each in (*values, *operands) if each is not None and each.node is None}


def _is_same(before: object, after: object) -> bool:
    return before is after or (not isinstance(before, Computed) and type(before) is type(after) and before == after)


def _parameters(listed: object) -> frozenset[str]:
    items = listed.items if isinstance(listed, Group) else ()
    return frozenset(str(item.value) for item in items if isinstance(item, Literal))
