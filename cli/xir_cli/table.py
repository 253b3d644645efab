"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from xir.errors import printable

MAX_CELL = 60
"""Characters of a cell; what is longer is cut, --json has it whole."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """The lines of a table.

    Args:
        head: titles of the columns.
        rows: as many cells each.
        right: columns that are aligned to the right, by position.
    """
    cells = [[_cut(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _cut(cell: str) -> str:
    text = printable(cell)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 3] + "..."
