"""Disagreements that are explained: what is known of other implementations, each with the words that decide.

An entry that no run needs any more should go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fuzz.judges import Finding


@dataclass(frozen=True)
class Explained:
    """A known disagreement.

    Attributes:
        judge: the comparison.
        op: a pattern of the whole name of the operator (`re.fullmatch`).
        cause: a pattern somewhere in the cause.
        note: why it is theirs, or nobody's, with the words of the specification.
        detail: a pattern somewhere in the detail, if the cause does not tell enough.
    """

    judge: str
    op: str
    cause: str
    note: str
    detail: str = ""

    def covers(self, found: Finding) -> bool:
        """Whether this is the disagreement."""
        return (
            self.judge == found.judge
            and re.fullmatch(self.op, found.op) is not None
            and re.search(self.cause, found.cause) is not None
            and re.search(self.detail, found.detail, re.DOTALL) is not None
        )


EXPLAINED: tuple[Explained, ...] = ()


def explanation(found: Finding) -> str | None:
    """The note that explains a finding, if there is one."""
    return next((each.note for each in EXPLAINED if each.covers(found)), None)
