"""Every example of every operator as a TFLite file that our own reader takes back, with equal results or refused.

`python -m tests.backends.export.tflite.test_operators` writes the table anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.export.examples import CASES, Examples
from xir.backends.export.tflite import export_tflite

EXAMPLES = Examples(Path(__file__).with_name("operators.tsv"), "model.tflite", export_tflite)


def test_one_example_of_each_operator_is_written(tmp_path: Path) -> None:
    EXAMPLES.check_one_of_each(tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_every_example_is_written_or_refused(name: str, tmp_path: Path) -> None:
    EXAMPLES.check_all(name, tmp_path)


if __name__ == "__main__":
    EXAMPLES.record()
