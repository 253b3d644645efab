"""Which operator set and file version to write: what is asked for, what a runtime takes, what the graph needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from xir.backends.export.onnx._form import NEWEST_OPSET, OLDEST_OPSET
from xir.backends.export.onnx._tensor import IR_VERSIONS
from xir.backends.export.onnx.kernels import Kernels, ort_1_31
from xir.backends.export.onnx.legalize import HINT_OF_TARGET, legalize, lowest_opset
from xir.errors import UnsupportedError, UsageError
from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType

Tidy = Callable[[Graph], Graph]
"""Makes a graph smaller that computes the same."""

DEFAULT_OPSET = 21
"""Written unless the graph needs a newer one: onnx 1.16 of March 2024, which today's onnxruntime, OpenVINO and
TensorRT take."""

IR_OF_OPSET: Mapping[int, int] = {
    **dict.fromkeys((11,), 6),
    **dict.fromkeys((12, 13, 14), 7),
    **dict.fromkeys((15, 16, 17, 18), 8),
    **dict.fromkeys((19, 20), 9),
    **dict.fromkeys((21, 22), 10),
    23: 11,
    24: 12,
    **dict.fromkeys((25, 26, 27), 13),
    28: 14,
}
"""The IR version of the onnx release that brought each opset (onnx docs/Versioning.md; helper.VERSION_TABLE)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a runtime takes.

    Attributes:
        opset: the newest operator set.
        ir_version: the newest file version.
        kernels: what it computes, where that is known.
    """

    opset: int
    ir_version: int
    kernels: Callable[[], Kernels] | None = None


TARGETS: Mapping[str, Mapping[tuple[int, ...], Target]] = {
    # onnxruntime.ai/docs/reference/compatibility.html: the onnx release of each onnxruntime release, whose opset and
    # IR version are those of onnx docs/Versioning.md. 1.31 was tried: it refuses IR 14 and opset 27.
    "ort": {
        (1, 6): Target(12, 7),
        (1, 7): Target(13, 7),
        (1, 9): Target(14, 7),
        (1, 10): Target(15, 8),
        (1, 12): Target(16, 8),
        (1, 13): Target(17, 8),
        (1, 14): Target(18, 8),
        (1, 16): Target(19, 9),
        (1, 17): Target(20, 9),
        (1, 18): Target(21, 10),
        (1, 22): Target(22, 10),
        (1, 23): Target(23, 11),
        (1, 31): Target(26, 13, ort_1_31),
    },
    # OpenVINO, src/frontends/onnx: LATEST_SUPPORTED_ONNX_OPSET_VERSION is that of the onnx it is built with, and
    # newer opsets fall back to it with a warning; 2024.3 and later build with onnx 1.16 or newer.
    "openvino": {(2022, 3): Target(16, 8), (2023, 0): Target(18, 8), (2024, 3): Target(21, 10)},
    # docs.nvidia.com, TensorRT, 'ONNX Opset Guide': 11.x takes opset 9 to 25, built with onnx 1.20; 'operators.md' of
    # onnx-tensorrt for 10.x: up to opset 20, later 22 and 24; 8.6: up to 17.
    "tensorrt": {(8, 6): Target(17, 8), (10, 0): Target(20, 9), (11, 0): Target(25, 13)},
    # OpenCV's importer has no limit of its own, but reads only the older forms of many operators. At opset 17, 4.13
    # reads open_nsfw, LeNet, MTCNN and a super-resolution net as xir writes them; it has no NonMaxSuppression.
    "opencv": {(4, 5): Target(11, 6), (4, 8): Target(13, 7), (4, 13): Target(17, 8)},
}
"""The first version of each runtime that takes what stands there."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What is written.

    Attributes:
        opset: the version of the default operator set.
        ir_version: the version of the file format.
    """

    opset: int
    ir_version: int


def parse_target(text: str) -> Target:
    """What `ort==1.31` takes; without a version, what the newest known release does.

    Raises:
        UsageError: no such runtime, a version that is older than all known, or no version number.
    """
    name, _, version = text.partition("==")
    known = TARGETS.get(name.strip().lower())
    if known is None:
        raise UsageError(
            f"unknown target {text!r}; known are {', '.join(TARGETS)}", hint="write --target ort==1.31, for example"
        )
    if not version:
        return known[max(known)]
    try:
        wanted = tuple(int(part) for part in version.strip().split("."))
    except ValueError:
        raise UsageError(f"{version!r} is no version number", hint="write --target ort==1.31, for example") from None
    fitting = [first for first in known if first <= wanted]
    if not fitting:
        raise UsageError(f"{text!r} is older than what xir writes for ({'.'.join(map(str, min(known)))})")
    return known[max(fitting)]


def choose(
    graph: Graph, opset: int | None, ir_version: int | None, target: str | None, tidy: Tidy | None = None
) -> tuple[Versions, Graph]:
    """The versions to write, and the graph legalised for them.

    Args:
        graph: the model.
        opset: what the person asks for: exactly that.
        ir_version: likewise.
        target: a runtime as `parse_target` reads it; then the default opset, or the runtime's if that is older,
            raised as far as the graph needs and the runtime takes.
        tidy: cleans up what the pieces of operators leave, such as equal ones.

    Raises:
        UsageError: versions that xir does not write, or that contradict each other.
        UnsupportedError: the graph has no form in them; all its problems are listed.
    """
    limit = Target(NEWEST_OPSET, IR_OF_OPSET[NEWEST_OPSET]) if target is None else parse_target(target)
    if opset is not None and not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise UsageError(f"opset {opset} is not written; expected {OLDEST_OPSET} to {NEWEST_OPSET}")
    if opset is not None and opset > limit.opset:
        raise UsageError(f"{target} takes opsets up to {limit.opset}, not {opset}")
    kernels = None if limit.kernels is None else limit.kernels()
    if opset is None:
        chosen, legal = best_opset(graph, min(DEFAULT_OPSET, limit.opset), limit.opset, kernels)
    else:
        chosen, legal = opset, legalize(graph, opset, kernels)
    if tidy is not None:
        legal = legalize(tidy(legal), chosen, kernels)
    needed = max([3, *(IR_VERSIONS.get(dtype, 3) for dtype in dtypes_in(legal))])
    if ir_version is None:
        ir_version = max(IR_OF_OPSET[chosen], needed)
        if ir_version > limit.ir_version and target is not None:
            raise UnsupportedError(f"the graph needs IR version {ir_version}; {target} takes {limit.ir_version}")
    elif ir_version < needed or not 3 <= ir_version <= IR_OF_OPSET[NEWEST_OPSET]:
        raise UsageError(
            f"IR version {ir_version} cannot hold the graph's element types; expected {needed} to "
            f"{IR_OF_OPSET[NEWEST_OPSET]}"
        )
    return Versions(chosen, ir_version), legal


def best_opset(graph: Graph, start: int, limit: int, kernels: Kernels | None = None) -> tuple[int, Graph]:
    """The lowest opset from `start` on that says the graph, up to `limit`; else the newest older one.

    An older wording helps where a runtime has kernels of that alone.

    Raises:
        UnsupportedError: none says all of it; told is what the runtime lacks, if an opset at least says it.
    """
    try:
        return start, legalize(graph, start, kernels)
    except UnsupportedError as error:
        refusal = error
    if kernels is None:
        better = lowest_opset(graph, start)
        if better == start or better > limit:
            raise refusal
        return better, legalize(graph, better)
    for candidate in (*range(start + 1, limit + 1), *range(start - 1, OLDEST_OPSET - 1, -1)):
        try:
            return candidate, legalize(graph, candidate, kernels)
        except UnsupportedError as error:
            if error.hint == HINT_OF_TARGET != refusal.hint:
                refusal = error  # says what the runtime lacks, not what the opset does
    raise refusal


def dtypes_in(graph: Graph) -> Iterator[DType]:
    """The element types of a graph's values, bodies left out, as often as they stand there."""
    values = [*graph.inputs, *(parameter.value for parameter in graph.parameters)]
    values += [value for node in graph.nodes for value in node.outputs]
    for value in values:
        if isinstance(value.type, TensorType):
            yield value.type.dtype
    for node in graph.nodes:
        for attribute in node.attributes.values():
            if isinstance(attribute, Constant):
                yield attribute.dtype
