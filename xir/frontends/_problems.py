"""What cannot be imported, all of it in one error."""

from __future__ import annotations

from dataclasses import dataclass, field

from xir.errors import Problem, UnsupportedError


class LostError(Exception):
    """What is read could not be made; why is among the problems."""


@dataclass(slots=True)
class Problems:
    """The problems of one file, by kind of node, reason and hint; each names its nodes once."""

    _found: dict[tuple[str, str, str | None], dict[str, None]] = field(
        default_factory=dict[tuple[str, str, str | None], dict[str, None]]
    )

    def note(self, kind: str, reason: str, hint: str | None, layer: str) -> None:
        """Notes that the node `layer` of the given kind cannot be imported."""
        self._found.setdefault((kind, reason, hint), {})[layer] = None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def error(self, total: int, file: str) -> UnsupportedError:
        """The error that lists them; `total` is the number of nodes of the file."""
        problems = tuple(
            Problem(kind, tuple(layers), reason, hint) for (kind, reason, hint), layers in self._found.items()
        )
        count = sum(len(problem.layers) for problem in problems)
        lines = [
            f"{problem.kind} x{len(problem.layers)} ({', '.join(problem.layers[:3])}"
            f"{', ...' if len(problem.layers) > 3 else ''}): {problem.reason}"
            for problem in problems
        ]
        return UnsupportedError(
            f"{count} of {total} nodes are not supported: " + "; ".join(lines), problems=problems, file=file
        )
