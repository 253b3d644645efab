"""Ways to run one side of a comparison: our reference, or a foreign runtime on a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol, TypeAlias, cast

import numpy as np

from xir.backends.export.report import PIP_TORCH
from xir.errors import MismatchError, MissingExtraError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.types import TensorType, Type
from xir.limits import FOREIGN_BYTES_PER_SECOND, FOREIGN_RATIO, FOREIGN_SECONDS
from xir.reference import run
from xir.verification._child import Header, Result, items
from xir.verification._process import ChildProcess

InputShape: TypeAlias = "tuple[int | None, ...] | None"


class Runner(Protocol):
    """One side of a comparison.

    Attributes:
        runtime: the runtime's name and version.
        input_names: the names to feed, in order.
        input_shapes: their shapes; None for a size that is not fixed, and for a whole shape that is not told.
        output_names: the names of the results, in order.
        draws_alike: whether its random numbers must be the reference's.
    """

    @property
    def runtime(self) -> str:
        """The runtime's name and version."""
        ...

    @property
    def input_names(self) -> Sequence[str]:
        """The names to feed, in order."""
        ...

    @property
    def input_shapes(self) -> Sequence[InputShape]:
        """The shapes of the inputs, in order."""
        ...

    @property
    def output_names(self) -> Sequence[str]:
        """The names of the results, in order."""
        ...

    @property
    def draws_alike(self) -> bool:
        """Whether its random numbers must be the reference's."""
        ...

    def run(self, feeds: Mapping[str, Array], *, peer_seconds: float = 0.0) -> Mapping[str, Array]:
        """The results by name; `peer_seconds` is what the other side needed, for a limit on this one's time."""
        ...


class ReferenceRunner:
    """A graph run by the reference."""

    runtime = "reference"
    draws_alike = False  # a graph that was written and read again may have other seeds

    def __init__(self, graph: Graph) -> None:
        """Runs `graph`."""
        self.graph = graph
        self.input_names: Sequence[str] = graph.input_names
        self.input_shapes: Sequence[InputShape] = [shape_of(value.type) for value in graph.inputs]
        self.output_names: Sequence[str] = graph.output_names

    def run(self, feeds: Mapping[str, Array], *, peer_seconds: float = 0.0) -> Mapping[str, Array]:
        """The graph's outputs; there is no limit on its time."""
        return run(self.graph, feeds)


class _ForeignRunner:
    """A file run by a foreign runtime on the CPU, in a process of its own.

    A model that kills the runtime does not kill us, and one that keeps it busy without end is ended.
    """

    draws_alike = False

    def __init__(self, name: str, module: str, path: str | bytes, seconds: float | None) -> None:
        """Opens the file at `path`, or the model that the bytes hold.

        Raises:
            MismatchError: if the runtime refuses the file, or dies of it.
            UnsafeError: if it does not come to an end.
        """
        self.runtime = name
        self.file = path if isinstance(path, str) else None
        self._seconds = FOREIGN_SECONDS if seconds is None else seconds
        self._process = ChildProcess(
            module,
            self.file,
            dies=f"the model makes {name} crash: do not serve it",
            stays=f"the model keeps {name} busy: give smaller inputs, or convert without verification: --no-verify",
        )
        content = np.frombuffer(path, np.uint8) if isinstance(path, bytes) else None
        size = os.path.getsize(path) if isinstance(path, str) and os.path.isfile(path) else len(path)
        header, _ = self._ask(
            {"path": os.path.abspath(path) if isinstance(path, str) else ""},
            [content],
            max(self._seconds, size / FOREIGN_BYTES_PER_SECOND),
            "open the file",
        )
        self.runtime = str(header["runtime"])
        if "error" in header:
            raise MismatchError(
                f"{self.runtime} refuses the file: {_in_line(header['error'])}", number=602, file=self.file
            )
        self.input_names: Sequence[str] = [str(name) for name in items(header["inputs"])]
        self.input_shapes: Sequence[InputShape] = [_told(shape) for shape in items(header["shapes"])]
        self.output_names: Sequence[str] = [str(name) for name in items(header["outputs"])]

    def run(self, feeds: Mapping[str, Array], *, peer_seconds: float = 0.0) -> Mapping[str, Array]:
        """The file's outputs, within `FOREIGN_RATIO` times `peer_seconds` or the runner's own limit.

        Raises:
            MismatchError: if the runtime fails, or dies.
            UnsafeError: if it does not come to an end.
        """
        limit = max(self._seconds, FOREIGN_RATIO * peer_seconds)
        header, results = self._ask({"feeds": list(feeds)}, list(feeds.values()), limit, "run the model")
        if "error" in header:
            raise MismatchError(
                f"{self.runtime} fails: {_in_line(header['error'])}",
                number=602,
                file=self.file,
                hint="if the models take other sizes or another layout: --input NAME=f32[...], --align NAME=AXES",
            )
        return {name: cast("Array", result) for name, result in zip(self.output_names, results, strict=True)}

    def _ask(
        self, header: Mapping[str, object], arrays: Sequence[Result], limit: float, what: str
    ) -> tuple[Header, list[Result]]:
        return self._process.ask(header, arrays, limit, (self.runtime, what))


class OnnxRuntimeRunner(_ForeignRunner):
    """An ONNX file run by onnxruntime."""

    def __init__(self, path: str | bytes, *, seconds: float | None = None) -> None:
        """Opens the file at `path`, or the model that the bytes hold.

        Args:
            path: the file, or its content.
            seconds: what opening and each run may take at the least, None for `xir.limits.FOREIGN_SECONDS`; a large
                file, or a reference that is slow itself, gives more time.

        Raises:
            MissingExtraError: if onnxruntime is not installed.
            MismatchError: if onnxruntime refuses the file, or dies of it.
            UnsafeError: if onnxruntime does not come to an end.
        """
        if not has_onnxruntime():
            raise MissingExtraError("onnxruntime is not installed", hint="pip install onnxruntime")
        super().__init__("onnxruntime", "xir.verification._child", path, seconds)


class TorchRunner(_ForeignRunner):
    """A module that xir wrote, run by PyTorch; only for files of our own exporter, for a module is code."""

    def __init__(self, path: str, *, seconds: float | None = None) -> None:
        """Opens the file at `path` and the weights beside it.

        Args:
            path: the Python file.
            seconds: see `OnnxRuntimeRunner`; PyTorch's own start takes some of them.

        Raises:
            MissingExtraError: if PyTorch is not installed.
            MismatchError: if PyTorch refuses the file, or dies of it.
            UnsafeError: if PyTorch does not come to an end.
        """
        if not has_torch():
            raise MissingExtraError("PyTorch is not installed", hint=PIP_TORCH)
        super().__init__("PyTorch", "xir.verification._torch", path, seconds)


class LiteRTRunner(_ForeignRunner):
    """A TFLite file run by LiteRT."""

    def __init__(self, path: str, *, seconds: float | None = None) -> None:
        """Opens the file at `path`.

        Args:
            path: the file.
            seconds: see `OnnxRuntimeRunner`.

        Raises:
            MissingExtraError: if LiteRT is not installed.
            MismatchError: if LiteRT refuses the file, or dies of it.
            UnsafeError: if LiteRT does not come to an end.
        """
        if not has_litert():
            raise MissingExtraError("LiteRT is not installed", hint="pip install ai-edge-litert")
        super().__init__("LiteRT", "xir.verification._litert", path, seconds)


def shape_of(type: Type) -> InputShape:
    """The sizes of an input, None for one that is not fixed; None for what is no tensor."""
    if not isinstance(type, TensorType):
        return None
    return tuple(dim if isinstance(dim, int) else None for dim in type.shape)


def _told(shape: object) -> InputShape:
    """A shape of onnxruntime, which gives an empty one where it knows none, too."""
    return tuple(size if isinstance(size, int) else None for size in items(shape)) or None


def _in_line(said: object) -> str:
    """A runtime's message, which may have many lines, as one."""
    return " ".join(str(said).replace("\\n", " ").split())


def has_litert() -> bool:
    """Whether LiteRT can be imported."""
    return find_spec("ai_edge_litert") is not None


def has_onnxruntime() -> bool:
    """Whether onnxruntime can be imported."""
    return find_spec("onnxruntime") is not None


def has_torch() -> bool:
    """Whether PyTorch can be imported."""
    return find_spec("torch") is not None
