"""A graph as a program of torch.export: the module is built, traced by PyTorch, and saved."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

from xir.backends.export.report import PIP_TORCH, ExportReport
from xir.backends.export.torch.export import export_module
from xir.errors import MissingExtraError, UnsupportedError
from xir.files import PathLike, atomic_write
from xir.ir.dims import Symbol, bounds, evaluate, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType

if TYPE_CHECKING:
    import torch

_EXAMPLE = 7
"""The size of an axis that is not known, in the example that PyTorch traces: 0 and 1 would be taken for fixed."""


def export_program(graph: Graph, path: PathLike, *, least: Mapping[Symbol, int] | None = None) -> ExportReport:
    """Writes `graph` as a `.pt2` archive of torch.export, whole or not at all; needs PyTorch.

    Sizes that are not known stay so (`torch.export.Dim.DYNAMIC`).

    Args:
        graph: the model.
        path: of the file to write.
        least: sizes of unknown axes that the model needs at the least.

    Raises:
        MissingExtraError: if PyTorch is not installed.
        UnsupportedError: operators or element types that have no form there, all of them listed; or PyTorch's tracer
            does not follow the module: control flow that depends on data.
        FileError: the file cannot be written; an old one is untouched.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("a .pt2 file is written by PyTorch, which is not installed", hint=PIP_TORCH)
    from dataclasses import replace

    with TemporaryDirectory(prefix="xir-") as folder:
        written = os.path.join(folder, "net.py")
        report = export_module(graph, written)
        data = _traced(graph, written, least or {})
    with atomic_write(path) as output:
        output.write(data)
    name: str = os.fspath(path)
    return replace(report, path=name, size=len(data), data_file=None, data_size=0, format="pt2")


def _traced(graph: Graph, written: str, least: Mapping[Symbol, int]) -> bytes:
    import torch

    net = _loaded(written)
    sizes = {
        symbol: max(_EXAMPLE, least.get(symbol, 0), bounds(symbol)[0] or 0)
        for value in graph.inputs
        for size in (value.type.shape if isinstance(value.type, TensorType) else ())
        for symbol in symbols_of(size)
    }
    examples = tuple(_example(value, sizes) for value in graph.inputs)
    dynamic = tuple(_dynamic(value) for value in graph.inputs)
    buffer = io.BytesIO()
    try:
        with torch.no_grad():
            program = torch.export.export(net, examples, dynamic_shapes=dynamic if any(dynamic) else None)
        torch.export.save(program, buffer)
    except Exception as error:
        raise UnsupportedError(
            f"torch.export does not follow the module: {' '.join(str(error).split())[:400]}",
            hint="write a module instead (.py), or fix the input sizes: --input NAME=f32[...]",
        ) from error
    return buffer.getvalue()


def _loaded(path: str) -> torch.nn.Module:
    """The network of a file that was just written; our own text, in which no code of a model stands."""
    spec = spec_from_file_location("net", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("torch.nn.Module", module.Net.load())


def _example(value: Value, sizes: Mapping[Symbol, int]) -> torch.Tensor:
    import torch

    from xir.backends.export.torch._literals import TORCH

    shape = [evaluate(size, sizes) for size in value.shape]
    kinds: Mapping[str, object] = vars(torch)
    kind = kinds[TORCH[value.dtype]]
    if not isinstance(kind, torch.dtype):
        raise TypeError(f"{kind!r} is no element type")
    return torch.zeros([size for size in shape if isinstance(size, int)], dtype=kind)


def _dynamic(value: Value) -> dict[int, object]:
    """The axes whose sizes are not known."""
    import torch

    return {axis: torch.export.Dim.DYNAMIC for axis, size in enumerate(value.shape) if not isinstance(size, int)}
