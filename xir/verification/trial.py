"""The sizes of made-up inputs on which a model can compute at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xir.errors import InvalidModelError, UsageError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.reference import random_inputs, run
from xir.reference.inputs import Least, long_symbols
from xir.verification.memory import MAX_RUN_BYTES, peak_bytes

_TRIED = (8, 32, 128, 256, 512, 1024)
"""Sizes that are tried after the usual ones: a window of a spectrogram takes some hundred samples of sound, and what is
known of shapes does not always tell so."""

_ALONE = 4
"""Symbols that are tried alone."""


def workable_sizes(graph: Graph, seed: int = 0, feeds: Mapping[str, Array] | None = None) -> Least:
    """The least sizes of unknown axes on which the reference runs a graph; none where the usual ones do, or none helps.

    All axes but batches grow together; then each grows alone, for a batch may stand anywhere. Models without such axes
    are not run, nor is what would need more than `MAX_RUN_BYTES`.

    Args:
        graph: the model.
        seed: of the inputs.
        feeds: inputs that are not made up.
    """
    for least in _ways(graph):
        if least and peak_bytes(graph, least) > MAX_RUN_BYTES:
            continue
        try:
            run(graph, {**random_inputs(graph, seed, least=least), **(feeds or {})})
        except InvalidModelError:
            continue
        except UsageError:
            if not least:
                break  # the inputs themselves do not fit, which sizes were chosen to
            continue
        return least
    return {}


def _ways(graph: Graph) -> Iterator[Least]:
    symbols = long_symbols(graph)
    if not symbols:
        return
    yield {}
    alone = [(symbol,) for symbol in symbols[:_ALONE]] if len(symbols) > 1 else []
    for growing in (symbols, *alone):
        for size in _TRIED:
            yield dict.fromkeys(growing, size)
