"""Cases as data: a model and arrays in files, in the layout of ONNX's own suite.

    FOLDER/model.onnx
    FOLDER/data.json                    {"rtol": ..., "atol": ...}; may be absent
    FOLDER/test_data_set_0/input_0.pb   TensorProto, SequenceProto or OptionalProto, as the model's input says
    FOLDER/test_data_set_0/output_0.pb

(onnx/backend/test/runner/__init__.py reads it, onnx/backend/test/cmd_tools.py writes it.) Nothing of it is code.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, OptionalProto, SequenceProto, TensorProto, TypeProto
from onnx.numpy_helper import from_array, from_list, from_optional, to_array, to_list, to_optional

from xir.errors import FormatError
from xir.files import read_bytes, read_text
from xir.ir.constant import Array
from xir.limits import GIBI

RTOL: Final = 1e-3
ATOL: Final = 1e-7
"""What a case without tolerances of its own has (onnx/backend/test/loader/__init__.py)."""

MAX_BYTES: Final = 2 * GIBI
MODEL: Final = "model.onnx"


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: unique in its suite.
        kind: the group that it stands in: `node`, `real`, ...
        folder: where its files lie.
        operators: what the model is made of, bodies and functions included, with domains: `ai.onnx.ml.Scaler`.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """

    name: str
    kind: str
    folder: str
    operators: tuple[str, ...]
    rtol: float = RTOL
    atol: float = ATOL

    @property
    def model(self) -> str:
        """The path of the model."""
        return os.path.join(self.folder, MODEL)


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is fed, and what shall come out: arrays, lists for sequences, None for absent optionals."""

    inputs: tuple[object, ...]
    outputs: tuple[object, ...]


def read_case(name: str, kind: str, folder: str) -> Case:
    """The case that lies in a folder.

    Raises:
        FormatError: its files are not what they should be.
        FileError: they cannot be read.
    """
    model = read_model(os.path.join(folder, MODEL))
    notes = os.path.join(folder, "data.json")
    told: dict[str, float] = json.loads(read_text(notes)) if os.path.isfile(notes) else {}
    tolerances = float(told.get("rtol", RTOL)), float(told.get("atol", ATOL))
    return Case(name, kind, folder, operators_of(model), *tolerances)


def read_model(path: str) -> ModelProto:
    """The model's message.

    Raises:
        FormatError: it is none.
    """
    model = ModelProto()
    _parse(model, path)
    return model


def read_data_sets(case: Case) -> Iterator[DataSet]:
    """The arrays of a case, set by set.

    Raises:
        FormatError: a file is not what the model says.
    """
    graph = read_model(case.model).graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [info.type for info in graph.input if info.name not in weights]
    outputs = [info.type for info in graph.output]
    for folder in _numbered(case.folder, "test_data_set_", ""):
        yield DataSet(_read_values(folder, "input_", inputs), _read_values(folder, "output_", outputs))


def _read_values(folder: str, stem: str, types: Sequence[TypeProto]) -> tuple[object, ...]:
    paths = _numbered(folder, stem, ".pb")
    if len(paths) > len(types):
        raise FormatError(f"there are {len(paths)} files, the model has {len(types)}", file=os.path.join(folder, stem))
    return tuple(_read_value(path, type) for path, type in zip(paths, types, strict=False))


def _numbered(folder: str, stem: str, ending: str) -> list[str]:
    """The paths `stem` 0 `ending`, `stem` 1 `ending`, ... that are there, by their numbers."""
    form = re.compile(f"{stem}([0-9]+){re.escape(ending)}")
    found = [(int(match[1]), name) for name in os.listdir(folder) if (match := form.fullmatch(name))]
    return [os.path.join(folder, name) for _, name in sorted(found)]


def _read_value(path: str, type: TypeProto) -> object:
    if type.HasField("sequence_type"):
        sequence = SequenceProto()
        _parse(sequence, path)
        return cast("object", to_list(sequence))
    if type.HasField("optional_type"):
        optional = OptionalProto()
        _parse(optional, path)
        return cast("object", to_optional(optional))
    tensor = TensorProto()
    _parse(tensor, path)
    return cast("object", to_array(tensor))


def _parse(message: ModelProto | TensorProto | SequenceProto | OptionalProto, path: str) -> None:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(read_bytes(path, MAX_BYTES))
    except DecodeError as error:
        raise FormatError(f"the file is no {type(message).__name__}: {error}", file=path) from error


def write_case(folder: str, model: ModelProto, sets: Sequence[DataSet], rtol: float, atol: float) -> None:
    """Writes a case into a folder that is there."""
    _write(os.path.join(folder, MODEL), model.SerializeToString())
    _write(os.path.join(folder, "data.json"), json.dumps({"rtol": rtol, "atol": atol}).encode())
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [info.type for info in model.graph.input if info.name not in weights]
    outputs = [info.type for info in model.graph.output]
    for number, data in enumerate(sets):
        place = os.path.join(folder, f"test_data_set_{number}")
        os.mkdir(place)
        for stem, values, types in (("input", data.inputs, inputs), ("output", data.outputs, outputs)):
            for index, (value, type) in enumerate(zip(values, types, strict=False)):
                _write(os.path.join(place, f"{stem}_{index}.pb"), _message(value, type).SerializeToString())


def _message(value: object, type: TypeProto) -> TensorProto | SequenceProto | OptionalProto:
    if isinstance(value, TensorProto):
        return value
    if type.HasField("sequence_type"):
        return from_list(cast("list[Array]", value))
    if type.HasField("optional_type"):
        return from_optional(cast("Array", value))
    return from_array(np.asarray(cast("Array", value)))


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def operators_of(model: ModelProto) -> tuple[str, ...]:
    """The operators of a model, its bodies and functions, in alphabetical order."""
    found: set[str] = set()
    pending = [model.graph.node, *(function.node for function in model.functions)]
    while pending:
        for node in pending.pop():
            found.add(f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type)
            pending += [graph.node for attribute in node.attribute for graph in _bodies(attribute)]
    return tuple(sorted(found))


def _bodies(attribute: AttributeProto) -> list[GraphProto]:
    return [attribute.g, *attribute.graphs] if attribute.HasField("g") else list(attribute.graphs)
