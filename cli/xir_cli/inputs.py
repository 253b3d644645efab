"""Inputs of the commands that run a model: arrays and pictures from files, made-up arrays for the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xir.errors import UsageError
from xir_cli.arguments import pairs
from xir_cli.feeds import read_feeds
from xir_cli.pictures import SUFFIXES, Look, read_picture

if TYPE_CHECKING:
    from xir.frontends.options import Loaded
    from xir_cli.feeds import Array


def is_picture(word: str) -> bool:
    """Whether a word of `--feed` names a picture."""
    return word.lower().endswith(SUFFIXES)


def numbers(text: str | None) -> tuple[float, ...]:
    """The numbers of `--image-mean`.

    Raises:
        UsageError: if they are none.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"--image-mean {text}: expected numbers, such as 104,117,123") from None


def given_feeds(loaded: Loaded, words: Sequence[str], look: Look) -> dict[str, Array]:
    """The inputs that files give, by name.

    Raises:
        UsageError: if the model has no such input, or it is given twice.
    """
    graph = loaded.graph
    types = {name: value.type for name, value in zip(graph.input_names, graph.inputs, strict=True)}
    found = read_feeds([word for word in words if not is_picture(word)], types)
    unknown = [name for name in found if name not in types]
    if unknown:
        raise UsageError(
            f"the model has no input {unknown[0]!r}; it has {list(types)}",
            hint="xir inspect shows them with their types",
        )
    for name, path in pairs("--feed", [word for word in words if is_picture(word)]).items():
        if name not in types:
            raise UsageError(f"the model has no input {name!r}; it has {list(types)}")
        if name in found:
            raise UsageError(f"--feed names {name!r} twice")
        found[name] = read_picture(path, types[name], name, look)
    return found


def complete(loaded: Loaded, feeds: dict[str, Array], random: bool, seed: int) -> dict[str, Array]:
    """The feeds with what else the inputs take: the state begins as the file says, other inputs are made up.

    Raises:
        UsageError: if inputs are missing and none are to be made up.
    """
    from xir.reference import random_inputs
    from xir.verification import check_memory, workable_sizes

    feeds = {**{name: held.array() for name, held in loaded.state.items()}, **feeds}
    missing = [name for name in loaded.graph.input_names if name not in feeds]
    if not missing:
        return feeds
    if not random:
        raise UsageError(
            f"nothing is fed to {', '.join(repr(name) for name in missing)}",
            hint="give --feed NAME=FILE.npy, or --random to make inputs up",
        )
    check_memory(loaded.graph, what="the run")
    least = workable_sizes(loaded.graph, seed, feeds)
    return {**random_inputs(loaded.graph, seed, least=least), **feeds}
