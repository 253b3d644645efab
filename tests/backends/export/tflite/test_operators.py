"""Every example of every operator as a TFLite file that our own reader takes back, with equal results or refused.

`python -m tests.backends.export.tflite.test_operators` writes the table anew.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import xir
from tests.ops.cases import Case, all_cases
from tests.ops.test_table import graph_of
from xir.backends.export.tflite import export_tflite
from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.reference import run

TABLE = Path(__file__).with_name("operators.tsv")
"""operator, how many examples are written, how many are refused."""

CASES: dict[str, list[Case]] = {}
for each in all_cases():
    CASES.setdefault(each.op.name, []).append(each)


def table() -> dict[str, tuple[int, int]]:
    lines = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {name: (int(written), int(refused)) for name, written, refused in lines}


def counted(name: str, folder: Path) -> tuple[int, int]:
    """How many examples are written, each read back and run, and how many are refused."""
    written = sum(is_written(case, folder) for case in CASES[name])
    return written, len(CASES[name]) - written


def is_written(case: Case, folder: Path) -> bool:
    """Whether an example is written; then it is read back and run."""
    graph, feeds = graph_of(case)
    path = folder / "model.tflite"
    try:
        export_tflite(graph, path)
    except UnsupportedError:
        return False
    again = run(xir.load(path), feeds)
    for wanted, found in zip(run(graph, feeds).values(), again.values(), strict=True):
        close(np.asarray(found), np.asarray(wanted), str(case))
    return True


def close(found: Array, wanted: Array, what: str) -> None:
    """f16 is computed in f32 there, and rounded once."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), what
    rtol = 4e-3 if wanted.dtype == np.float16 else 1e-4
    np.testing.assert_allclose(
        found.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=rtol / 10, err_msg=what
    )


def test_one_example_of_each_operator_is_written(tmp_path: Path) -> None:
    known = table()
    for name, cases in CASES.items():
        written, refused = known.get(name, (0, len(cases)))
        if not refused or not written:
            assert is_written(cases[-1], tmp_path) is not bool(refused)


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_every_example_is_written_or_refused(name: str, tmp_path: Path) -> None:
    assert counted(name, tmp_path) == table().get(name, (0, len(CASES[name])))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        rows = {name: counted(name, Path(made)) for name in sorted(CASES)}
    text = "".join(f"{name}\t{written}\t{refused}\n" for name, (written, refused) in rows.items() if written)
    TABLE.write_text("# operator, examples written, examples refused; those that are not here are refused.\n" + text)
    total = [sum(row[index] for row in rows.values()) for index in (0, 1)]
    sys.stdout.write(f"{total[0]} of {sum(total)} examples are written\n")
