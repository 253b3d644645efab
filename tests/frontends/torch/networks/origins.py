"""Which nodes of a network's graphs say where they come from: as read, optimised, and as ONNX read again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xir.inspect.provenance import Origin
    from xir.ir.graph import Graph


def traced(paths: Mapping[str, Path]) -> dict[str, Any]:
    """The answer of the way: `equal` where every node of every graph names its module and its line.

    Args:
        paths: {name: file that torch has saved}; types of its inputs may stand in `types.json` beside it.

    Returns:
        `origins`: nodes that name both, all nodes; `told`: the first ones of each graph that do not.
    """
    known, nodes, lost = 0, 0, []
    for name, path in paths.items():
        for stage, graph in _stages(path):
            silent, count = _silent(graph)
            nodes, known = nodes + count, known + count - len(silent)
            lost += [f"{name} {stage}: {_told(origin)}" for origin in silent[:3]]
    status = "different" if lost else "equal"
    return {"status": status, "error": 1 - known / nodes, "origins": [known, nodes], "told": "; ".join(lost)}


def _stages(path: Path) -> Iterator[tuple[str, Graph]]:
    """The graphs on the way from a file to ONNX and back, by name."""
    import xir
    from xir.api import load_options
    from xir.frontends.load import load_model
    from xir.passes import optimize

    types = path.with_name("types.json")
    given = json.loads(types.read_text()) if types.is_file() else None
    graph = load_model(str(path), load_options(None, None, given, None)).graph
    yield "as read", graph
    yield "optimized", optimize(graph)
    written = path.with_name("origins.onnx")
    xir.convert(graph, written, verify=False)
    again = xir.load(written)
    yield "as ONNX", again
    yield "as ONNX, optimized", optimize(again)


def _silent(graph: Graph) -> tuple[list[Origin], int]:
    """The nodes that lack a module or a line, and how many nodes there are."""
    from xir.inspect.provenance import has_line, has_module, provenance

    origins = provenance(graph).nodes
    return [
        origin for origin in origins if not all(any(map(has, origin.sources)) for has in (has_module, has_line))
    ], len(origins)


def _told(origin: Origin) -> str:
    kinds = ", ".join(f"{source.kind} {source.layer}" for source in origin.sources[:2])
    return f"{origin.operator} {origin.name} of {kinds or 'nothing'}"
