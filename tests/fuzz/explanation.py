"""One known disagreement, and which findings it covers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fuzz.described import NOT_FINITE as NOT_FINITE
from tests.fuzz.judges import Finding

ANY_NUMBER = "NaN|infinity|values"
"""Numbers that differ, of the same type and shape."""


@dataclass(frozen=True)
class Explained:
    """A known disagreement.

    Attributes:
        judge: a pattern of the whole name of the comparison.
        op: a pattern of the operator; `loop(add+neg)` is covered by what covers one of its inner operators, too, whose
            attributes and types stand in the detail.
        cause: a pattern of the whole cause; `values` stands for `values by one`, too.
        note: why it is theirs, or nobody's.
        detail: a pattern somewhere in the detail: the attributes or operands that it takes.
        quotes: (operator, words that stand in its text).
        lines: (file of onnx's evaluator, what stands in it).
        seen: what an experiment shows, where there is no text and no line.
    """

    judge: str
    op: str
    cause: str
    note: str
    detail: str = ""
    quotes: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    seen: str = ""

    def covers(self, found: Finding) -> bool:
        """Whether this is the disagreement."""
        cause = found.cause if "by one" in self.cause else found.cause.replace(" by one", "")
        if re.fullmatch(self.judge, found.judge) is None or re.fullmatch(self.cause, cause, re.DOTALL) is None:
            return False
        if re.search(self.detail, found.detail, re.DOTALL) is None:
            return False
        inner = re.split(r"[+()]", found.op) if "(" in found.op else []
        return any(re.fullmatch(self.op, name) is not None for name in (found.op, *inner))


def theirs(
    op: str,
    cause: str,
    note: str,
    *lines: tuple[str, str],
    detail: str = "",
    quotes: tuple[tuple[str, str], ...] = (),
) -> Explained:
    """An entry about the evaluator, with files and what stands in them."""
    return Explained("onnx", op, cause, note, detail=detail, quotes=quotes, lines=lines)
