"""Every example of every operator through a format: written and read back with equal results, or refused.

A format's table says how many of each there are.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import xir
from tests.ops.cases import Case, all_cases
from tests.ops.test_table import graph_of
from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.reference import run

CASES: dict[str, list[Case]] = {}
for each in all_cases():
    CASES.setdefault(each.op.name, []).append(each)

Variants = Callable[[Graph, Mapping[str, Array]], tuple[Graph, Mapping[str, Array]] | None]


@dataclass(frozen=True)
class Examples:
    """The examples of a format.

    Attributes:
        table: the file with operator, examples written, examples refused.
        name: of the files that are written, whose ending is the format's.
        write: writes a graph.
        otherwise: what is tried where an example is refused, or None.
    """

    table: Path
    name: str
    write: Callable[[Graph, Path], object]
    otherwise: Variants | None = None

    def known(self) -> dict[str, tuple[int, int]]:
        """The table."""
        lines = [line.split("\t") for line in self.table.read_text("utf-8").splitlines() if not line.startswith("#")]
        return {name: (int(written), int(refused)) for name, written, refused in lines}

    def counted(self, name: str, folder: Path) -> tuple[int, int]:
        """How many examples are written, each read back and run, and how many are refused."""
        written = sum(self.is_written(case, folder) for case in CASES[name])
        return written, len(CASES[name]) - written

    def is_written(self, case: Case, folder: Path) -> bool:
        """Whether an example is written; then it is read back and run."""
        graph, feeds = graph_of(case)
        if self._is_written(graph, feeds, folder, str(case)):
            return True
        other = None if self.otherwise is None else self.otherwise(graph, feeds)
        return other is not None and self._is_written(*other, folder, str(case))

    def _is_written(self, graph: Graph, feeds: Mapping[str, Array], folder: Path, what: str) -> bool:
        path = folder / self.name
        try:
            self.write(graph, path)
        except UnsupportedError:
            return False
        read = xir.load(path)
        found = run(read, dict(zip(read.input_names, (feeds[name] for name in graph.input_names), strict=True)))
        for wanted, held in zip(run(graph, feeds).values(), found.values(), strict=True):
            close(np.asarray(held), np.asarray(wanted), what)
        return True

    def check_all(self, name: str, folder: Path) -> None:
        """Every example of an operator: as many are written as the table says."""
        assert self.counted(name, folder) == self.known().get(name, (0, len(CASES[name])))

    def check_one_of_each(self, folder: Path) -> None:
        """The last example of each operator of which all are written, or all are refused."""
        known = self.known()
        for name, cases in CASES.items():
            written, refused = known.get(name, (0, len(cases)))
            if not refused or not written:
                assert self.is_written(cases[-1], folder) is not bool(refused), name

    def record(self) -> None:
        """Writes the table anew."""
        with tempfile.TemporaryDirectory() as made:
            rows = {name: self.counted(name, Path(made)) for name in sorted(CASES)}
        text = "".join(f"{name}\t{written}\t{refused}\n" for name, (written, refused) in rows.items() if written)
        head = "# operator, examples written, examples refused; those that are not here are refused.\n"
        self.table.write_text(head + text)
        total = [sum(row[index] for row in rows.values()) for index in (0, 1)]
        sys.stdout.write(f"{total[0]} of {sum(total)} examples are written\n")


def close(found: Array, wanted: Array, what: str) -> None:
    """f16 is computed in f32 there, and rounded once."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), what
    rtol = 4e-3 if wanted.dtype == np.float16 else 1e-4
    np.testing.assert_allclose(
        found.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=rtol / 10, err_msg=what
    )
