"""What every command that reads models begins with: a file or a graph, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from xir.frontends.adjust import Wanted, adjusted
from xir.frontends.load import load_model
from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.type_spec import with_specs
from xir.ir.graph import Graph
from xir.ir.types import Type

TypeSpec: TypeAlias = "str | Type | bool | int | float | None"
Model: TypeAlias = "str | os.PathLike[str] | Graph"
Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how many of its steps are done, and how many there are."""


def read(source: Model, options: LoadOptions | None = None) -> Loaded:
    """What `load` reads, with what a person should know of it: format, files, layers, notes.

    Args:
        source: the file, or a graph.
        options: how to read it.

    Raises:
        XirError: see `xir.errors` for the kinds.
    """
    return read_adjusted(source, options or LoadOptions(), Wanted())


def load_options(
    options: LoadOptions | None,
    prototxt: str | os.PathLike[str] | None,
    inputs: Mapping[str, TypeSpec] | None,
    outputs: Sequence[str] | None,
    method: str | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> LoadOptions:
    """`options` with what was said beside them."""
    chosen = options or LoadOptions()
    given = chosen.weights if weights is None else os.fspath(weights)
    chosen = replace(chosen, method=method or chosen.method, weights=given)
    if prototxt is not None:
        chosen = replace(chosen, prototxt=os.fspath(prototxt))
    if inputs:
        chosen = with_specs(chosen, inputs)
    return chosen if outputs is None else replace(chosen, outputs=tuple(outputs))


def second_options(options: LoadOptions | None) -> LoadOptions:
    """What concerns both files: fills, seed, plugins, links and training, but no names of the first one's inputs."""
    chosen = options or LoadOptions()
    return LoadOptions(
        fill_missing=chosen.fill_missing,
        seed=chosen.seed,
        plugins=chosen.plugins,
        trust_links=chosen.trust_links,
        training=chosen.training,
    )


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""


def read_adjusted(source: Model, options: LoadOptions, wanted: Wanted) -> Loaded:
    """What `read` reads, with the names and layouts that are wanted of its inputs and outputs."""
    loaded = (
        Loaded(source, "graph", (source.name,), len(source.nodes))
        if isinstance(source, Graph)
        else load_model(os.fspath(source), options)
    )
    return adjusted(loaded, wanted)
