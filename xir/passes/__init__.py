"""Rewrites of graphs that compute the same: laws, passes of laws, and what `xir optimize --explain` shows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from xir.errors import UsageError
from xir.ir.graph import Graph
from xir.ir.rewrite import keeping_trainable
from xir.passes import (
    activations,
    algebra,
    attention,
    batch_norm,
    batches,
    before_layer,
    branches,
    common,
    fast_math,
    folding,
    identity,
    joins,
    late,
    layout,
    movement,
    normalization,
    planes,
    pools,
    products,
    reductions,
    sizes,
    slices,
    steady,
    unread,
    values,
)
from xir.passes._pipeline import Pass, Trace, count_transposes, rules_pass, run_pipeline
from xir.passes.attention import ATTENTION_OPSET
from xir.passes.layout import RULES as LAYOUT_RULES

__all__ = [
    "ATTENTION_OPSET",
    "LAYOUT_RULES",
    "Pass",
    "Trace",
    "count_transposes",
    "optimize",
    "passes",
    "tidied",
]

NO_LEVEL = 4
"""Of a pass for one format alone: it runs where `passes` names it."""


def passes() -> tuple[Pass, ...]:
    """Every pass, in the order in which they run."""
    return (
        *rules_pass("identities", "operators that hand their operand on are left out", identity.RULES),
        common.PASS,
        folding.PASS,
        branches.KNOWN,
        branches.TIDY,
        steady.KEEP,
        steady.HOIST,
        steady.SHARE,
        unread.UNREAD,
        unread.STATISTICS,
        *rules_pass("axes", "axes that are known before the run become attributes", late.RULES),
        *rules_pass("sizes", "sizes that are known before the run become attributes", sizes.RULES),
        *rules_pass("activations", "formulas that are an activation become it", activations.RULES, level=2),
        *rules_pass("normalization", "formulas that are a normalization become it", normalization.RULES, level=2),
        *layout.PASSES,
        *rules_pass("algebra", "operators that only move elements are joined or left out", algebra.RULES),
        *rules_pass("joins", "neighbours become one operator, and repeat what they made later", joins.RULES),
        *rules_pass("slices", "slices cut less, later or before elements are repeated", slices.RULES),
        *rules_pass("movement", "padding that a convolution can do itself is left out", movement.RULES),
        *rules_pass("pools", "padding goes into the pools that read it", pools.RULES),
        *rules_pass("values", "operators that change no element are left out", values.RULES),
        *rules_pass("batch_norm", "scales and shifts of channels go into weights", batch_norm.RULES, level=2),
        *rules_pass(
            "before_layer", "scales and shifts go into the weights of their reader", before_layer.RULES, level=2
        ),
        *rules_pass("products", "matrix products add, recurrent layers begin with 0", products.RULES, level=2),
        *rules_pass(
            "planes", "normalizations of planes and groups take the numbers of channels", planes.RULES, level=2
        ),
        *rules_pass("reductions", "sums of squares and such become one reduction", reductions.RULES, level=2),
        common.WEIGHTS,
        *rules_pass("attention", "softmax between two matrix products becomes attention", attention.RULES, level=3),
        *rules_pass("batches", "one matrix is repeated over a batch", batches.RULES, level=NO_LEVEL),
        *rules_pass("fast_math", "formulas that are cheaper and nearly the same", fast_math.RULES),
    )


def optimize(
    graph: Graph,
    *,
    level: int = 2,
    passes: Sequence[str] | None = None,
    exact: bool = False,
    fast_math: bool = False,
    keep_trainable: bool = False,
    trace: Trace | None = None,
) -> Graph:
    """The graph made smaller and faster by laws that keep what it computes.

    What a weight holds is what it will hold, as in a graph that is to run: equal weights become one, and others are
    folded or scaled, whatever their `trainable` says. Only weights that a step of training of the model itself changes
    (`Graph.mutable`) are none of that. A graph that is to be trained wants `keep_trainable`.

    Args:
        graph: the model; it stays as it is.
        level: 0 changes nothing, 1 cleans up, 2 also folds layers into each other, 3 also makes operators that only
            new targets have (`ATTENTION_OPSET`).
        passes: names of passes to run instead of those of the level.
        exact: only laws that keep every bit of the results.
        fast_math: also laws that change results even over the reals: approximations, and what is wrong for infinities
            and numbers that are none.
        keep_trainable: every weight that training may change stays, and stays itself: two biases that begin as zeros
            are not one, a batch norm's scale does not go into the convolution before it.
        trace: notes what fired and what nearly did.

    Raises:
        UsageError: if a pass is not known, or `exact` and `fast_math` contradict each other.
    """
    if exact and fast_math:
        raise UsageError("exact results and fast math contradict each other", hint="ask for one of them")
    table = {each.name: each for each in _all()}
    if passes is None:
        chosen = [each for each in table.values() if each.level <= level]
    else:
        for name in passes:
            if name not in table:
                raise UsageError(f"there is no pass {name!r}", hint=f"known are {', '.join(table)}")
        chosen = [table[name] for name in passes]
        fast_math = fast_math or any(each.approximate for each in chosen)
    chosen = [each for each in chosen if (each.exact or not exact) and (fast_math or not each.approximate)]
    if not chosen:
        return graph
    with keeping_trainable() if keep_trainable else nullcontext():
        return run_pipeline(graph, chosen, trace if trace is not None else Trace())


def tidied(graph: Graph, *, exact: bool = False) -> Graph:
    """The graph without what a format leaves that says operators in pieces: equal pieces, reshapes around products.

    Args:
        graph: the model, in operators that the format has.
        exact: only laws that keep every bit of the results.
    """
    return optimize(graph, passes=TIDY if exact else (*TIDY, *OVER_THE_REALS), exact=exact, keep_trainable=True)


TIDY = ("identities", "share_common", "fold_constants", "algebra", "joins")
"""What cleans up, bit for bit."""

OVER_THE_REALS = ("batches_over_the_reals",)
"""What cleans up besides."""

_all = passes
