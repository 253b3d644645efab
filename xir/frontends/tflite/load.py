"""TFLite among the formats: loaded with the options that concern it."""

from __future__ import annotations

from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.tflite.importer import build
from xir.frontends.tflite.reader import read_tflite


def load_tflite(path: str, options: LoadOptions) -> Loaded:
    """The graph of the first subgraph of a TFLite file.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `read_tflite` and `build`.
    """
    model = read_tflite(path)
    imported = build(model, inputs=options.inputs)
    notes: list[str] = []
    others = [signature.key for signature in model.signatures if signature.subgraph]
    if others:
        told = ", ".join(repr(key) for key in others)
        notes.append(f"the first subgraph is read; other ones are entered by the signatures {told}")
    if imported.state:
        names = ", ".join(repr(name) for name in imported.state)
        notes.append(
            f"the model has state: each run takes as {names} what the one before gave as '.new' (docs/tflite.md)"
        )
    metadata = dict(model.metadata) | ({"description": model.description} if model.description else {})
    operators = len(model.subgraphs[0].operators)
    return Loaded(imported.graph, "tflite", (path,), operators, tuple(notes), state=imported.state, metadata=metadata)
