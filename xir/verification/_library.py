"""A library that was compiled ahead of time, called in a process of its own: `python -P -m xir.verification._library`.

The first frame names the library and what its functions are called; every other frame has a call's sizes and inputs.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np

from xir.ir.constant import Array
from xir.verification._child import Header, answer, items, receive, send

THREADS = (1, 3)
"""Each call is made with so many threads; the bits of its results must be the same."""


class _Library:
    """The library, and one model for each number of threads."""

    def __init__(self, told: Header) -> None:
        self.code = 0
        self._name = str(told["name"])
        self._level = told.get("level")
        self._library = ctypes.CDLL(str(told["library"]))
        self._weights = [os.fsencode(str(told["weights"]))] if told.get("weights") else []
        self._models = [self._made(threads) for threads in THREADS]

    def _call(self, name: str, *given: object) -> int:
        return int(self._library[f"{self._name}_{name}"](*given))

    def _made(self, threads: int) -> ctypes.c_void_p:
        model = ctypes.c_void_p()
        given = [ctypes.byref(model), *map(ctypes.c_char_p, self._weights), ctypes.c_int(threads)]
        if isinstance(self._level, int):
            code = self._call("init_level", *given, ctypes.c_int(self._level))
        else:
            code = self._call("init", *given)
        self.code = self.code or code
        return model

    def shapes(self, sizes: Sequence[int], count: int) -> list[int]:
        """The sizes of all arrays, `count` in number, one after another; none if the library refuses the sizes."""
        found = (ctypes.c_int64 * max(count, 1))()
        given = (ctypes.c_int64 * max(len(sizes), 1))(*sizes)
        return [] if self._call("shapes", given, found) else list(found)[:count]

    def run(self, number: int, sizes: Sequence[int], arrays: Sequence[Array]) -> int:
        """Runs a model on inputs, and on outputs to fill."""
        given = [(ctypes.c_int64 * len(sizes))(*sizes)] if sizes else []
        places = (ctypes.c_void_p(array.ctypes.data if array.size else None) for array in arrays)
        return self._call("run", self._models[number], *given, *places)

    def close(self) -> None:
        """Gives the models back."""
        for model in self._models:
            self._call("free", model)


def serve(stream: BinaryIO, answers: BinaryIO) -> None:
    """Opens the library that the first frame names, then runs it for each frame that follows.

    Raises:
        EOFError: the parent is gone.
    """
    header, _ = receive(stream)
    try:
        library = _Library(header)
    except (OSError, AttributeError) as error:
        send(answers, {"error": str(error)})
        receive(stream)
        return
    send(answers, {"code": library.code})
    while True:
        header, given = receive(stream)
        if header.get("close"):
            library.close()
            send(answers, {})
            continue
        sizes = [int(str(size)) for size in items(header["sizes"])]
        inputs = [cast("Array", array).copy() for array in given]  # frames may lie at odd addresses
        told = [cast("dict[str, object]", each) for each in items(header["outputs"])]
        code, made = 0, list[list[Array]]()
        for number in range(len(THREADS)):
            outputs = [np.zeros(_shape(each), np.dtype(str(each["dtype"]))) for each in told]
            code = code or library.run(number, sizes, [*inputs, *outputs])
            made.append(outputs)
        same = all(a.tobytes() == b.tobytes() for other in made[1:] for a, b in zip(made[0], other, strict=True))
        count = sum(array.ndim for array in (*inputs, *made[0]))
        shapes = library.shapes(sizes, count) if sizes else []
        send(answers, {"code": code, "same": same, "shapes": shapes}, list(made[0]))


def _shape(told: dict[str, object]) -> tuple[int, ...]:
    return tuple(int(str(size)) for size in items(told["shape"]))


if __name__ == "__main__":
    answer(serve)
