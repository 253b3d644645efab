"""What must agree on a random graph: passes on and off, the graph and its file, the reference, machine code, runtimes.

Where whole graphs disagree, each node is judged alone on the numbers that the reference has there, so that the finding
names the operator at fault. Where no node disagrees alone, the graph is run again with every result shifted by a few
units in the last place: what that moves as far is rounding that grew, and no finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from onnx import ModelProto

from tests.backends.export.onnx.shared import meaning
from tests.fuzz.described import NOT_FINITE, described, has_body, is_finite, named, ordinary, said, shown, trace
from tests.fuzz.differences import compared
from tests.fuzz.programs import GENERATORS
from tests.fuzz.sample import Sample
from tests.fuzz.undefined import is_left_open
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import host
from xir.backends.export.onnx import export_onnx, legalize
from xir.errors import MissingExtraError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.types import Type, UnrankedType, dtype_from_numpy
from xir.ir.verify import verify
from xir.ops import definition
from xir.passes import optimize
from xir.reference import run
from xir.reference.execute import run_node
from xir.text import held_weights, parse_graph, print_graph, same_graph

OPSETS = (11, 13, 15, 17, 18, 20, 21, 23, 25, 26)
EVALUATOR_OPSET = 26
"""The newest opset of which onnx's evaluator has every operator."""

Results = dict[str, object]
Runner = Callable[[Graph, Mapping[str, Array]], Results]


@dataclass(frozen=True)
class Finding:
    """A disagreement.

    Attributes:
        judge: which comparison (passes, exact passes, file, onnxruntime, onnx, text ...).
        op: the operator at fault, or those of the whole graph where none is alone.
        cause: what is wrong, in words that are the same for all findings of one cause.
        detail: types, attributes and numbers.
    """

    judge: str
    op: str
    cause: str
    detail: str


@dataclass(frozen=True)
class Alone:
    """A node as a graph.

    Attributes:
        graph: the graph.
        feeds: what it is fed.
        operands: that, and its weights.
        want: its results by the reference.
    """

    graph: Graph
    feeds: dict[str, Array]
    operands: dict[str, object]
    want: Results


class RefusedError(Exception):
    """The other side says that it does not do this: no disagreement, but counted."""


REFUSALS = (
    "NOT_IMPLEMENTED",
    "MLDataType",
    "data type is not supported",
    "No corresponding Numpy type",
    "is not a registered function/op",
    "No Op registered for",
    "unexpected data type: (tensor",
    "Unsupported type",
    "does not have a corresponding",
)
"""What runtimes say of what they have no kernel for."""


@dataclass
class Judged:
    """One graph before its judges.

    Attributes:
        sample: the graph and its feeds.
        folder: where files may be written.
        opset: the opset of the round trip.
        stage: told what comes next, for the one who finds this process dead.
    """

    sample: Sample
    folder: Path
    opset: int
    stage: Callable[[str], None]

    def __post_init__(self) -> None:
        """Runs the reference."""
        self.graph = self.sample.graph
        self.refused: list[str] = []
        self.held: dict[Value, object] = dict(
            zip(self.graph.inputs, (self.sample.feeds[name] for name in self.graph.input_names), strict=True)
        )

        def observe(node: Node, results: tuple[Array, ...]) -> None:
            self.held.update(zip(node.outputs, results, strict=True))

        self.want: Results = dict(run(self.graph, self.sample.feeds, observe=observe))
        self.random = random_outputs(self.graph)

    def findings(self, judges_called: Sequence[str] = ()) -> list[Finding]:
        """All disagreements, or those of the judges that are called."""
        found: list[Finding] = []
        judges: tuple[tuple[str, Callable[[str], Iterator[Finding]]], ...] = (
            ("text", self.text),
            ("exact passes", self.exact_passes),
            ("passes", self.passes),
            ("file", self.file),
            ("onnxruntime", self.onnxruntime),
            ("onnx", self.evaluator),
            ("compiled", self.compiled),
        )
        for name, judge in judges:
            if judges_called and name not in judges_called:
                continue
            self.stage(name)
            try:
                found += judge(name)
            except Exception as error:
                found.append(Finding(name, self.operators, said(error), trace(error)))
        return found

    @property
    def operators(self) -> str:
        """The operators of the graph, as one word."""
        return "+".join(self.sample.operators)

    def text(self, name: str) -> Iterator[Finding]:
        """The graph is right, and the textual form holds all of it."""
        verify(self.graph)
        if not same_graph(parse_graph(print_graph(self.graph), weights=held_weights(self.graph)), self.graph):
            yield Finding(name, self.operators, "another graph comes back", "")

    def exact_passes(self, name: str) -> Iterator[Finding]:
        """Passes that promise the same bits."""
        better = optimize(self.graph, exact=True)
        verify(better)
        have = run(better, self.sample.feeds)
        for output, how in compared(self.want, have, bits=True).items():
            yield Finding(name, self.operators, how, self.values_of(output, have))

    def passes(self, name: str) -> Iterator[Finding]:
        """Passes that are exact over the reals."""
        better = optimize(self.graph)
        verify(better)
        have = run(better, self.sample.feeds)
        differing = compared(self.want, have)
        if differing and not self.grows(differing):
            for output, how in differing.items():
                yield Finding(name, self.operators, how, self.values_of(output, have))

    def file(self, name: str) -> Iterator[Finding]:
        """import(export(graph)) computes the same bits as the legal graph, and that the same as the graph."""
        import onnx

        try:
            legal = legalize(self.graph, self.opset)
        except UnsupportedError:
            self.refused.append(name)
            return
        path = self.folder / "file.onnx"
        export_onnx(self.graph, path, opset=self.opset)
        onnx.checker.check_model(str(path), full_check=True)
        back = import_onnx(path)
        verify(back)
        want = run(legal, self.sample.feeds)
        if meaning(back) != meaning(legal):
            have = run(back, self.sample.feeds)
            for output, how in compared(want, have).items():
                if output not in self.random:
                    yield Finding(name, self.operators, how, self.values_of(output, have))
        differing = {key: how for key, how in compared(self.want, want).items() if key not in self.random}
        if differing:
            yield from self.culprits("decomposition", differing, self._legal)

    def _legal(self, graph: Graph, feeds: Mapping[str, Array]) -> Results:
        return dict(run(legalize(graph, self.opset), feeds))

    def onnxruntime(self, name: str) -> Iterator[Finding]:
        """The file for onnxruntime 1.31, run there."""
        yield from self.elsewhere(name, self.by_onnxruntime)

    def evaluator(self, name: str) -> Iterator[Finding]:
        """A file of the newest opset, run by onnx's own evaluator."""
        yield from self.elsewhere(name, self.by_evaluator)

    def compiled(self, name: str) -> Iterator[Finding]:
        """Machine code of the graph, passes on."""
        yield from self.elsewhere(name, by_machine_code)

    def elsewhere(self, name: str, runner: Runner) -> Iterator[Finding]:
        """The results of another runtime against the reference's."""
        try:
            have = runner(self.graph, self.sample.feeds)
        except RefusedError:
            self.refused.append(name)
            yield from self.culprits(name, {}, runner)
            return
        except Exception as error:
            found = list(self.culprits(name, {}, runner))
            if found or not self.random:  # other random numbers may be indices that do not exist
                yield from found or [Finding(name, self.operators, said(error), trace(error))]
            return
        differing = {key: how for key, how in compared(self.want, have).items() if key not in self.random}
        if differing:
            yield from self.culprits(name, differing, runner)

    def by_onnxruntime(self, graph: Graph, feeds: Mapping[str, Array]) -> Results:
        """The outputs under onnxruntime."""
        import onnxruntime

        path = self.folder / "ort.onnx"
        try:
            export_onnx(graph, path, target="ort==1.31")
        except UnsupportedError as error:
            raise RefusedError from error
        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            results = session.run(None, dict(feeds))
        except Exception as error:
            if any(text in str(error) for text in REFUSALS):
                raise RefusedError from error
            raise
        return dict(zip(graph.output_names, results, strict=True))

    def by_evaluator(self, graph: Graph, feeds: Mapping[str, Array]) -> Results:
        """The outputs under onnx.reference."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        path = self.folder / "evaluator.onnx"
        try:
            export_onnx(graph, path, opset=EVALUATOR_OPSET)
        except UnsupportedError as error:
            raise RefusedError from error
        try:
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(with_named_results(onnx.load(path))).run(None, dict(feeds))
        except NotImplementedError as error:
            raise RefusedError from error
        return dict(zip(graph.output_names, cast("Sequence[object]", results), strict=True))

    def culprits(self, name: str, differing: Mapping[str, str], runner: Runner) -> Iterator[Finding]:
        """A finding for each node that differs alone; for the graph where none does and rounding is not the reason."""
        found = False
        for node in self.graph.nodes:
            if node.op.name == "constant" or any(name in GENERATORS for name in re.split(r"[+()]", named(node))):
                continue
            for each in self.of_node(name, node, runner):
                found = True
                yield each
        if not found and differing and not self.grows(differing):
            how = f"together: {', '.join(sorted(set(differing.values())))}"
            special = not all(map(is_finite, self.held.values()))
            yield Finding(name, self.operators, how, f"{NOT_FINITE if special else ''}{dict(differing)}")
            if special:
                yield from self.tamed(name, runner)

    def of_node(self, name: str, node: Node, runner: Runner) -> Iterator[Finding]:
        """What differs where a node runs alone on the numbers of the whole graph.

        Where those are not all finite, the node is judged on finite ones, too: so no NaN hides what is wrong.
        """
        alone = self.alone(node)
        if alone is None:
            return
        found = list(judged_alone(name, node, runner, alone))
        yield from found
        if any(each.detail.startswith(NOT_FINITE) for each in found):
            yield from self.of_tame_node(name, node, runner, alone)

    def of_tame_node(self, name: str, node: Node, runner: Runner, alone: Alone) -> Iterator[Finding]:
        """What differs on finite numbers."""
        operands = {key: ordinary(item) for key, item in alone.operands.items()}
        if all(operands[key] is item for key, item in alone.operands.items()):
            return
        held = {
            each.value: constant_of(cast("Array", operands[alone.graph.name_of(each.value)]))
            for each in alone.graph.parameters
        }
        weights = tuple(Parameter(each.value, held[each.value]) for each in alone.graph.parameters)
        graph = replace(alone.graph, parameters=weights)
        tame = _ran(graph, {key: operands[key] for key in alone.feeds}, operands)
        if tame is not None and not is_left_open(node.op.name, list(operands.values()), node.attributes, strict=False):
            yield from judged_alone(name, node, runner, tame)

    def tamed(self, name: str, runner: Runner) -> Iterator[Finding]:
        """What differs where the whole graph is fed finite numbers instead, if all that it computes is finite then."""
        feeds = {key: cast("Array", ordinary(item)) for key, item in self.sample.feeds.items()}
        try:
            other = Judged(Sample(self.graph, feeds), self.folder, self.opset, self.stage)
            have = runner(self.graph, feeds)
        except (XirError, RefusedError):
            return
        if all(map(is_finite, other.held.values())):
            differing = {key: how for key, how in compared(other.want, have).items() if key not in self.random}
            if differing:
                yield from other.culprits(name, differing, runner)

    def alone(self, node: Node) -> Alone | None:
        """The node with what the reference feeds it in the whole graph; weights and literals stay such."""
        op = definition(node)
        operands: list[Value | None] = []
        inputs: dict[Value, str] = {}
        weights: list[Parameter] = []
        given: dict[str, object] = {}
        for index, value in enumerate(node.inputs):
            if value is None:
                operands.append(None)
                continue
            if isinstance(value.type, UnrankedType):
                return None
            constant = self.graph.constant_of(value)
            item = constant.array() if constant is not None else self.held[value]
            fresh = Value(_fixed(value.type, item))
            inputs[fresh] = f"x{index}"
            given[f"x{index}"] = item
            operands.append(fresh)
            if constant is not None:
                weights.append(Parameter(fresh, constant))
        try:
            made = cast("Value | tuple[Value, ...]", op(*operands, **node.attributes))
            outputs = (made,) if isinstance(made, Value) else tuple(made)
            names = tuple(f"y{index}" for index in range(len(outputs)))
            fed = tuple(value for value in inputs if all(value is not each.value for each in weights))
            graph = Graph("alone", fed, outputs, names, tuple(weights), inputs)
        except XirError:
            return None
        return _ran(graph, {inputs[value]: given[inputs[value]] for value in fed}, given)

    def grows(self, differing: Mapping[str, str]) -> bool:
        """Whether rounding alone moves these outputs as far: some of them differ when every result is shifted a bit."""
        moved: set[str] = set()
        for seed in range(6):
            moved |= compared(self.want, self.shifted(seed)).keys()
        return bool(moved & differing.keys())

    def shifted(self, seed: int) -> Results:
        """The outputs when every floating result is changed by some units in the last place."""
        random = np.random.default_rng(seed)
        held = dict(self.held)
        for node in self.graph.nodes:
            given = [self._read(held, value) for value in node.inputs]
            try:
                results = run_node(node, given)
            except XirError:
                return self.want
            for value, array in zip(node.outputs, results, strict=True):
                held[value] = _noisy(array, random)
        return {
            name: self._read(held, value)
            for name, value in zip(self.graph.output_names, self.graph.outputs, strict=True)
        }

    def _read(self, held: Mapping[Value, object], value: Value | None) -> Array | None:
        if value is None:
            return None
        constant = self.graph.constant_of(value)
        return constant.array() if constant is not None else cast("Array", held[value])

    def values_of(self, output: str, have: Mapping[str, object]) -> str:
        """Both sides of an output, cut short."""
        return f"{shown(self.want[output])} and {shown(have[output])}"


def _noisy(item: object, random: np.random.Generator) -> object:
    if isinstance(item, list):
        return [_noisy(each, random) for each in cast("list[object]", item)]
    if not isinstance(item, np.ndarray) or not dtype_from_numpy(item.dtype).is_floating or item.dtype.itemsize < 2:
        return item
    array = cast("Array", item)
    steps = {2: 2.0**-9, 4: 2.0**-21, 8: 2.0**-50}[array.dtype.itemsize]
    if array.dtype.name == "bfloat16":
        steps = 2.0**-7
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        scale = np.abs(wide) + 1e-3 * np.max(np.abs(wide[np.isfinite(wide)]), initial=0.0)
        shifted = wide + random.choice((-1.0, 0.0, 1.0), wide.shape) * steps * scale
        return np.where(np.isfinite(shifted), shifted, wide).astype(array.dtype)


def _fixed(type: Type, item: object) -> Type:
    """The type with the sizes that the tensor has."""
    if isinstance(item, np.ndarray) and not isinstance(type, UnrankedType) and hasattr(type, "shape"):
        return type.with_shape(item.shape)  # type: ignore[union-attr]  # a tensor's, that is
    return type


def random_outputs(graph: Graph) -> set[str]:
    """The outputs that depend on an operator whose numbers ONNX leaves open."""
    found: set[Value] = set()
    for node in graph.nodes:
        bodies = [value for value in node.attributes.values() if isinstance(value, Graph)]
        inside = any(each.op.name in GENERATORS for body in bodies for each in body.nodes)
        if inside or node.op.name in GENERATORS or any(value in found for value in node.inputs):
            found.update(node.outputs)
    return {name for name, value in zip(graph.output_names, graph.outputs, strict=True) if value in found}


def with_named_results(model: ModelProto) -> ModelProto:
    """The model, in which results that nobody wants have names.

    onnx's evaluator (reference_evaluator.py, `results[name] = value`) keeps them under '', and feeds them to the next
    operator that goes without an operand.
    """
    graphs, count = [model.graph], 0
    while graphs:
        for node in graphs.pop().node:
            graphs += [held.g for held in node.attribute if held.HasField("g")]
            for place, name in enumerate(node.output):
                if not name:
                    node.output[place] = f"unwanted {count}"
                    count += 1
    return model


def by_machine_code(graph: Graph, feeds: Mapping[str, Array]) -> Results:
    """The outputs of machine code."""
    try:
        host()
    except (UnsupportedError, MissingExtraError) as error:
        raise RefusedError from error
    with compile_graph(optimize(graph), threads=1) as compiled:
        return dict(zip(graph.output_names, compiled.run(None, feeds), strict=True))


def judged_alone(name: str, node: Node, runner: Runner, alone: Alone) -> Iterator[Finding]:
    """What differs between the reference and another runner on one node."""
    told = described(node, alone.operands)
    if has_body(node) and not told.startswith(NOT_FINITE) and not all(map(is_finite, alone.want.values())):
        told = NOT_FINITE + told
    try:
        have = runner(alone.graph, alone.feeds)
    except RefusedError:
        return
    except Exception as error:
        yield Finding(name, named(node), said(error), f"{told}: {trace(error)}")
        return
    for output, how in compared(alone.want, have).items():
        detail = f"{told}: {shown(alone.want[output])} and {shown(have[output])}"
        yield Finding(name, named(node), how, detail)


def _ran(graph: Graph, feeds: Mapping[str, object], operands: Mapping[str, object]) -> Alone | None:
    given = cast("dict[str, Array]", dict(feeds))
    try:
        return Alone(graph, given, dict(operands), dict(run(graph, given)))
    except XirError:
        return None
