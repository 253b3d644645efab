"""A failing model made as small as it goes while it fails in the same way: delta debugging on the graph.

The search over nodes is ddmin (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002) on the
nodes in topological order; what is cut off is fed with what the reference recorded, so every subset is a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xir._loading import Model, Progress, read, silent
from xir.errors import UsageError, XirError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.reference import random_inputs
from xir.surgery.judging import Feeds, Predicate, Verdict, judge
from xir.surgery.predicates import Disagreement
from xir.surgery.shrinking import Make, bypasses, is_simpler, simpler_numbers, smaller_sizes, with_outputs
from xir.surgery.subset import Case, Recording, Subset
from xir.verification import workable_sizes

T = TypeVar("T")

SECONDS = 60.0
"""What one try may take."""

MAX_TRIES = 2000
"""Tries after which the search ends with what it has."""

MAX_ROUNDS = 4
"""Rounds over all ways to shrink; each after the first follows only where the one before found something."""


@dataclass(frozen=True, slots=True)
class Step:
    """One success: what was done, and how large the model is since.

    Attributes:
        what: what was done, in words.
        tries: how many models had been tried by then.
        nodes: operators that are left.
        elements: numbers that its inputs and weights hold.
    """

    what: str
    tries: int
    nodes: int
    elements: int

    def to_dict(self) -> dict[str, object]:
        """The step as plain data."""
        return {"what": self.what, "tries": self.tries, "nodes": self.nodes, "elements": self.elements}


@dataclass(frozen=True, slots=True, eq=False)
class Reduction:
    """A model reduced.

    Attributes:
        graph: the small model.
        feeds: the inputs on which it fails, by name.
        verdict: how it fails.
        steps: how it became small; the first is the model as it was.
        tries: how many models were tried.
        complete: whether the search came to its end, and was not ended by the limit on tries.
    """

    graph: Graph
    feeds: Feeds
    verdict: Verdict
    steps: tuple[Step, ...]
    tries: int
    complete: bool

    def to_dict(self) -> dict[str, object]:
        """The reduction as plain data, as `--json` prints it."""
        first, last = self.steps[0], self.steps[-1]
        return {
            "version": 1,
            "verdict": {"kind": self.verdict.kind, "detail": self.verdict.detail},
            "tries": self.tries,
            "complete": self.complete,
            "before": {"nodes": first.nodes, "elements": first.elements},
            "after": {"nodes": last.nodes, "elements": last.elements},
            "operators": [node.op.name for node in Case(self.graph, self.feeds).nodes],
            "inputs": list(self.graph.input_names),
            "outputs": list(self.graph.output_names),
            "steps": [step.to_dict() for step in self.steps],
        }


def reduce(
    model: Model,
    predicate: Predicate | None = None,
    *,
    feeds: Feeds | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    seconds: float = SECONDS,
    max_tries: int = MAX_TRIES,
    progress: Progress | None = None,
) -> Reduction:
    """The smallest part of a model that is found to fail in the same way as the whole.

    The failure is what the predicate answers for the whole model: that it fails (by the name that it gives), that its
    process dies of a signal, or that it does not come to an end. Each try is asked in a process of its own. The same
    model and predicate give the same result, as far as the predicate answers the same.

    Args:
        model: the failing model: a file, or a graph.
        predicate: whether a graph fails on inputs; without it, whether onnxruntime and the reference disagree.
        feeds: the inputs on which it fails; without them those of the first seed on which it does.
        seeds: seeds of made-up inputs.
        seconds: what one try may take.
        max_tries: tries after which the search ends with what it has.
        progress: told how many operators are left, and how many tries were made.

    Raises:
        UsageError: if the model does not fail, or the predicate cannot tell.
        XirError: if the reference cannot run the model.
    """
    graph = read(model).graph
    told = progress or silent
    chosen = Disagreement().prepare() if predicate is None else predicate
    verdict = Verdict("passes")
    for given in (feeds,) if feeds is not None else _made_up(graph, seeds):
        for each in _strictness(chosen):
            verdict = judge(each, graph, given, seconds)
            if verdict.is_failure:
                return _Search(Case(graph, given), each, verdict, seconds, max_tries, told).run()
    if verdict.kind == "unfit":
        raise UsageError(
            f"the predicate cannot tell of the whole model: {verdict.detail}",
            hint="where made-up inputs are at fault, fix their sizes (--input NAME=TYPE) or give real ones (--feed)",
        )
    raise UsageError(
        "the model does not fail: there is nothing to reduce", hint="give the inputs on which it does: --feed"
    )


def _made_up(graph: Graph, seeds: Sequence[int]) -> Iterator[dict[str, Array]]:
    """Inputs from each seed, of sizes on which the model can compute."""
    least = workable_sizes(graph, seeds[0]) if seeds else None
    return (random_inputs(graph, seed, least=least) for seed in seeds)


def _strictness(predicate: Predicate) -> tuple[Predicate, ...]:
    """A disagreement is looked for with a tolerance that grows with the numbers first."""
    return (predicate, predicate.plain()) if isinstance(predicate, Disagreement) and predicate.scaled else (predicate,)


class _SpentError(Exception):
    """No more tries are left."""


class _Search:
    """One search: the smallest failing case so far, and how to try another."""

    def __init__(
        self, case: Case, predicate: Predicate, verdict: Verdict, seconds: float, max_tries: int, tell: Progress
    ) -> None:
        self.best = case
        self.predicate, self.verdict, self.seconds = predicate, verdict, seconds
        self.max_tries, self.tell = max_tries, tell
        self.tries = 1
        self.steps: list[Step] = []
        self._note("the whole model")

    def run(self) -> Reduction:
        """Shrinks until nothing helps any more, or no tries are left."""
        complete = True
        try:
            for _ in range(MAX_ROUNDS):
                before = len(self.steps)
                self._nodes()
                self._outputs()
                self._each(bypasses)
                self._each(smaller_sizes)
                if len(self.steps) == before:
                    break
            self._numbers()
        except _SpentError:
            complete = False
        return Reduction(self.best.graph, self.best.feeds, self.verdict, tuple(self.steps), self.tries, complete)

    def _note(self, what: str) -> None:
        self.steps.append(Step(what, self.tries, len(self.best.nodes), self.best.elements))

    def _fails(self, make: Make, *, smaller: bool = False) -> Case | None:
        """The case that `make` builds, if it can be built and fails in the same way, and is `smaller` if it must be.

        Raises:
            _SpentError: if no tries are left.
        """
        try:
            case = make()
        except (XirError, ValueError):  # a variant that contradicts itself is no model
            return None
        if not case.nodes or (smaller and _size(case) >= _size(self.best)):
            return None
        if self.tries >= self.max_tries:
            raise _SpentError
        self.tries += 1
        self.tell(f"operators left: {len(self.best.nodes)}, trying", self.tries, self.max_tries)
        return case if judge(self.predicate, case.graph, case.feeds, self.seconds) == self.verdict else None

    def _nodes(self) -> None:
        """Keeps only the nodes that the failure needs."""
        nodes = self.best.nodes
        if not nodes:
            return
        recording = Recording(self.best)

        def attempt(kept: Sequence[Node], fixed: bool) -> Case | None:
            return self._fails(lambda: Subset(recording, kept, fixed=fixed).case())

        fixed = attempt(nodes, True) is not None

        def fails(kept: Sequence[Node]) -> bool:
            case = attempt(kept, fixed)
            if case is not None:
                self._better(case, f"{len(kept)} of {len(nodes)} operators")
            return case is not None

        minimal_part(nodes, fails)

    def _better(self, case: Case, what: str) -> None:
        """Takes a case that is smaller, and notes it."""
        changed = _size(case) != _size(self.best)
        self.best = case
        if changed:
            self._note(what)

    def _outputs(self) -> None:
        """Keeps only the outputs that show the failure."""
        whole = self.best
        places = list(range(len(whole.graph.outputs)))

        def fails(kept: Sequence[int]) -> bool:
            case = self._fails(lambda: with_outputs(whole, kept))
            if case is not None:
                self.best = case
                self._note(f"{len(kept)} of {len(places)} outputs")
            return case is not None

        minimal_part(places, fails)

    def _each(self, variants: Callable[[Case], Iterator[tuple[str, Make]]]) -> None:
        """Tries variants of the best case, and starts again from each that fails too."""
        while True:
            for what, make in variants(self.best):
                case = self._fails(make, smaller=True)
                if case is not None:
                    self.best = case
                    self._note(what)
                    break
            else:
                return

    def _numbers(self) -> None:
        """Makes numbers simple, each group once: none of these changes makes another possible."""
        done: set[str] = set()
        while True:
            for what, make in simpler_numbers(self.best):
                group = what.rpartition(" ")[0]
                if group in done or "all numbers" in done:
                    continue
                case = make()
                if not is_simpler(case, self.best):
                    done.add(group)
                    continue
                if self._fails(make) is not None:
                    self.best = case
                    done.add(group)
                    self._note(what)
                    break
            else:
                return


def _size(case: Case) -> tuple[int, int]:
    return len(case.nodes), case.elements


def minimal_part(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of the items, in their order, that fails, and of which no single item can be left out (ddmin).

    Args:
        items: all of them, which fail together.
        fails: whether some of them fail; asked once for each part.
    """
    asked: dict[tuple[int, ...], bool] = {}

    def ask(places: Sequence[int]) -> bool:
        key = tuple(places)
        if key not in asked:
            asked[key] = fails([items[place] for place in places])
        return asked[key]

    left, pieces = list(range(len(items))), 2
    while len(left) > 1:
        chunks = [left[len(left) * i // pieces : len(left) * (i + 1) // pieces] for i in range(pieces)]
        parts = chunks + ([_without(left, chunk) for chunk in chunks] if pieces > 2 else [])
        index = next((index for index, part in enumerate(parts) if ask(part)), None)
        if index is not None:
            left, pieces = parts[index], 2 if index < len(chunks) else max(pieces - 1, 2)
        elif pieces < len(left):
            pieces *= 2
        else:
            break
        pieces = min(pieces, len(left))
    return [items[place] for place in left]


def _without(places: Sequence[int], some: Sequence[int]) -> list[int]:
    gone = frozenset(some)
    return [place for place in places if place not in gone]
