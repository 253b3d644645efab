"""Modules that torch.export does not take and `torch.jit.script` does: branches on elements stay branches."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from xir.errors import UnsupportedError, XirError
from xir.files import open_mapped
from xir.frontends.options import Plain
from xir.frontends.torch._imported import Imported
from xir.frontends.torch._trace import line_of
from xir.frontends.torch.live.objects import LiveModule, LiveTensor, torch_module
from xir.frontends.torch.live.tensors import info_of
from xir.frontends.torch.script.importer import import_script
from xir.frontends.torch.script.inputs import Given
from xir.frontends.torch.script.objects import ScriptArchive
from xir.ir.dims import Dim
from xir.ir.types import TensorType, Type

_MAX_TOLD = 400
"""Letters of an error that are shown; the compiler lists all overloads that do not fit."""


def import_scripted(
    module: LiveModule, items: Sequence[object], named: Mapping[str, object], types: Mapping[str, Type]
) -> Imported:
    """The graph of what `torch.jit.script` makes of a module.

    What it makes is saved into a file that goes away with the last weight that is read of it.

    Args:
        module: the model.
        items: its arguments by place.
        named: its arguments by name.
        types: of inputs that a person tells, by their names in the graph.

    Raises:
        UnsupportedError: it, or xir's reader, does not take it.
    """
    try:
        archive, given = _archive(module), _given(module, items, named)
    except Exception as error:  # of any kind: the compiler reads the model's own code
        raise UnsupportedError(_unscripted(error)) from error
    try:
        return import_script(archive, Given({**given.types, **types}, given.numbers))
    except XirError as error:
        raise UnsupportedError(f"what torch.jit.script makes of it is not read: {error.message}") from error


def _unscripted(error: Exception) -> str:
    """What torch.jit.script says before it quotes the model's code, with the line of that."""
    place, text = line_of(str(error)), " ".join(str(error).partition('File "')[0].split())
    return (
        f"torch.jit.script does not take the module{'' if place is None else f' at {place}'}: "
        f"{text[:_MAX_TOLD] or type(error).__name__}"
    )


def _archive(module: LiveModule) -> ScriptArchive:
    """What `torch.jit.script` makes of a module, saved and read."""
    jit = torch_module("torch.jit")
    with tempfile.TemporaryDirectory(prefix="xir-", ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, f"{type(module).__name__}.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is told to be replaced by torch.export, which did not take the module
            jit.save(jit.script(module), path)
        return ScriptArchive(open_mapped(path))


def _given(module: LiveModule, items: Sequence[object], named: Mapping[str, object]) -> Given:
    """Types of the tensors and the numbers among the arguments, by the names that TorchScript's reader has for them."""
    bound = inspect.signature(module.forward).bind(*items, **named)
    types: dict[str, Type] = {}
    numbers: dict[str, Plain] = {}
    tensor = cast("type[object]", torch_module().Tensor)
    for name, item in bound.arguments.items():
        for place, leaf in _leaves(name, item):
            if isinstance(leaf, tensor):
                info = info_of(cast("LiveTensor", leaf))
                types[place] = TensorType(info.dtype, cast("tuple[Dim, ...]", info.shape))
            elif isinstance(leaf, bool | int | float):
                numbers[place] = leaf
    return Given(types, numbers)


def _leaves(name: str, item: object) -> Iterator[tuple[str, object]]:
    """The items of a tuple, list or dictionary as `x.0`, `x.key`."""
    if isinstance(item, Mapping):
        for key, each in cast("Mapping[object, object]", item).items():
            yield from _leaves(f"{name}.{key}", each)
    elif isinstance(item, list | tuple):
        for index, each in enumerate(cast("Sequence[object]", item)):
            yield from _leaves(f"{name}.{index}", each)
    else:
        yield name, item
