"""What xir says to LiteRT, with a stand-in for it that keeps tensors and doubles what it is given."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import cast

import numpy as np
import pytest

from xir.errors import MissingExtraError
from xir.ir.constant import Array
from xir.verification import LiteRTRunner
from xir.verification._child import Result, receive, send
from xir.verification._litert import serve


class Signature:
    """A signature, whose names are others than those of the tensors."""

    def get_input_details(self) -> Mapping[str, Mapping[str, object]]:
        return {"x": {"index": 3}}

    def get_output_details(self) -> Mapping[str, Mapping[str, object]]:
        return {"y": {"index": 5}}


class Interpreter:
    """A model with one input and one output."""

    signed = True

    def __init__(self, *, model_path: str, experimental_op_resolver_type: object) -> None:
        if model_path == "damaged":
            raise ValueError("no flatbuffer")
        if model_path == "elu" and experimental_op_resolver_type == Resolver.BUILTIN_REF:
            raise ValueError("Didn't find op for builtin opcode 'ELU'")
        self.tensors: dict[int, Array] = {}
        self.sizes: dict[int, list[int]] = {}

    def get_input_details(self) -> list[Mapping[str, object]]:
        return [{"name": "in", "index": 3, "shape_signature": np.array([-1, 2], np.int32)}]

    def get_output_details(self) -> list[Mapping[str, object]]:
        return [{"name": "out", "index": 5}]

    def get_signature_list(self) -> Mapping[str, object]:
        return {"serving_default": {}} if self.signed else {}

    def get_signature_runner(self, key: str) -> Signature:
        return Signature()

    def resize_tensor_input(self, index: int, sizes: list[int]) -> None:
        self.sizes[index] = sizes

    def allocate_tensors(self) -> None:
        self.tensors = {index: np.zeros(sizes, np.float32) for index, sizes in self.sizes.items()}

    def set_tensor(self, index: int, value: Array) -> None:
        if value.dtype != np.float32:
            raise ValueError("Cannot set tensor")
        self.tensors[index] = value

    def invoke(self) -> None:
        self.tensors[5] = np.add(self.tensors[3], self.tensors[3])

    def get_tensor(self, index: int) -> Array:
        return self.tensors[index]


class Resolver:
    BUILTIN_REF = "reference kernels"
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = "kernels for the processor"


@pytest.fixture
def litert(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("ai_edge_litert"), ModuleType("ai_edge_litert.interpreter")
    vars(module).update(Interpreter=Interpreter, OpResolverType=Resolver)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)


def asked(path: str, *feeds: Mapping[str, Array]) -> list[tuple[dict[str, object], list[Result]]]:
    """The answers to opening a file and to some runs."""
    stream, answers = io.BytesIO(), io.BytesIO()
    send(stream, {"path": path})
    for fed in feeds:
        send(stream, {"feeds": list(fed)}, list(fed.values()))
    stream.seek(0)
    with pytest.raises(EOFError):
        serve(stream, answers)
    answers.seek(0)
    return [receive(answers) for _ in range(1 + len(feeds))]


@pytest.mark.parametrize(("signed", "names"), [(True, ("x", "y")), (False, ("in", "out"))])
def test_a_file_is_run(litert: None, monkeypatch: pytest.MonkeyPatch, signed: bool, names: tuple[str, str]) -> None:
    monkeypatch.setattr(Interpreter, "signed", signed)
    x = np.ones((3, 2), np.float32)
    (told, _), (_, (found,)) = asked("model.tflite", {names[0]: x})
    assert (told["inputs"], told["shapes"], told["outputs"]) == ([names[0]], [[None, 2]], [names[1]])
    np.testing.assert_array_equal(cast("Array", found), x + x)


def test_what_litert_says_is_told(litert: None) -> None:
    (told, _), (refused, _) = asked("model.tflite", {"x": np.ones((3, 2))})
    assert str(told["runtime"]).startswith("LiteRT")
    assert refused["error"] == "Cannot set tensor"


def test_a_file_that_the_reference_kernels_do_not_take_is_run_by_the_others(litert: None) -> None:
    x = np.ones((3, 2), np.float32)
    _, (_, (found,)) = asked("elu", {"x": x})
    np.testing.assert_array_equal(cast("Array", found), x + x)


def test_a_parent_that_is_gone_ends_it(litert: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: Interpreter) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Interpreter, "invoke", gone)
    stream = io.BytesIO()
    send(stream, {"path": "model.tflite"})
    send(stream, {"feeds": ["x"]}, [np.ones((3, 2), np.float32)])
    stream.seek(0)
    with pytest.raises(BrokenPipeError):
        serve(stream, io.BytesIO())


def test_a_refused_file_is_told(litert: None) -> None:
    ((told, _),) = asked("damaged")
    assert told["error"] == "no flatbuffer"


def test_without_litert_there_is_no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.verification.runners.has_litert", lambda: False)
    with pytest.raises(MissingExtraError, match="LiteRT is not installed"):
        LiteRTRunner("model.tflite")
