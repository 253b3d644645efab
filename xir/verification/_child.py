"""onnxruntime in a process of its own: what it may die of (SIGFPE, SIGSEGV on a hostile model) does not take us along.

Both sides talk over pipes in frames: a line of JSON, then the bytes of the arrays that the line describes. Nothing that
arrives is run, and no class is named by it. The child is `python -P -m xir.verification._child`: -P keeps modules in
the current folder from being imported.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, TypeAlias, cast

import numpy as np

from xir.ir.constant import Array
from xir.ir.types import dtype_from_numpy
from xir.limits import element_count

Result: TypeAlias = "Array | list[Result] | dict[str | int, Result] | str | float | None"
"""What a model's output may be: a tensor, a sequence, a map (of Python's own numbers or text), or absent."""

Header: TypeAlias = dict[str, object]


_STATE_KEY = "xir.state"
"""The key of a file's metadata in which xir's exporter lists the inputs whose defaults are the model's state."""


def _state(text: str) -> list[object]:
    try:
        return items(json.loads(text))
    except (ValueError, RecursionError):  # nothing, or a stranger's
        return []


def send(stream: BinaryIO, header: Mapping[str, object], results: Sequence[Result] = ()) -> None:
    """Writes one frame.

    Raises:
        OSError: the other side is gone.
    """
    arrays: list[Array] = []
    held = [_describe(result, arrays) for result in results]
    stream.write(json.dumps({**header, "results": held}).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Header, list[Result]]:
    """Reads one frame.

    Raises:
        EOFError: the other side is gone.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: Header = json.loads(line)
    return header, [_read(stream, each) for each in items(header["results"])]


def items(held: object) -> list[object]:
    """What a frame holds as a list."""
    return cast("list[object]", held) if isinstance(held, list) else []


def _describe(result: Result, arrays: list[Array]) -> object:
    if result is None:
        return None
    if isinstance(result, list):
        return [_describe(each, arrays) for each in result]
    if isinstance(result, dict):
        return {"keys": list(result), "values": [_describe(each, arrays) for each in result.values()]}
    if not isinstance(result, np.ndarray):
        return _describe(np.asarray(result), arrays)
    if result.dtype.kind in "OUST":
        return {"text": [_text(item) for item in result.reshape(-1).tolist()], "shape": list(result.shape)}
    arrays.append(result)
    return {"dtype": dtype_from_numpy(result.dtype).dtype.name, "shape": list(result.shape)}


def _text(item: object) -> str:
    return item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else str(item)


def _read(stream: BinaryIO, held: object) -> Result:
    if isinstance(held, list):
        return [_read(stream, each) for each in items(cast("object", held))]
    if not isinstance(held, dict):
        return None
    told = cast("dict[str, object]", held)
    if "keys" in told:
        keys = cast("list[str | int]", items(told["keys"]))
        return dict(zip(keys, [_read(stream, each) for each in items(told["values"])], strict=True))
    shape = tuple(int(str(size)) for size in items(told["shape"]))
    if "text" in told:
        return np.array(items(told["text"]), object).reshape(shape)
    dtype = np.dtype(str(told["dtype"]))
    data = stream.read(element_count(shape) * dtype.itemsize)
    if len(data) < element_count(shape) * dtype.itemsize:
        raise EOFError
    return np.frombuffer(data, dtype).reshape(shape)


def serve(stream: BinaryIO, answers: BinaryIO) -> None:
    """Opens the model that the first frame names or holds, then runs it for each frame that follows.

    A child whose model is refused waits for its end like any other: one that went by itself could be killed on its way.

    Raises:
        EOFError: the parent is gone.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    header, (content,) = receive(stream)
    model = content.tobytes() if isinstance(content, np.ndarray) else str(header["path"])
    version = f"onnxruntime {onnxruntime.__version__}"
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        send(answers, {"runtime": version, "error": str(error)})
        receive(stream)
        return
    state = _state(session.get_modelmeta().custom_metadata_map.get(_STATE_KEY, ""))
    begun = [item for item in session.get_overridable_initializers() if item.name in state]
    taken = [*session.get_inputs(), *begun]
    inputs = [item.name for item in taken]
    shapes = [[size if isinstance(size, int) else None for size in item.shape] for item in taken]
    outputs = [item.name for item in session.get_outputs()]
    send(answers, {"runtime": version, "inputs": inputs, "shapes": shapes, "outputs": outputs})
    while True:
        header, arrays = receive(stream)
        feeds = zip(items(header["feeds"]), arrays, strict=True)
        try:
            results: list[Result] = session.run(None, {str(name): cast("Array", array) for name, array in feeds})
            send(answers, {}, results)
        except (OSError, EOFError):
            raise
        except Exception as error:
            send(answers, {"error": str(error)})


def answer(serve: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """The child's side: frames come in on standard input; what libraries print goes nowhere near the answers.

    Args:
        serve: reads frames and writes answers until EOFError or OSError says that the parent is gone.
    """
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(os.dup(0), "rb") as stream:
        os.dup2(2, 1)
        try:
            serve(stream, answers)
        except (OSError, EOFError):
            sys.exit(0)


if __name__ == "__main__":
    answer(serve)
