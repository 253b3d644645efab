"""TFLite among the formats: loaded with the options that concern it."""

from __future__ import annotations

from xir.errors import UsageError
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.tflite.ending import ending
from xir.frontends.tflite.importer import build
from xir.frontends.tflite.model import TfliteModel
from xir.frontends.tflite.reader import read_tflite


def load_tflite(path: str, options: LoadOptions) -> Loaded:
    """The graph of the first subgraph of a TFLite file, or of the one that the signature `options.method` enters.

    Raises:
        UsageError: there is no such signature.
        FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `read_tflite` and `build`.
    """
    model = read_tflite(path)
    chosen = 0 if options.method is None else _entered(model, options.method)
    if options.outputs is not None:
        model = ending(model, chosen, options.outputs)
    imported = build(model, subgraph=chosen, inputs=options.inputs)
    notes: list[str] = []
    others = [signature.key for signature in model.signatures if signature.subgraph]
    if others and options.method is None:
        told = ", ".join(repr(key) for key in others)
        notes.append(f"the first subgraph is read; other ones are entered by the signatures {told} (--method NAME)")
    if imported.state:
        names = ", ".join(repr(name) for name in imported.state)
        notes.append(
            f"the model has state: each run takes as {names} what the one before gave as '.new' (docs/tflite.md)"
        )
    metadata = dict(model.metadata) | ({"description": model.description} if model.description else {})
    operators = len(model.subgraphs[chosen].operators)
    return Loaded(imported.graph, "tflite", (path,), operators, tuple(notes), state=imported.state, metadata=metadata)


def _entered(model: TfliteModel, key: str) -> int:
    """The subgraph that a signature enters."""
    for signature in model.signatures:
        if signature.key == key:
            return signature.subgraph
    raise UsageError(f"there is no signature {key!r}; there are {[signature.key for signature in model.signatures]}")
