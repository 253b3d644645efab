"""What xir's exporter notes in the metadata of its files, read again: source layers, and what is known of sizes.

Anything else under the same keys is a stranger's and left alone.
"""

from __future__ import annotations

import json
from typing import cast

from xir.frontends.onnx.model import OnnxModel, OnnxNode
from xir.ir.source import Source

SYMBOLS_KEY = "xir.symbols"
"""The key of the model's metadata in which xir's exporter keeps what is known of symbolic sizes."""

SOURCE_KEY = "xir.source"
"""The key of a node's metadata in which xir's exporter keeps the layers that a node stands for."""


STATE_KEY = "xir.state"
"""The key of the model's metadata in which xir's exporter lists the inputs whose defaults are the model's state."""


def state_names(model: OnnxModel) -> frozenset[str]:
    """The inputs that are the state of the model, as xir's exporter noted them."""
    noted = [name for name in _list(_json(model.metadata.get(STATE_KEY, ""))) if isinstance(name, str)]
    return frozenset(noted) & {info.name for info in model.graph.inputs}


def symbol_ranges(model: OnnxModel) -> dict[str, tuple[int, int | None, int]]:
    """What xir's exporter noted of named sizes; anything else under the key is left alone."""
    noted = _json(model.metadata.get(SYMBOLS_KEY, ""))
    found: dict[str, tuple[int, int | None, int]] = {}
    for name, range_ in cast("dict[str, object]", noted).items() if isinstance(noted, dict) else ():
        match _list(range_):
            case [int() as low, (int() | None) as high, int() as divisor] if low >= 0 and divisor > 0:
                if high is None or high >= low:
                    found[name] = (low, high, divisor)
            case _:
                pass
    return found


def _json(text: str) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def former_sources(node: OnnxNode) -> tuple[Source, ...]:
    """The layers that xir's exporter noted; anything else under the key is taken for a stranger's and left alone."""
    sources = [_source(item) for item in _list(_json(node.metadata.get(SOURCE_KEY, "")))]
    return tuple(source for source in sources if source is not None)


def _source(item: object) -> Source | None:
    if not isinstance(item, dict):
        return None
    held = cast("dict[str, object]", item)
    texts = [held.get(key) for key in ("framework", "file", "layer", "kind")]
    words = [text for text in texts if isinstance(text, str)]
    order, location = held.get("order", 0), held.get("location")
    module = held.get("module")
    if len(words) != 4 or not isinstance(order, int) or not isinstance(location, str | None):
        return None
    path, layout = _list(held.get("path")), held.get("layout")
    permutation = tuple(axis for axis in _list(layout) if isinstance(axis, int)) if layout is not None else None
    return Source(
        words[0],
        words[1],
        words[2],
        words[3],
        tuple(part for part in path if isinstance(part, str)),
        location,
        order,
        permutation,
        module if isinstance(module, str) else None,
    )


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
