"""The centers of ordered boxes: each as near to its neighbours above and below as the boxes beside it allow.

Layer after layer the sum of weighted squared distances to the neighbours is made as small as it can be, which is an
isotonic regression (pool adjacent violators: Ayer and others 1955). Long lines weigh more, so that they run straight
(the weights of Gansner, Koutsofios, North and Vo 1993, 'A technique for drawing directed graphs', section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

ROUNDS = 12
"""How often layers are placed, upwards and downwards."""

LARGE = 5_000
"""Boxes and stops from which a sixth of the rounds must do."""

_BOTH_BOXES, _ONE_BOX, _NO_BOX = 1.0, 2.0, 8.0


def centers_of(
    rows: Sequence[Sequence[int]],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    widths: Sequence[float],
    gap: float,
    boxes: int,
) -> list[float]:
    """The center of each box and stop, in pixels.

    Args:
        rows: boxes and stops, layer by layer, from left to right.
        above: the neighbours of each in the layer above.
        below: the neighbours of each in the layer below.
        widths: in pixels.
        gap: the least distance between two of one layer, in pixels.
        boxes: numbers from this one on are stops.
    """
    centers = [0.0] * len(widths)
    apart = [_distances(row, widths, gap, boxes) for row in rows]
    for row, distances in zip(rows, apart, strict=True):
        for one, distance in zip(row, distances, strict=True):
            centers[one] = distance - distances[-1] / 2
    for _ in range(ROUNDS if len(widths) < LARGE else ROUNDS // 6):
        for row, distances in zip(reversed(rows), reversed(apart), strict=True):
            _settle(row, below, distances, centers, boxes)
        for row, distances in zip(rows, apart, strict=True):
            _settle(row, above, distances, centers, boxes)
    return centers


def _distances(row: Sequence[int], widths: Sequence[float], gap: float, boxes: int) -> list[float]:
    """How far each stands at least from the first one; between two stops half the gap is enough."""
    found: list[float] = []
    for index, one in enumerate(row):
        if index == 0:
            found.append(0.0)
            continue
        last = row[index - 1]
        between = gap / 2 if one >= boxes and last >= boxes else gap
        found.append(found[-1] + (widths[last] + widths[one]) / 2 + between)
    return found


def _settle(
    row: Sequence[int],
    neighbours: Sequence[Sequence[int]],
    distances: Sequence[float],
    centers: list[float],
    boxes: int,
) -> None:
    """Moves a layer to where its neighbours want it, in its order and with its distances."""
    blocks: list[tuple[float, float, int]] = []  # mean of what is wanted less the distance, weight, members
    for one, distance in zip(row, distances, strict=True):
        want, weight = _wanted(one, neighbours[one], centers, boxes)
        mean, members = want - distance, 1
        while blocks and blocks[-1][0] > mean:
            other, other_weight, count = blocks.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight += other_weight
            members += count
        blocks.append((mean, weight, members))
    index = 0
    for mean, _, members in blocks:
        for _ in range(members):
            centers[row[index]] = mean + distances[index]
            index += 1


def _wanted(one: int, others: Sequence[int], centers: Sequence[float], boxes: int) -> tuple[float, float]:
    """Where the neighbours want it, and how much; without neighbours it likes to stay, a little."""
    if not others:
        return centers[one], 0.1
    total = weights = 0.0
    for other in others:
        stops = (one >= boxes) + (other >= boxes)
        weight = (_BOTH_BOXES, _ONE_BOX, _NO_BOX)[stops]
        total += weight * centers[other]
        weights += weight
    return total / weights, weights
