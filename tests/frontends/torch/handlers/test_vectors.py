"""Eigenvectors and singular vectors: what makes them such, whatever their signs."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.handlers.answer import Built, built
from tests.frontends.torch.handlers.call import Array, fixed, real
from xir.errors import InvalidModelError

SQUARE = real(2, 5, 5, dtype=np.float64)


def made(each: Built, compiled: bool) -> list[Array]:
    """The results, on the reference or compiled."""
    if compiled:
        return [np.asarray(array) for array in xir.compile(each.graph, threads=1)(*each.feeds)]
    results = xir.run(each.graph, dict(zip(each.graph.input_names, each.feeds, strict=True)))
    return [np.asarray(array) for array in results.values()]


def orthonormal(columns: Array) -> None:
    product = np.swapaxes(columns, -1, -2) @ columns
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(columns.shape[-1]), product.shape), atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("triangle", ["L", "U"])
def test_eigenvectors_stay_in_their_direction(triangle: str, compiled: bool) -> None:
    values, vectors = made(built(fixed("linalg_eigh", SQUARE, triangle)), compiled)
    held = np.tril(SQUARE) if triangle == "L" else np.triu(SQUARE)
    whole = held + np.swapaxes(held, -1, -2) * (1 - np.eye(5))
    np.testing.assert_allclose(whole @ vectors, vectors * values[..., None, :], atol=1e-12)
    np.testing.assert_allclose(
        np.swapaxes(vectors, -1, -2) @ vectors, np.broadcast_to(np.eye(5), (2, 5, 5)), atol=1e-12
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 3), (3, 5), (1, 4)])
@pytest.mark.parametrize("kind", ["linalg_svd", "linalg_svd reduced", "svd"])
def test_factors_make_the_matrix_again(kind: str, shape: tuple[int, ...], compiled: bool) -> None:
    x = real(*shape, dtype=np.float64)
    call = fixed(*kind.split()[:1], x, *([False] if kind.endswith("reduced") else []))
    u, s, right = made(built(call), compiled)
    vh = np.swapaxes(right, -1, -2) if kind == "svd" else right
    least = min(shape[-2:])
    np.testing.assert_allclose((u[..., :least] * s[..., None, :]) @ vh[..., :least, :], x, atol=1e-12)
    orthonormal(u)
    orthonormal(np.swapaxes(vh, -1, -2))
    assert (u.shape[-1] == shape[-2]) is (kind == "linalg_svd" or least == shape[-2])


def test_a_matrix_of_low_rank_has_orthonormal_vectors_too() -> None:
    u, s, vh = made(built(fixed("linalg_svd", np.outer([1.0, 2, 3, 4], [1.0, 0, 2]))), True)
    orthonormal(u)
    orthonormal(vh.T)
    np.testing.assert_allclose(s[1:], 0, atol=1e-12)


def test_a_triangle_of_another_name_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="UPLO"):
        built(fixed("linalg_eigh", SQUARE, "X"))
