"""Layers whose weights the weights' file lacks: refused unless a person asks for made-up ones."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from xir.errors import InvalidModelError

SHOWN = 5
"""Layers that a message names."""

MAX_COMPARED = 1000
"""Unused layers that a missing one's name is compared with; difflib takes about 20 us for each pair of names."""


def some_of(names: Sequence[str]) -> str:
    """The first names, and a sign that there are more."""
    return ", ".join([*names[:SHOWN], *(["..."] if len(names) > SHOWN else [])])


def layers_of(names: Sequence[str]) -> str:
    """How many layers, in words."""
    return "1 layer" if len(names) == 1 else f"{len(names)} layers"


def check_missing(layers: Sequence[str], unused: Sequence[str], weights: str) -> None:
    """Refuses a net some of whose layers the weights' file does not bring the weights of.

    Caffe leaves such layers to their fillers and says nothing, because that is how a net is trained further (net.cpp,
    CopyTrainedLayersFrom). What is converted shall compute something, so here a person must ask for it. A name that
    both files spell differently is the usual reason.

    Args:
        layers: names of layers that have weights which the file does not bring.
        unused: names of layers in the file that the net does not have.
        weights: the weights' file.

    Raises:
        InvalidModelError: there are such layers.
    """
    if not layers:
        return
    close = [_with_guess(name, unused) for name in layers[:SHOWN]]
    message = f"the file has no weights for {layers_of(layers)} of the net: {some_of([*close, *layers[SHOWN:]])}"
    if unused:
        message += f"; it has weights for {layers_of(unused)} that the net does not have: {some_of(unused)}"
    raise InvalidModelError(
        message,
        number=510,
        file=weights,
        hint="give the caffemodel that belongs to this prototxt, with the same layer names; "
        "--fill-missing makes such weights up",
    )


def _with_guess(name: str, unused: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, unused[:MAX_COMPARED], 1)
    return f"{name} (did you mean {found[0]!r}?)" if found else name
