"""PyTorch in a process of its own, running a module that xir wrote: `python -P -m xir.verification._torch`.

The frames are those of `_child`. The file is one of our own exporter's, whose text holds no code of a model.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from xir.ir.constant import Array
from xir.ir.types import DType, dtype_from_numpy
from xir.verification._child import Result, answer, items, receive, send

if TYPE_CHECKING:
    import torch

_STORED = {
    **{dtype: dtype.value[2] for dtype in DType if dtype.bits >= 8},
    DType.FLOAT8E8M0: "float8_e8m0fnu",
}
"""PyTorch's name for each element type."""


def serve(stream: BinaryIO, answers: BinaryIO) -> None:
    """Opens the module that the first frame names, then runs it for each frame that follows.

    Raises:
        EOFError: the parent is gone.
    """
    import torch

    torch.set_num_threads(1)
    header, _ = receive(stream)
    version = f"PyTorch {torch.__version__}"
    try:
        module = opened(str(header["path"]))
    except Exception as error:
        send(answers, {"runtime": version, "error": f"{type(error).__name__}: {error}"})
        receive(stream)
        return
    inputs, outputs = list(module.INPUTS), list(module.OUTPUTS)
    send(answers, {"runtime": version, "inputs": inputs, "shapes": [None] * len(inputs), "outputs": outputs})
    while True:
        header, arrays = receive(stream)
        fed = dict(zip(items(header["feeds"]), arrays, strict=True))
        try:
            with torch.no_grad():
                made: object = module(*(tensor_of(fed[name]) for name in inputs))
            results = [result_of(each) for each in results_of(made)]
            send(answers, {}, results)
        except (OSError, EOFError):
            raise
        except Exception as error:
            send(answers, {"error": f"{type(error).__name__}: {error}"})


def opened(path: str) -> torch.nn.Module:
    """The network in a file that xir wrote, with its weights."""
    spec = importlib.util.spec_from_file_location("net", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("torch.nn.Module", module.Net.load())


def tensor_of(held: Result) -> object:
    """What PyTorch takes for an array, a list of arrays, or nothing."""
    import torch

    if isinstance(held, list):
        return [tensor_of(each) for each in held]
    if not isinstance(held, np.ndarray):
        return held
    kind = getattr(torch, _STORED[dtype_from_numpy(held.dtype)])
    if held.size == 0:
        return torch.empty(held.shape, dtype=kind)
    flat = torch.frombuffer(bytearray(np.ascontiguousarray(held).tobytes()), dtype=torch.uint8)
    return flat.view(kind).reshape(held.shape)


def results_of(made: object) -> tuple[object, ...]:
    """The results of a call: a tuple where there are several."""
    return cast("tuple[object, ...]", made) if isinstance(made, tuple) else (made,)


def result_of(held: object) -> Result:
    """An array, a list of arrays, or nothing."""
    import torch

    if isinstance(held, list | tuple):
        return [result_of(each) for each in cast("list[object]", held)]
    if not isinstance(held, torch.Tensor):
        return None
    name = str(held.dtype).removeprefix("torch.")
    dtype = next(dtype for dtype, stored in _STORED.items() if stored == name).dtype
    flat = held.detach().contiguous().reshape(-1)
    array: Array = flat.view(torch.uint8).numpy().view(dtype) if held.numel() else np.empty(0, dtype)
    return array.reshape(tuple(held.shape))


if __name__ == "__main__":
    answer(serve)
