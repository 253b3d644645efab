"""A valid model of one node for every operator that has a handler, in the wordings that it has had."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from xir.frontends.onnx import VERSIONS
from xir.frontends.onnx._versions import full_kind

IR_VERSION = 13
PER_OPERATOR = 2
"""Models of one operator in one wording: the smallest one, and the one with the most attributes."""


class Made(Protocol):
    """A case of the handlers' own tests."""

    def model(self) -> onnx.ModelProto:
        """Its model."""
        ...


@dataclass(frozen=True, slots=True)
class Base:
    """A model of one node, and what its inputs are fed, as far as that is known.

    Attributes:
        name: operator, wording, number.
        model: the model.
        feeds: arrays of the inputs; where all are known, they may stand in the file as weights.
    """

    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]


@cache
def bases() -> tuple[Base, ...]:
    """The models, in the order of the operators' names; making them takes seconds."""
    return tuple(_bases())


def _bases() -> Iterator[Base]:
    found: dict[str, list[tuple[onnx.ModelProto, dict[str, np.ndarray]]]] = {}
    for model, feeds in (*_suite(), *((model, {}) for model in _tests()), *((model, {}) for model in _others())):
        if len(model.graph.node) == 1:
            found.setdefault(_wording(model), []).append((model, feeds))
    _add_older(found)
    for kind, models in sorted(found.items()):
        models.sort(key=lambda each: (len(each[0].SerializeToString()), each[0].SerializeToString(deterministic=True)))
        most = max(models[1:], key=lambda each: len(each[0].graph.node[0].attribute), default=None)
        for number, chosen in enumerate([models[0], *([most] if most is not None else [])][:PER_OPERATOR]):
            model = onnx.ModelProto()
            model.CopyFrom(chosen[0])
            yield Base(f"{kind} {number}", model, chosen[1])


def _add_older(found: dict[str, list[tuple[onnx.ModelProto, dict[str, np.ndarray]]]]) -> None:
    """Wordings of which nobody has a case: a node of another wording, in a model of that version."""
    of_kind: dict[str, tuple[onnx.ModelProto, dict[str, np.ndarray]]] = {}
    for wording, models in sorted(found.items()):
        of_kind.setdefault(wording.rpartition("-")[0], models[0])
    for kind in VERSIONS.kinds():
        for since in VERSIONS.since(kind):
            if kind not in of_kind or f"{kind}-{since}" in found:
                continue
            model = onnx.ModelProto()
            model.CopyFrom(of_kind[kind][0])
            for each in model.opset_import:
                if each.domain == model.graph.node[0].domain:
                    each.version = since
            found[f"{kind}-{since}"] = [(model, of_kind[kind][1])]


def _wording(model: onnx.ModelProto) -> str:
    """`Softmax-13`: the handler that the model's node gets."""
    node = model.graph.node[0]
    domain = "" if node.domain == "ai.onnx" else node.domain
    opsets = {"" if each.domain == "ai.onnx" else each.domain: each.version for each in model.opset_import}
    entry = VERSIONS.get(full_kind(domain, node.op_type), opsets.get(domain, 1))
    return f"{full_kind(domain, node.op_type)}-{0 if entry is None else entry.since}"


def _suite() -> Iterator[tuple[onnx.ModelProto, dict[str, np.ndarray]]]:
    """The node cases of the official backend suite."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        cases = load_model_tests(kind="node")
    for case in cases:
        if case.model is None or len(case.model.graph.node) != 1:
            continue
        operands: Sequence[object] = case.data_sets[0][0] if case.data_sets else []
        feeds: dict[str, np.ndarray] = {}
        for info, operand in zip(case.model.graph.input, operands, strict=False):
            if isinstance(operand, TensorProto):
                feeds[info.name] = numpy_helper.to_array(operand)
            elif isinstance(operand, np.ndarray):
                feeds[info.name] = operand
        yield case.model, feeds


def _tests() -> Iterator[onnx.ModelProto]:
    """The cases of the handlers' own tests: other wordings, and operator sets that the suite does not have."""
    from tests.frontends.onnx import (
        test_handlers,
        test_handlers_attention,
        test_handlers_late,
        test_handlers_memory,
        test_handlers_microsoft,
        test_handlers_numeric,
        test_handlers_recurrent,
        test_microsoft_quantize,
        test_ml,
        test_ml_trees,
        test_text,
    )

    lists: Sequence[Iterable[Made | tuple[Made, object]]] = (
        test_handlers.CASES,
        test_handlers_attention.CASES,
        test_handlers_late.CASES,
        test_handlers_memory.CASES,
        test_handlers_microsoft.CASES,
        test_handlers_numeric.CASES,
        test_handlers_recurrent.CASES,
        test_microsoft_quantize.CASES,
        test_ml.AGREEING,
        test_ml_trees.REGRESSORS,
        [case for case, *_ in test_ml_trees.CLASSIFIERS],
        test_text.AGREEING,
        test_text.SHAPED,
    )
    for cases in lists:
        for case in cases:
            yield (case[0] if isinstance(case, tuple) else case).model()


def _others() -> Iterator[onnx.ModelProto]:
    """Operators of which neither has a case."""
    x, y = helper.make_tensor_type_proto(1, [2, 3]), helper.make_tensor_type_proto(7, [])
    sequence = helper.make_sequence_type_proto(x)
    strings = helper.make_map_type_proto(8, helper.make_tensor_type_proto(1, []))
    numbers = helper.make_map_type_proto(7, helper.make_tensor_type_proto(1, []))
    zipped = {"classlabels_strings": ["a", "b", "c"]}
    ml = "ai.onnx.ml"
    for kind, domain, types, words in (
        ("RandomNormal", "", [], {"shape": [2, 3], "mean": 1.0, "scale": 2.0, "seed": 3.0, "dtype": 1}),
        ("RandomUniform", "", [], {"shape": [2, 3], "low": 1.0, "high": 2.0, "seed": 3.0, "dtype": 1}),
        ("RandomNormalLike", "", [x], {"mean": 1.0, "scale": 2.0, "seed": 3.0, "dtype": 1}),
        ("RandomUniformLike", "", [x], {"low": 1.0, "high": 2.0, "seed": 3.0, "dtype": 1}),
        ("Multinomial", "", [x], {"sample_size": 4, "seed": 3.0, "dtype": 6}),
        ("SequenceConstruct", "", [x, x], {}),
        ("SequenceEmpty", "", [], {"dtype": 1}),
        ("SequenceAt", "", [sequence, y], {}),
        ("SequenceErase", "", [sequence, y], {}),
        ("SequenceLength", "", [sequence], {}),
        ("ConcatFromSequence", "", [sequence], {"axis": 0, "new_axis": 1}),
        ("Optional", "", [x], {}),
        ("CastMap", ml, [numbers], {"cast_to": "TO_FLOAT", "map_form": "SPARSE", "max_map": 4}),
        ("DictVectorizer", ml, [strings], {"string_vocabulary": ["a", "b"]}),
        ("ZipMap", ml, [x], zipped),
        ("GlobalLpPool", "", [helper.make_tensor_type_proto(1, [1, 2, 3, 4])], {"p": 2}),
    ):
        names = [f"x{index}" for index in range(len(types))]
        node = helper.make_node(kind, names, ["y"], "node", domain=domain, **words)
        inputs = [helper.make_value_info(name, type) for name, type in zip(names, types, strict=True)]
        graph = helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")])
        opsets = [helper.make_opsetid("", 21), *([helper.make_opsetid(domain, 3)] if domain else [])]
        yield helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def seed_of(name: str) -> int:
    """A number for a name, the same in every run."""
    return zlib.crc32(name.encode())
