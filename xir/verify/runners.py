"""Ways to run one side of a comparison: our reference, or onnxruntime on an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from xir.errors import MismatchError, MissingExtraError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.reference import run


class Runner(Protocol):
    """One side of a comparison.

    Attributes:
        runtime: the runtime's name and version.
        input_names: the names to feed, in order.
        output_names: the names of the results, in order.
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
    def output_names(self) -> Sequence[str]:
        """The names of the results, in order."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """The results by name."""
        ...


class ReferenceRunner:
    """A graph run by the reference."""

    runtime = "xir reference"

    def __init__(self, graph: Graph) -> None:
        """Runs `graph`."""
        self.graph = graph
        self.input_names: Sequence[str] = graph.input_names
        self.output_names: Sequence[str] = graph.output_names

    def run(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """The graph's outputs."""
        return run(self.graph, feeds)


class OnnxRuntimeRunner:
    """An ONNX file run by onnxruntime on the CPU."""

    def __init__(self, path: str | bytes) -> None:
        """Opens the file at `path`, or the model that the bytes hold.

        Raises:
            MissingExtraError: if onnxruntime is not installed.
            MismatchError: if onnxruntime refuses the file.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime is not installed", hint="pip install 'xir-compiler[ort]'") from error
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            file = path if isinstance(path, str) else None
            raise MismatchError(f"{self.runtime} refuses the file: {error}", number=602, file=file) from error
        self.input_names: Sequence[str] = [item.name for item in self._session.get_inputs()]
        self.output_names: Sequence[str] = [item.name for item in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        """The file's outputs.

        Raises:
            MismatchError: if onnxruntime fails.
        """
        try:
            results = self._session.run(None, feeds)
        except Exception as error:
            raise MismatchError(f"{self.runtime} fails: {error}", number=602) from error
        return dict(zip(self.output_names, results, strict=True))


def has_onnxruntime() -> bool:
    """Whether onnxruntime can be imported."""
    return find_spec("onnxruntime") is not None
