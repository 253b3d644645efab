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
    "reduce_late": '''
def reduce_late(x, axes, kind, keep, all_if_empty):
    """A reduction over axes that only the run tells."""
    axes = sorted({axis % x.dim() for axis in axes}) or (list(range(x.dim())) if all_if_empty else [])
    if kind in ("l1", "l2", "sum_square", "log_sum"):
        x = {"l1": torch.abs, "log_sum": lambda x: x}.get(kind, torch.square)(x)
    made = x
    for axis in reversed(axes):
        if kind in ("max", "min"):
            made = (torch.amax if kind == "max" else torch.amin)(made, axis, keepdim=keep)
        elif kind == "prod":
            made = torch.prod(made, axis, keepdim=keep).to(x.dtype)
        elif kind == "log_sum_exp":
            made = torch.logsumexp(made, axis, keepdim=keep)
        else:
            made = torch.sum(made, axis, keepdim=keep).to(x.dtype)
    if kind == "mean":
        count = 1
        for axis in axes:
            count *= x.shape[axis]
        made = made / count if x.is_floating_point() else torch.div(made, count, rounding_mode="trunc")
    return {"l2": torch.sqrt, "log_sum": torch.log}.get(kind, lambda x: x)(made)
''',
    "slice_late": '''
def slice_late(x, starts, stops, axes, steps):
    """A slice whose axes and steps only the run tells; backward ones too."""
    for start, stop, axis, step in zip(starts, stops, axes, steps or [1] * len(axes)):
        places = range(*slice(start, stop, step).indices(x.shape[axis]))
        x = torch.index_select(x, axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x
''',
    "unsqueeze_late": '''
def unsqueeze_late(x, axes):
    """`x` with new axes at places of the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x
''',
    "reshape_late": '''
def reshape_late(x, sizes):
    """`x` in another shape, in which 0 is the size that stands there now."""
    return x.reshape([size or x.shape[at] for at, size in enumerate(sizes)])
''',
    "range_of": '''
def range_of(start, limit, delta, dtype):
    """start, start + delta ... up to, not with, limit."""
    count = max(int(torch.ceil((limit.double() - start.double()) / delta.double())), 0)
    line = torch.arange(count, dtype=dtype, device=start.device) * delta.to(dtype) + start.to(dtype)
    return line.reshape(-1).to(start.dtype)
''',
    "whole_range": '''
def whole_range(start, limit, delta, dtype):
    """start, start + delta ... up to, not with, limit, of whole numbers; nothing where limit lies behind."""
    return torch.tensor(list(range(start, limit, delta)), dtype=torch.int64).to(dtype)
''',
    "padded": '''
def padded(x, amounts, axes, mode, fill):
    """`x` with amounts[i] before and amounts[i + number of axes] after along each axis; what is negative is cut off."""
    for at, axis in enumerate(axes):
        before, after = amounts[at], amounts[at + len(axes)]
        start, stop = max(-before, 0), x.shape[axis] - max(-after, 0)
        x = x.narrow(axis, start, stop - start)
        before, after = max(before, 0), max(after, 0)
        if mode != "constant":
            x = pad_places(x, axis, before, after, mode)
            continue
        shape = list(x.shape)
        parts = [torch.full([*shape[:axis], size, *shape[axis + 1 :]], fill, dtype=x.dtype) for size in (before, after)]
        x = torch.cat([parts[0].to(x.device), x, parts[1].to(x.device)], axis)
    return x
''',
    "unique": '''
def unique(x, axis, in_order):
    """The elements or slices that differ, where each comes first, which one each is, and how often it comes."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    rows = x.movedim(axis, 0)
    if rows.numel() == 0:
        count, new = rows.shape[0], {"dtype": torch.int64, "device": x.device}
        firsts, counts = torch.zeros(min(count, 1), **new), torch.full([min(count, 1)], count, **new)
        return torch.index_select(x, axis, firsts), firsts, torch.zeros(count, **new), counts
    none = torch.isnan(rows)
    codes = torch.unique(torch.where(none, 0, rows), return_inverse=True)[1]
    codes = torch.where(none, codes.numel(), codes).reshape(rows.shape[0], -1)
    _, inverse, counts = torch.unique(codes, dim=0, return_inverse=True, return_counts=True)
    firsts = torch.full_like(counts, len(inverse))
    firsts = firsts.scatter_reduce(0, inverse, torch.arange(len(inverse), device=x.device), "amin")
    if not in_order:
        order = torch.argsort(firsts)
        firsts, inverse, counts = firsts[order], torch.argsort(order)[inverse], counts[order]
    return torch.index_select(x, axis, firsts), firsts, inverse, counts
''',
    "non_max_suppression": '''
def non_max_suppression(boxes, scores, most, overlap, least, center):
    """[image, class, box] of the boxes that no better one of their class overlaps."""
    if center:
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        low, high = middle - half, middle + half
    else:
        low = torch.minimum(boxes[..., :2], boxes[..., 2:])
        high = torch.maximum(boxes[..., :2], boxes[..., 2:])
    area = (high - low).prod(-1)
    kept = []
    for image in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            score = scores[image, kind]
            order = torch.sort(score, descending=True, stable=True)[1]
            if least is not None:
                order = order[score[order] > least]
            taken = 0
            while len(order) and taken < most:
                best, rest = order[0], order[1:]
                kept.append([image, kind, int(best)])
                taken += 1
                corner = torch.maximum(low[image, best], low[image, rest])
                inner = (torch.minimum(high[image, best], high[image, rest]) - corner).clamp(min=0).prod(-1)
                union = area[image, best] + area[image, rest] - inner
                order = rest[~(inner / union > overlap)]
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device).reshape(-1, 3)
''',
    "dropout": '''
def dropout(x, rate, training):
    """What is kept of `x`, divided by the chance to be kept, and where."""
    if not training or rate == 0:
        return x, torch.ones_like(x, dtype=torch.bool)
    kept = torch.rand(x.shape, device=x.device) >= rate
    return torch.where(kept, x / (1 - rate), 0).to(x.dtype), kept
''',
    "stacked": '''
def stacked(rows, axis, shape, dtype, device):
    """What the steps of a loop made, along a new axis; without steps nothing, of the shape that a step would make."""
    if rows:
        return torch.stack(rows, axis)
    return torch.zeros([*shape[:axis], 0, *shape[axis:]], dtype=dtype, device=device)
''',
}
"""Name -> text. They know PyTorch alone, and no name of a model stands in them."""

NEEDS: Mapping[str, tuple[str, ...]] = {"padded": ("pad_places",)}
"""Name -> what it calls itself."""
