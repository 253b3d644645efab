"""ONNX among the formats: recognized by its message's outline, loaded with the options that concern it."""

from __future__ import annotations

from xir.files import MappedFile
from xir.frontends.onnx._metadata import STATE_KEY, SYMBOLS_KEY, state_names
from xir.frontends.onnx.importer import build
from xir.frontends.onnx.model import OnnxModel, Tensor
from xir.frontends.onnx.reader import read_model
from xir.frontends.onnx.tensors import TensorStore
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.state import state_notes
from xir.ir.constant import Constant
from xir.ir.graph import Graph

_WIRE_TYPES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""Fields of ModelProto with their wire types (onnx.proto)."""

_GRAPH = 7
_MARKS = frozenset((1, 8))
_MAX_FIELDS = 1000
_HEAD = 20
_VARINT_BYTES = 10


def looks_like_onnx(file: MappedFile) -> bool:
    """Whether the outline of the file is that of a ModelProto: a graph, and an IR version or operator sets.

    Only tags and lengths are read; a file that is cut short inside the graph still counts.
    """
    seen: set[int] = set()
    offset = 0
    for _ in range(_MAX_FIELDS):
        if offset >= file.size:
            break
        head = file.read_at(offset, min(_HEAD, file.size - offset))
        tag, used = _varint(head, 0)
        number, wire = tag >> 3, tag & 7
        if used == 0 or _WIRE_TYPES.get(number) != wire:
            return False
        value, end = _varint(head, used)
        if end == 0:
            break
        seen.add(number)
        offset += end + (value if wire == 2 else 0)
    return _GRAPH in seen and bool(seen & _MARKS)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at `start` and where it ends; (0, 0) where none ends."""
    value = 0
    for index in range(start, min(len(data), start + _VARINT_BYTES)):
        value |= (data[index] & 0x7F) << (7 * (index - start))
        if data[index] < 0x80:
            return value, index + 1
    return 0, 0


def load_onnx(path: str, options: LoadOptions) -> Loaded:
    """The graph of an ONNX file.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `import_onnx`.
    """
    model = read_model(path)
    graph = build(model, inputs=options.inputs, trust_links=options.trust_links, training=options.training)
    state = _state(model, graph, TensorStore(path, options.trust_links))
    told = {key: value for key, value in model.metadata.items() if key not in (SYMBOLS_KEY, STATE_KEY)}
    return Loaded(graph, "onnx", (path,), len(model.graph.nodes), state_notes(state), state=state, metadata=told)


def _state(model: OnnxModel, graph: Graph, store: TensorStore) -> dict[str, Constant]:
    """What inputs that are the state of the model begin with; nothing for those that are said to be of other types."""
    names = state_names(model)
    types = {name: value.type for name, value in zip(graph.input_names, graph.inputs, strict=True) if name in names}
    tensors = [each for each in model.graph.initializers if isinstance(each, Tensor) and each.name in types]
    held = {tensor.name: store.dense(tensor) for tensor in tensors}
    return {name: constant for name, constant in held.items() if constant.type == types[name]}
