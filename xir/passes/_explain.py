"""What an optimization did, in words: laws that fired, and near misses with the reason and the layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xir.passes._pipeline import Pass, Trace

FIRST_LAYERS = 3
"""How many layers of a near miss are named."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A law that was applied: its name, the law in words, and how often."""

    name: str
    law: str
    count: int


@dataclass(frozen=True, slots=True)
class Missed:
    """A law that nearly applied: its name, the law in words, why not, where first, and at how many layers."""

    name: str
    law: str
    reason: str
    layers: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What an optimization did, in the order in which it happened first, what it nearly did, and what is left.

    Attributes:
        fired: the laws that were applied.
        misses: the laws that nearly were.
        transposes: how many transposes are left.
    """

    fired: tuple[Fired, ...]
    misses: tuple[Missed, ...]
    transposes: int = 0

    def to_dict(self) -> dict[str, object]:
        """The explanation as plain data, for JSON."""
        return {
            "fired": [{"name": each.name, "law": each.law, "count": each.count} for each in self.fired],
            "misses": [
                {
                    "name": each.name,
                    "law": each.law,
                    "reason": each.reason,
                    "layers": list(each.layers),
                    "count": each.count,
                }
                for each in self.misses
            ],
            "transposes": self.transposes,
        }


def explain_with(trace: Trace, passes: Iterable[Pass]) -> Explanation:
    """What `trace` noted, with the laws of `passes` in words."""
    laws: dict[str, str] = {}
    for each in passes:
        laws[each.name] = each.law
        laws.update((rule.name, rule.law) for rule in each.rules)
    return Explanation(
        tuple(Fired(name, laws.get(name, ""), count) for name, count in trace.fired.items()),
        tuple(
            Missed(name, laws.get(name, ""), reason, tuple(layers)[:FIRST_LAYERS], len(layers))
            for (name, reason), layers in trace.misses.items()
        ),
        trace.transposes,
    )
