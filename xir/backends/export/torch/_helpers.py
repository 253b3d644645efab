"""Functions that a written file brings along where a node needs them: PyTorch has no one call for what they do."""

from __future__ import annotations

from collections.abc import Mapping

HELPERS: Mapping[str, str] = {
    "top_k": '''
def top_k(x, k, axis, largest):
    """The k largest or smallest elements along an axis and their places, equal ones in their order."""
    values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, k), places.narrow(axis, 0, k)
''',
    "pad_places": '''
def pad_places(x, axis, before, after, mode):
    """`x` with elements of its own added along an axis: its edge, its mirror image, or itself again."""
    size = x.shape[axis]
    places = torch.arange(-before, size + after, device=x.device)
    if mode == "edge":
        places = places.clamp(0, size - 1)
    elif mode == "reflect":
        places = places % max(2 * size - 2, 1)
        places = torch.minimum(places, 2 * size - 2 - places)
    else:
        places = places % size
    return torch.index_select(x, axis, places)
''',
}
"""Name -> text. They know PyTorch alone, and no name of a model stands in them."""
