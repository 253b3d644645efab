"""Weights of a file put into a graph that is there already, by name."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from xir.errors import UnsupportedError, UsageError
from xir.files import PathLike
from xir.frontends.weights import Weights, load_weights
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.types import TensorType

COUNTERS = ("num_batches_tracked",)
"""Last parts of names of tensors that only training reads (torch.nn.BatchNorm2d); no graph needs them."""

_SHOWN = 10
"""Names of each kind that an error lists."""


@dataclass(frozen=True, slots=True)
class _Match:
    """Weights under names of the graph: the tensors' own without what `prefix` says, the graph's without `own`."""

    prefix: str
    own: str
    tensors: Mapping[str, Constant]


def with_weights(graph: Graph, path: PathLike, *, strict: bool = True, trust_links: bool = False) -> Graph:
    """The graph with the weights of a file in the place of its own, by name.

        graph = xir.with_weights(xir.load("net.onnx"), "epoch_12.ckpt")

    The file's names must be those of the graph's weights, after a prefix that all of them have on one side
    (`module.`, `model.`) or the table of the checkpoint that holds the model (`state_dict`). Shapes must be equal.
    Elements of another floating-point type are rounded to that of the graph, as torch's `load_state_dict` does;
    integers to a wider integer type; nothing else is converted. The elements stay in the file where they fit. Whole
    numbers of the graph that the file lacks (axes, shapes) stay what they are.

    Args:
        graph: the model.
        path: a checkpoint of PyTorch, a safetensors file, or the index of several.
        strict: refuses tensors of the file that the graph has no weight for; counters of training
            (`num_batches_tracked`) and other tables of a checkpoint (`optimizer`) never count.
        trust_links: takes files of an index that are links.

    Raises:
        UsageError: weights are missing, left over, or of another shape or type; the error lists all of them.
        UnsupportedError: a tensor that the graph needs has elements that xir does not know.
        XirError: the file is none, is damaged, or names what is not allowed.
    """
    weights = load_weights(path, trust_links=trust_links)
    named = {graph.name_of(parameter.value): parameter for parameter in graph.parameters}
    match = _best(named, _tables(weights))
    file = os.fspath(path)
    _check_names(named, match, weights, strict, file)
    fitted = {
        name: _fitted(parameter, match.tensors[name]) for name, parameter in named.items() if name in match.tensors
    }
    wrong = [
        f"{name}: {match.tensors[name].type!r} for {named[name].value.type!r}"
        for name, constant in fitted.items()
        if constant is None
    ]
    if wrong:
        raise UsageError(f"weights of another shape or type: {_listed(wrong)}", file=file)
    for old, what in ((match.prefix, "the file's names"), (match.own, "the graph's names")):
        if old:
            warnings.warn(f"{old!r} is left out of {what}", stacklevel=2)
    parameters = tuple(
        replace(parameter, constant=fitted.get(graph.name_of(parameter.value)) or parameter.constant)
        for parameter in graph.parameters
    )
    return graph.with_weights(parameters, graph.names)


def _tables(weights: Weights) -> list[tuple[str, Mapping[str, Constant]]]:
    """The file's tensors, whole and table by table, with the prefix that is left out."""
    own = weights.model_table()
    order = [*([own] if own else []), *(table for table in weights.tables if table != own)]
    return [("", weights.tensors), *((f"{table}.", weights.below(table).tensors) for table in order)]


def _best(named: Mapping[str, Parameter], tables: Iterable[tuple[str, Mapping[str, Constant]]]) -> _Match:
    """The names that fit most of the graph's weights; of several, those that leave out least."""
    own = _common_prefix(named)
    best, most = _Match("", "", {}), -1
    for start, tensors in tables:
        common = _common_prefix(tensors)
        for cut, left in (("", ""), (common, ""), ("", own), _without_common_end(common, own)):
            renamed = {left + name[len(cut) :]: constant for name, constant in tensors.items() if name.startswith(cut)}
            count = sum(name in renamed for name in named)
            if count > most:
                best, most = _Match(start + cut, left, renamed), count
    return best


def _common_prefix(names: Iterable[str]) -> str:
    """The dotted prefix of all names (`module.`), without the last part of any."""
    parts = [name.split(".")[:-1] for name in names if name.rpartition(".")[2] not in COUNTERS]
    pairs = zip(min(parts), max(parts), strict=False) if parts else ()
    return "".join(f"{low}." for low, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _without_common_end(a: str, b: str) -> tuple[str, str]:
    """Two dotted prefixes without the parts at their ends that both have."""
    one, other = a.split("."), b.split(".")
    while len(one) > 1 and len(other) > 1 and one[-2] == other[-2]:
        del one[-2], other[-2]
    return ".".join(one), ".".join(other)


def _check_names(named: Mapping[str, Parameter], match: _Match, weights: Weights, strict: bool, file: str) -> None:
    """Refuses weights that are missing, and in `strict` mode those that are left over."""
    unreadable = {match.own + name.removeprefix(match.prefix): p for p in weights.problems for name in p.layers}
    for name in named:
        if name not in match.tensors and name in unreadable:
            problem = unreadable[name]
            raise UnsupportedError(f"{name}: {problem.reason}", problems=(problem,), file=file, hint=problem.hint)
    missing = [name for name in named if name not in match.tensors and named[name].constant.dtype.is_floating]
    other = [name for name in match.tensors if name not in named and name.rpartition(".")[2] not in COUNTERS]
    told: list[str] = []
    if missing:
        told.append(f"missing: {_listed([_nearest(name, other) for name in missing])}")
    if other and (strict or missing):
        told.append(f"left over: {_listed(other)}")
    if told:
        raise UsageError(
            f"the weights do not fit the graph; {'; '.join(told)}",
            file=file,
            hint="rename them, or give strict=False to leave what the graph has no place for"
            if not missing
            else "xir inspect lists the names of both files; a graph that was optimized has other weights than its "
            "source: fit them before",
        )


def _nearest(name: str, others: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, others[:2000], 1, 0.7)
    return f"{name} (is it {close[0]}?)" if close else name


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(word[:200] for word in words[:_SHOWN]) + more


def _fitted(parameter: Parameter, constant: Constant) -> Constant | None:
    """The tensor as the graph's weight, or None where it does not fit."""
    wanted = parameter.value.type
    if not isinstance(wanted, TensorType) or constant.shape != wanted.static_shape:
        return None
    old, new = constant.dtype, wanted.dtype
    if old is new:
        return constant
    wider = old.is_integer and new.is_integer and new.bits > old.bits and (new.is_signed or not old.is_signed)
    if not wider and not (old.is_floating and new.is_floating):
        return None
    return constant_of(constant.array().astype(new.dtype))
