"""Every BVLC layer against the real Caffe, and what OpenCV knows against OpenCV, on random weights and inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.cases import CASES
from tests.frontends.caffe.nets import Arrays, Case, job, opencv, ours, real_caffe

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32 sums in another order


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays | str]:
    folder = tmp_path_factory.mktemp("caffe")
    return real_caffe([job(case, folder) for case in CASES if case.caffe], folder)


def _assert_equal(expected: Arrays, actual: Arrays) -> None:
    assert set(actual) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name].reshape(-1), array.reshape(-1), err_msg=name, **TOLERANCE)
        assert actual[name].shape == array.shape or array.shape in ((), (1,)), name


def test_ids_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [case for case in CASES if case.caffe], ids=lambda case: case.id)
def test_agrees_with_caffe(case: Case, judged: dict[str, Arrays | str], tmp_path: Path) -> None:
    expected = judged[case.id]
    assert not isinstance(expected, str), f"Caffe failed: {expected}"
    _assert_equal(expected, ours(case, tmp_path))


@pytest.mark.parametrize("case", [case for case in CASES if case.cv2], ids=lambda case: case.id)
def test_agrees_with_opencv(case: Case, tmp_path: Path) -> None:
    actual = ours(case, tmp_path)
    text, model = case.write(tmp_path)
    expected = opencv(text, model, case.feeds(), list(actual))
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name].reshape(-1), array.reshape(-1), err_msg=name, rtol=1e-3, atol=1e-4)
