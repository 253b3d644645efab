"""Views that show all elements in another shape or order."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.casts import copied
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number, Tensor
from xir.ir.dims import Dim, equal, floor_divide, product
from xir.ir.node import Value
from xir.ops.shape import broadcast, pad, reshape, transpose

operators = Operators("aten")
Sizes = Sequence[Number]


def viewed(call: Call, x: Value, sizes: Sizes) -> Value:
    """The elements in row-major order in another shape; one size may be -1: what is left."""
    if any(call.is_computed(size) for size in sizes):
        shape, target = call.shape(sizes)
        return reshape(x, target, shape=shape)
    shape = call.known_shape(sizes)
    if shape.count(-1) > 1:
        call.invalid(f"sizes {list(shape)} leave two open")
    if -1 in shape:
        rest = product(tuple(size for size in shape if size != -1))
        if rest == 0:
            call.invalid(f"sizes {list(shape)} leave one open that could be any")
        left = floor_divide(x.tensor.elements, rest)
        shape = tuple(left if size == -1 else size for size in shape)
    return x if shape == x.shape else reshape(x, shape=shape)


@operators.op(
    "view(Tensor(a) self, SymInt[] size) -> Tensor(a)",
    "_unsafe_view(Tensor self, SymInt[] size) -> Tensor",
    "view_copy(Tensor self, SymInt[] size) -> Tensor",
    "_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)",
    unused=("stride",),
)
def view(call: Call, x: Value, sizes: Sizes) -> Value:
    """The elements in another shape."""
    return viewed(call, x, sizes)


@operators.op(
    "reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)",
)
def reshaped(call: Call, x: Value, sizes: Sizes) -> Value | Tensor:
    """The elements in another shape: a copy where they do not lie in order."""
    made = viewed(call, x, sizes)
    return Tensor(made) if isinstance(copied(x), Tensor) else made


@operators.op(
    "view_as(Tensor(a) self, Tensor other) -> Tensor(a)",
    "reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)",
)
def view_as(call: Call, x: Value, other: Value) -> Value:
    """The elements in the shape of another tensor."""
    return viewed(call, x, other.shape)


@operators.op(
    "flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)",
)
def flatten(call: Call, x: Value, first: int, last: int) -> Value | Tensor:
    """Neighbouring axes made one; a tensor without axes gets one."""
    if not x.rank:
        return viewed(call, x, (1,))
    first, last = call.axis(first, x.rank), call.axis(last, x.rank)
    if first > last:
        call.invalid(f"axis {first} stands behind axis {last}")
    return reshaped(call, x, (*x.shape[:first], product(x.shape[first : last + 1]), *x.shape[last + 1 :]))


@operators.op(
    "ravel(Tensor(a) self) -> Tensor(a)",
)
def ravel(call: Call, x: Value) -> Value | Tensor:
    """All axes made one."""
    return reshaped(call, x, (product(x.shape),))


@operators.op(
    "unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)",
)
def unflatten(call: Call, x: Value, axis: int, sizes: Sizes) -> Value:
    """One axis made several; one size may be -1."""
    axis = call.axis(axis, x.rank)
    shape = call.known_shape(sizes)
    if -1 in shape:
        left = floor_divide(x.shape[axis], product(tuple(size for size in shape if size != -1)))
        shape = tuple(left if size == -1 else size for size in shape)
    return viewed(call, x, (*x.shape[:axis], *shape, *x.shape[axis + 1 :]))


@operators.put(
    "view.default",
    "reshape.default",
    "_reshape_alias.default",
    "view_as.default",
    "reshape_as.default",
    "flatten.using_ints",
    "ravel.default",
    "unflatten.int",
)
def put_reshaped(call: Call, whole: Value, part: Value, *rest: object) -> Value:
    """The elements back in the shape of the whole."""
    return reshape(part, shape=whole.shape)


def permuted(x: Value, perm: Sequence[int]) -> Value:
    """The axes in another order; `x` itself where it is theirs."""
    return x if list(perm) == list(range(x.rank)) else transpose(x, perm=tuple(perm))


def _swapped(call: Call, x: Value, first: int, second: int) -> tuple[int, ...]:
    perm = list(range(x.rank))
    if perm:
        first, second = call.axis(first, x.rank), call.axis(second, x.rank)
        perm[first], perm[second] = second, first
    return tuple(perm)


@operators.op(
    "permute(Tensor(a) self, int[] dims) -> Tensor(a)",
    "permute_copy(Tensor self, int[] dims) -> Tensor",
)
def permute(call: Call, x: Value, axes: Sequence[int]) -> Value:
    """The axes in another order: axis i of the result is axis axes[i]."""
    perm = tuple(call.axis(axis, x.rank) for axis in axes)
    if len(perm) != x.rank:
        call.invalid(f"{list(axes)} orders {len(perm)} axes, {x.type!r} has {x.rank}")
    return permuted(x, perm)


@operators.put("permute.default")
def put_permuted(call: Call, whole: Value, part: Value, axes: Sequence[int]) -> Value:
    """The axes in the order of the whole."""
    perm = [call.axis(axis, whole.rank) for axis in axes]
    return permuted(part, [perm.index(axis) for axis in range(whole.rank)])


@operators.op(
    "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
    "transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor",
    "swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)",
    "swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
)
def transposed(call: Call, x: Value, first: int, second: int) -> Value:
    """Two axes exchanged."""
    return permuted(x, _swapped(call, x, first, second))


@operators.put("transpose.int", "swapaxes.default", "swapdims.default")
def put_transposed(call: Call, whole: Value, part: Value, first: int, second: int) -> Value:
    """The axes exchanged again."""
    return permuted(part, _swapped(call, whole, first, second))


@operators.op(
    "t(Tensor(a) self) -> Tensor(a)",
    "t_copy(Tensor self) -> Tensor",
    "numpy_T(Tensor(a) self) -> Tensor(a)",
    "numpy_T.a(Tensor(a) self) -> Tensor(a)",
)
def turned(call: Call, x: Value) -> Value:
    """All axes in the opposite order."""
    if call.kind.startswith("aten.t") and x.rank > 2:
        call.invalid(f"t turns matrices, got {x.type!r}")
    return permuted(x, range(x.rank - 1, -1, -1))


@operators.op(
    "mT(Tensor(a) self) -> Tensor(a)",
    "mT.a(Tensor(a) self) -> Tensor(a)",
    "mH(Tensor(a) self) -> Tensor(a)",
    "mH.a(Tensor(a) self) -> Tensor(a)",
    "adjoint(Tensor(a) self) -> Tensor(a)",
    "matrix_H(Tensor(a) self) -> Tensor(a)",
    "matrix_H.a(Tensor(a) self) -> Tensor(a)",
)
def matrix_turned(call: Call, x: Value) -> Value:
    """Each matrix turned."""
    if x.rank < 2:
        call.invalid(f"matrices are needed, got {x.type!r}")
    return permuted(x, _swapped(call, x, -2, -1))


@operators.op(
    "movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
    "movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
    "moveaxis.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
    "moveaxis.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
)
def movedim(call: Call, x: Value, source: int | Sequence[int], target: int | Sequence[int]) -> Value:
    """Some axes at other places, the others in their order in what is left."""
    froms = [call.axis(axis, x.rank) for axis in ([source] if isinstance(source, int) else source)]
    tos = [call.axis(axis, x.rank) for axis in ([target] if isinstance(target, int) else target)]
    if len(set(froms)) != len(tos) or len(set(tos)) != len(froms):
        call.invalid(f"axes {froms} cannot move to {tos}")
    left = iter([axis for axis in range(x.rank) if axis not in froms])
    at = dict(zip(tos, froms, strict=True))
    return permuted(x, [at[place] if place in at else next(left) for place in range(x.rank)])


def without_axes(x: Value, axes: Sequence[int]) -> Value:
    """`x` without those of the axes that have the size 1."""
    shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes or size != 1)
    return x if len(shape) == x.rank else reshape(x, shape=shape)


@operators.op(
    "squeeze(Tensor(a) self) -> Tensor(a)",
    "squeeze_copy(Tensor self) -> Tensor",
)
def squeeze(call: Call, x: Value) -> Value:
    """All axes of size 1 gone."""
    return without_axes(x, range(x.rank))


@operators.op(
    "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)",
    "squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)",
    "squeeze_copy.dim(Tensor self, int dim) -> Tensor",
    "squeeze_copy.dims(Tensor self, int[] dim) -> Tensor",
)
def squeeze_along(call: Call, x: Value, axes: int | Sequence[int]) -> Value:
    """Those of the axes gone that have the size 1."""
    return without_axes(x, [call.axis(axis, x.rank) for axis in ([axes] if isinstance(axes, int) else axes)])


@operators.op(
    "unsqueeze(Tensor(a) self, int dim) -> Tensor(a)",
    "unsqueeze_copy(Tensor self, int dim) -> Tensor",
)
def unsqueeze(call: Call, x: Value, axis: int) -> Value:
    """A new axis of size 1."""
    return with_axis(x, call.axis(axis, x.rank + 1))


def with_axis(x: Value, axis: int) -> Value:
    """`x` with a new axis of size 1 at `axis`."""
    return reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))


operators.put("squeeze.default", "squeeze.dim", "squeeze.dims", "unsqueeze.default")(put_reshaped)


@operators.op(
    "expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
    "expand_copy(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor",
    unused=("implicit",),
)
def expanded(call: Call, x: Value, sizes: Sizes) -> Value:
    """Axes of size 1 repeated to `sizes`; -1 keeps a size."""
    new = len(sizes) - x.rank
    if new < 0 or any(size == -1 for size in sizes[:new]):
        call.invalid(f"{x.type!r} cannot be repeated to {list(sizes)}")
    wanted = [x.shape[place - new] if size == -1 else size for place, size in enumerate(sizes)]
    if any(call.is_computed(size) for size in wanted):
        shape, target = call.shape(wanted)
        return broadcast(x, target, shape=shape)
    return call.repeated(x, call.known_shape(wanted))


@operators.op(
    "broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)",
)
def broadcast_to(call: Call, x: Value, sizes: Sizes) -> Value:
    """Axes of size 1 repeated."""
    return expanded(call, x, sizes)


@operators.op(
    "expand_as(Tensor(a) self, Tensor other) -> Tensor(a)",
)
def expand_as(call: Call, x: Value, other: Value) -> Value:
    """Axes of size 1 repeated to the shape of another tensor."""
    return expanded(call, x, other.shape)


@operators.op(
    "broadcast_tensors(Tensor[] tensors) -> Tensor[]",
)
def broadcast_tensors(call: Call, values: Sequence[Value]) -> tuple[Value, ...]:
    """Each tensor repeated to the shape that all broadcast to."""
    return call.aligned(*values)


@operators.op(
    "atleast_1d(Tensor self) -> Tensor",
    "atleast_2d(Tensor self) -> Tensor",
    "atleast_3d(Tensor self) -> Tensor",
)
def atleast(call: Call, x: Value) -> Value:
    """New axes of size 1 up to a rank: in front, and for three axes one behind a vector's and a matrix's."""
    rank = int(call.kind.removeprefix("aten.atleast_")[0])
    if x.rank >= rank:
        return x
    behind = 1 if rank == 3 and x.rank in (1, 2) else 0
    return reshape(x, shape=(*(1,) * (rank - x.rank - behind), *x.shape, *(1,) * behind))


@operators.op(
    "atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]",
    "atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]",
    "atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]",
)
def atleast_each(call: Call, values: Sequence[Value]) -> tuple[Value, ...]:
    """The same of each tensor."""
    return tuple(atleast(call, value) for value in values)


@operators.op(
    "resize(Tensor self, SymInt[] size, *, MemoryFormat? memory_format=None) -> Tensor",
    "resize_as(Tensor self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor",
)
def resize(call: Call, x: Value, sizes: Sizes | Value) -> Value:
    """The first elements in another shape; zeros where there are not enough, which PyTorch leaves open."""
    shape = sizes.shape if isinstance(sizes, Value) else call.known_shape(sizes)
    wanted: Dim = product(shape)
    have = x.tensor.elements
    if equal(have, wanted) is True:
        return reshape(x, shape=shape)
    flat = pad(reshape(x, shape=(have,)), padding=((0, wanted - have),))  # a negative amount cuts
    return reshape(flat, shape=shape)
