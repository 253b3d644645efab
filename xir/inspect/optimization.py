"""What an optimization did, and what nearly happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xir.frontends.options import Loaded
from xir.inspect.conversion import ConversionReport, source_to_dict
from xir.passes import passes


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A law that nearly applied.

    Attributes:
        law: its name.
        reason: why it did not.
        layers: where.
    """

    law: str
    reason: str
    layers: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The near miss as plain data."""
        return {"law": self.law, "reason": self.reason, "layers": list(self.layers)}


@dataclass(frozen=True, slots=True)
class OptimizationReport:
    """What an optimization did.

    Attributes:
        source: what was read.
        before: operators of the graph as it was read.
        after: operators of the optimized graph.
        parameters: numbers in the optimized graph's weights.
        fired: {law: how often it was applied}.
        misses: laws that nearly applied.
        conversion: what was written and how it was verified; None where nothing was to be written.
        transposes: how many transposes are left, in bodies too.
    """

    source: Loaded
    before: int
    after: int
    parameters: int
    fired: Mapping[str, int]
    misses: tuple[NearMiss, ...]
    conversion: ConversionReport | None
    transposes: int = 0

    @property
    def laws(self) -> dict[str, str]:
        """{law: its text} for every law that was applied or nearly was, in that order."""
        steps = passes()
        texts = {each.name: each.law for each in steps}
        texts |= {rule.name: rule.law for each in steps for rule in each.rules}
        return {name: texts.get(name, "") for name in (*self.fired, *(miss.law for miss in self.misses))}

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "source": source_to_dict(self.source),
            "notes": list(self.source.notes),
            "before": self.before,
            "after": self.after,
            "parameters": self.parameters,
            "transposes": self.transposes,
            "laws": self.laws,
            "fired": dict(self.fired),
            "misses": [miss.to_dict() for miss in self.misses],
            "conversion": self.conversion.to_dict() if self.conversion is not None else None,
        }
