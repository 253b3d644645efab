"""What became of a case, as plain data that goes from process to process and into reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xir.errors import FormatError

STATUSES: Final[Mapping[str, str]] = {
    "passed": "the outputs are those of the case, within its tolerances",
    "binding": "the runtime's Python interface cannot take or give an element type; what it computes is not known",
    "mismatch": "other values, shapes or element types",
    "unsupported": "the runtime does not take the model",
    "error": "the runtime failed while it ran the model",
    "crash": "the process died",
    "timeout": "the process did not come to an end",
}
"""{status: what it means}."""

_FORBIDDEN: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def writable(text: str) -> str:
    """The text with `?` for what XML and HTML have no way to write (XML 1.0, section 2.2)."""
    return _FORBIDDEN.sub("?", text)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case on one runtime.

    Attributes:
        status: see `STATUSES`.
        message: why it is not `passed`.
        seconds: of preparing and running.
        note: what should be said of how it was run.
    """

    status: str
    message: str = ""
    seconds: float = 0.0
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the case passed."""
        return self.status == "passed"

    def to_dict(self) -> dict[str, object]:
        """The outcome as JSON has it."""
        return {"status": self.status, "message": self.message, "seconds": self.seconds, "note": self.note}


def outcome_of(told: Mapping[str, object]) -> Outcome:
    """The outcome that JSON tells.

    Raises:
        FormatError: it tells none.
    """
    status, seconds = told.get("status"), told.get("seconds")
    if status not in STATUSES or not isinstance(seconds, int | float):
        raise FormatError(f"expected a status of {', '.join(STATUSES)} and seconds; got {dict(told)}")
    return Outcome(str(status), str(told.get("message", "")), float(seconds), str(told.get("note", "")))
