"""The one tree of errors: what was got, what was expected, which layer of which file, what to do.

Every error that xir raises on purpose is an `XirError`. Its code reads `XIR-Exyz`; the hundreds digit `x` is the
exit code of the command line, so a script can branch on the kind of failure without parsing text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Location:
    """Where in a foreign model something went wrong; every part may be unknown."""

    file: str | None = None
    layer: str | None = None
    kind: str | None = None

    def __str__(self) -> str:
        """The location in words: `lenet.caffemodel: layer 'conv1' (Convolution)`."""
        parts: list[str] = []
        if self.layer is not None:
            parts.append(f"layer {self.layer!r}" + (f" ({self.kind})" if self.kind else ""))
        elif self.kind is not None:
            parts.append(self.kind)
        return printable(": ".join(([self.file] if self.file else []) + parts))

    def or_else(self, other: Location) -> Location:
        """This location, its unknown parts taken from `other`."""
        return Location(self.file or other.file, self.layer or other.layer, self.kind or other.kind)


MAX_MESSAGE = 8_000
"""Characters of one message. Real ones take some hundred; an attribute of a million numbers would fill the screen."""


def printable(text: str, *, keep: str = "") -> str:
    """The text with every character that a terminal would act on (escape, newline, direction marks) spelt out.

    Messages quote models, and whoever embeds xir prints them; `keep` stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def _shortened(message: str) -> str:
    """The message without its middle where it is too long to be read."""
    if len(message) <= MAX_MESSAGE:
        return message
    head, tail = MAX_MESSAGE * 3 // 4, MAX_MESSAGE // 4
    return f"{message[:head]} ... ({len(message) - head - tail} characters left out) ... {message[-tail:]}"


class XirError(Exception):
    """The base of every error that xir raises on purpose.

    Attributes:
        message: what was got and what was expected.
        code: `XIR-Exyz`; `x` is the exit code.
        source: the file and layer, as far as they are known.
        hint: what the person can do about it, or None.
    """

    number: ClassVar[int] = 501

    def __init__(
        self,
        message: str,
        *,
        number: int | None = None,
        file: str | None = None,
        layer: str | None = None,
        kind: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Builds the error; `number` narrows the class's own code within the same hundred."""
        super().__init__(message)
        self.message = printable(_shortened(message), keep="\n")
        self.hint = hint
        self.source = Location(file, layer, kind)
        chosen = self.number if number is None else number
        if chosen // 100 != self.number // 100:
            raise ValueError(f"error number {chosen} is outside {type(self).__name__}'s hundred")
        self.code = f"XIR-E{chosen:03d}"

    @property
    def exit_code(self) -> int:
        """The process exit code that belongs to this error."""
        return int(self.code[len("XIR-E")])

    def located(self, location: Location) -> XirError:
        """Fills the unknown parts of the error's source from `location` and returns the error itself."""
        self.source = self.source.or_else(location)
        return self

    def to_dict(self) -> dict[str, object]:
        """The error as plain data, as `--json` prints it."""
        return {
            "code": self.code,
            "message": self.message,
            "file": self.source.file,
            "layer": self.source.layer,
            "kind": self.source.kind,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        """Location and message on one line; the hint is printed by whoever shows the error."""
        where = str(self.source)
        return f"{where}: {self.message}" if where else self.message


class UsageError(XirError):
    """The call or the command line is wrong: exit code 2."""

    number = 201


class FormatError(XirError):
    """The file cannot be read, or its format is not known: exit code 3."""

    number = 301


class UnsupportedError(XirError):
    """The model holds something that xir, or the chosen target, does not have: exit code 4.

    All problems of a model are reported at once: `problems` lists them, one `Problem` a kind of layer.
    """

    number = 401

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[Problem, ...] = (),
        number: int | None = None,
        file: str | None = None,
        layer: str | None = None,
        kind: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Builds the error from its `problems`, which `message` already describes in words."""
        super().__init__(message, number=number, file=file, layer=layer, kind=kind, hint=hint)
        self.problems = problems

    def to_dict(self) -> dict[str, object]:
        """The error as plain data with its list of problems."""
        return super().to_dict() | {"problems": [problem.to_dict() for problem in self.problems]}


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of layer that cannot be taken: which, how often, where, why, and what would help."""

    kind: str
    layers: tuple[str, ...]
    reason: str
    hint: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The problem as plain data."""
        return {
            "kind": self.kind,
            "count": len(self.layers),
            "layers": list(self.layers),
            "reason": self.reason,
            "hint": self.hint,
        }


class InvalidModelError(XirError):
    """The model contradicts itself or the rules of its format: exit code 5."""

    number = 501


class MismatchError(XirError):
    """Two models, or a model and its conversion, do not compute the same: exit code 6."""

    number = 601


class MissingExtraError(XirError):
    """An optional library is not installed; the hint is the pip line: exit code 7."""

    number = 701


class UnsafeError(XirError):
    """The file reaches outside its place or asks for more than the limits allow: exit code 8."""

    number = 801


class FileError(XirError):
    """The operating system refused a read or a write (missing file, permission, full disk): exit code 9."""

    number = 901
