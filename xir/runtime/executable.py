"""Calling compiled programs: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Self, cast

import numpy as np
from numpy.typing import ArrayLike

from xir.errors import UsageError
from xir.ir.constant import Array
from xir.ir.types import TensorType
from xir.reference.dlpack import SupportsDLPack, borrowed
from xir.reference.execute import converted
from xir.runtime.call import contiguous
from xir.runtime.hot import Hot, Make
from xir.runtime.loaded import Loaded
from xir.runtime.memory import numbers_of, plan
from xir.runtime.program import (
    HostCall,
    Key,
    Port,
    Program,
    every_step,
    sizes_of,
    takes_addresses,
    temporaries,
)
from xir.runtime.team import Team

Out = Mapping[str, "Array | SupportsDLPack"]
"""{name of an output: the array that takes its elements}."""


class Executable:
    """A compiled model: `f(*arrays) -> tuple`, or `f.run(None, {name: array}) -> list` as onnxruntime's sessions.

    It may be called from many threads at once; each call that is under way has memory of its own. The first of them
    is helped by the team of threads that all models of the process share, the others run on their callers' threads.
    In a process that was forked off it works as in the first one. `close`, the end of a `with` block, or nobody
    referring to it any more gives back memory and, after the last model, the threads.

    Attributes:
        program: what it runs.
        threads: at most so many work on a call.
    """

    def __init__(
        self,
        program: Program,
        team: Team | None = None,
        threads: int = 1,
        make: Make | None = None,
        *,
        watching: bool = True,
    ) -> None:
        """Takes over a program.

        Args:
            program: what it runs.
            team: helps on a call.
            threads: at most so many work on a call, the caller among them.
            make: makes the program for sizes that are known, of a program for symbols; None where there is no other.
            watching: whether that is done in the background for sizes that are met again and again.
        """
        self.program = program
        self.threads = threads
        self._team = team
        self._loaded: Loaded | Hot | None = None
        self._loaded = Loaded(program, threads) if make is None else Hot(program, threads, make, watching=watching)
        self._takes = tuple((port, None if port.type is None else port.type.dtype) for port in program.inputs)
        self._names = tuple(port.name for port in program.inputs)

    def __repr__(self) -> str:
        """`Executable('lenet', inputs: data f32[1,1,28,28], outputs: prob f32[1,10], threads: 2)`."""
        fed, made = (", ".join(f"{port.name} {port.value}" for port in ports) for ports in self._ports)
        hosted = f", on the host: {', '.join(self.hosted)}" if self.hosted else ""
        state = ", closed" if self._loaded is None else ""
        return (
            f"Executable({self.program.name!r}, inputs: {fed}, outputs: {made}, threads: {self.threads}{hosted}{state})"
        )

    @property
    def _ports(self) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        return self.program.inputs, self.program.outputs

    def __enter__(self) -> Self:
        """The model itself; the end of the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the model."""
        self.close()

    def close(self) -> None:
        """Gives back memory, and the threads if no other model needs them; calls are refused from then on.

        A call that is under way in another thread ends as if nothing had happened. A thread that makes code in the
        background has ended when this returns.
        """
        loaded = self._loaded
        self._team = None
        self._loaded = None
        if isinstance(loaded, Hot):
            loaded.close()

    def get_inputs(self) -> tuple[Port, ...]:
        """The inputs, with `.name`, `.type` and `.shape`."""
        return self.program.inputs

    def get_outputs(self) -> tuple[Port, ...]:
        """The outputs, with `.name`, `.type` and `.shape`."""
        return self.program.outputs

    @property
    def hosted(self) -> tuple[str, ...]:
        """The operators that run in Python, in order."""
        return tuple(step.name for step in every_step(self.program.steps) if isinstance(step, HostCall))

    @property
    def specialized(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """The shapes of inputs that have machine code of their own."""
        return self._loaded.sizes if isinstance(self._loaded, Hot) else ()

    def specialize(self, *arrays: ArrayLike | SupportsDLPack) -> None:
        """Makes machine code for the sizes of these inputs, and returns when calls with such sizes use it.

        That also happens by itself, in the background, for sizes that are met again and again. The results are the
        same bits. A few sizes have code of their own at a time; those that were not called for long give way.

        Args:
            arrays: the inputs, as in a call; nothing is computed. Where all sizes are known there is nothing to do.

        Raises:
            UsageError: as a call does.
        """
        loaded, fed = self._open(), self._fed(arrays)
        if isinstance(loaded, Hot):
            loaded.specialize(_key(fed))

    def __call__(self, *arrays: ArrayLike | SupportsDLPack, out: Out | None = None) -> tuple[Array, ...]:
        """The outputs, in order.

        Args:
            arrays: the inputs, in order: NumPy's, or what shares its elements by DLPack or makes an array of itself.
                They are read where they lie; only what is not in row-major order is copied.
            out: {name of an output: the array that takes its elements}. It is written where it lies, and a call with
                sizes that were seen before allocates nothing for it; if it is not in row-major order, overlaps an
                input, or its sizes depend on data, it is made elsewhere and copied, so the result is the same. After
                an error its elements are undefined.

        Raises:
            UsageError: if arrays are missing, too many, or of another type or shape, or the model is closed.
        """
        return tuple(self._run(arrays, out))

    def _run(self, arrays: Sequence[object], out: Out | None) -> list[Array]:
        team, loaded, fed = self._team, self._open(), self._fed(arrays)
        key, targets = _key(fed), _targets(out, self.program.outputs) if out else {}
        return loaded.run(key, lambda call: call.run(key, fed, targets, team))

    @property
    def takes_addresses(self) -> bool:
        """Whether `run_at` serves: machine code alone makes all outputs, each in a place of its own."""
        return takes_addresses(self.program)

    def run_at(self, key: Key, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Runs the model on memory that the caller vouches for; it takes a fraction of a call's time before and after.

        Args:
            key: the shapes of the inputs.
            sources: where the inputs lie, of their types, in row-major order; 0 for one without elements.
            targets: where the outputs go, likewise, with the shapes that `shapes` tells; none overlaps another.

        Raises:
            UsageError: if the model does not take inputs of these shapes, or is closed.
        """
        team = self._team
        self._open().run(key, lambda call: call.run_at(key, sources, targets, team))

    def shapes(self, key: Key) -> tuple[tuple[int, ...], ...]:
        """The shapes of the outputs for inputs of these shapes.

        Raises:
            UsageError: if the model does not take them, or the elements of inputs decide the shapes.
        """
        known = sizes_of(self.program, key).known
        found = [None if port.shape is None else numbers_of(port.shape, known) for port in self.program.outputs]
        whole = tuple(shape for shape in found if shape is not None)
        if len(whole) != len(found):
            raise UsageError(f"the shapes of inputs do not tell those of the outputs of {self.program.name!r}")
        return whole

    def _open(self) -> Loaded | Hot:
        if self._loaded is None:
            raise UsageError(f"the model {self.program.name!r} is closed", hint="compile it again")
        return self._loaded

    def _fed(self, arrays: Sequence[object]) -> list[Array]:
        """What is fed, as machine code reads it."""
        if len(arrays) != len(self._takes):
            raise UsageError(f"the model takes {len(self._takes)} arrays ({list(self._names)}), got {len(arrays)}")
        return [_array(given, port, dtype) for given, (port, dtype) in zip(arrays, self._takes, strict=True)]

    def run(
        self,
        output_names: Sequence[str] | None,
        feeds: Mapping[str, ArrayLike | SupportsDLPack],
        *,
        out: Out | None = None,
    ) -> list[Array]:
        """The named outputs, or all for None; `out` as in a call of the model.

        Raises:
            UsageError: if a name is unknown or missing, or an array of another type or shape.
        """
        names = self._names
        if len(feeds) != len(names) or any(name not in feeds for name in names):
            raise self._misfed(feeds)
        results = self._run([feeds[name] for name in names], out)
        if output_names is None:
            return results
        found = dict(zip((port.name for port in self.program.outputs), results, strict=True))
        if unknown := [name for name in output_names if name not in found]:
            raise UsageError(f"the model has no outputs {unknown}; it has {list(found)}")
        return [found[name] for name in output_names]

    def _misfed(self, feeds: Mapping[str, object]) -> UsageError:
        if unknown := [name for name in feeds if name not in self._names]:
            return UsageError(f"the model has no inputs {unknown}; it takes {list(self._names)}")
        return UsageError(f"the inputs {[name for name in self._names if name not in feeds]} are missing")


def planned_bytes(executable: Executable) -> int:
    """Bytes of temporary memory of one call, as far as no input decides them."""
    return plan(temporaries(executable.program, {})).bytes


def _key(fed: Sequence[Array]) -> Key:
    return tuple([array.shape if isinstance(cast("object", array), np.ndarray) else () for array in fed])


def _array(given: object, port: Port, dtype: np.dtype[np.generic] | None) -> Array:
    """What is fed as machine code reads it; a copy only if its elements lie in another order or between addresses."""
    if type(given) is np.ndarray and given.dtype == dtype:
        return contiguous(given)
    found = converted(given, port.value, f"input {port.name!r}")
    return contiguous(found) if isinstance(port.value, TensorType) else found


def _targets(out: Out, ports: Sequence[Port]) -> dict[int, Array]:
    """{number of an output: the array that takes its elements}.

    Raises:
        UsageError: if a name is unknown, or an array of another type, not to be written, or within the bounds of
            another one.
    """
    numbers = {port.name: number for number, port in enumerate(ports)}
    found: dict[int, Array] = {}
    for name, given in out.items():
        if name not in numbers:
            raise UsageError(f"the model has no output {name!r}; it has {list(numbers)}")
        found[numbers[name]] = _place(given, ports[numbers[name]])
    for (a, first), (b, second) in combinations(found.items(), 2):
        if np.may_share_memory(first, second):
            raise UsageError(f"the arrays for the outputs {ports[a].name!r} and {ports[b].name!r} overlap")
    return found


def _place(given: object, port: Port) -> Array:
    what = f"the array for the output {port.name!r}"
    if isinstance(given, np.ndarray):
        array = cast("Array", given)
    elif isinstance(given, SupportsDLPack):
        array = borrowed(given, what)
    else:
        raise UsageError(f"{what} is {type(given).__name__}", hint="give a NumPy array, or what has __dlpack__")
    dtype = port.type
    if dtype is None or array.dtype != dtype.dtype:
        raise UsageError(f"{what} has elements of {array.dtype}, needed is {port.value!r}")
    if not array.flags.writeable:
        raise UsageError(f"{what} cannot be written")
    return array
