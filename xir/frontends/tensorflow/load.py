"""TensorFlow graphs among the formats: recognized by how they begin, loaded with the options that concern them."""

from __future__ import annotations

from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.tensorflow.importer import build
from xir.frontends.tensorflow.reader import looks_like_graph, read_graph

__all__ = ["load_graph", "looks_like_graph"]


def load_graph(path: str, options: LoadOptions) -> Loaded:
    """The graph of a GraphDef file.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `import_tensorflow`.
    """
    model = read_graph(path)
    graph = build(model, inputs=options.inputs, outputs=options.outputs)
    left = sorted({node.kind for node in model.nodes.values() if node.kind in ("Assert", "Print", "PrintV2")})
    notes = tuple(f"{kind} is left out: it computes nothing" for kind in left)
    return Loaded(graph, "tensorflow", (path,), len(model.nodes), notes)
