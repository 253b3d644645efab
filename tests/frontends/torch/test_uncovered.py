"""The manual's list of what is not read is the one that the tables give."""

from __future__ import annotations

import pytest

from tests.frontends.torch.uncovered import BEGIN, END, MANUAL, is_read, listed


def test_what_is_written_is_told() -> None:
    text = MANUAL.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


@pytest.mark.parametrize(
    ("namespace", "name", "overload", "read"),
    [
        ("aten", "add", "Tensor", True),
        ("aten", "add_", "Tensor", True),
        ("aten", "add", "out", True),
        ("aten", "__iand__", "Tensor", True),
        ("quantized", "linear_dynamic", "default", True),
        ("aten", "linalg_eig", "default", False),
        ("nowhere", "add", "Tensor", False),
    ],
)
def test_is_read(namespace: str, name: str, overload: str, read: bool) -> None:
    assert is_read(namespace, name, overload) is read


@pytest.mark.nightly
def test_the_list_is_of_today() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    assert listed() in MANUAL.read_text("utf-8"), "python -m tests.frontends.torch.uncovered"
