"""Ragged tensors that are handed on whole, alone or as vectors of them (what `tf.map_fn` maps)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._handles import Operand, Ragged, RaggedList
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.frontends.tensorflow.handlers.ragged import even_splits
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("RaggedTensorToVariant")
def handed_on(site: Site, *operands: Operand) -> Operand:
    """A ragged tensor whole, or the vector of its rows (ragged_tensor_to_variant_op.cc)."""
    *splits, values = (site.value(operand) for operand in operands)
    found = Ragged(tuple(whole(site, each) for each in splits), values)
    if not site.flag("batched_input"):
        return found
    if not splits:
        if values.rank < 2:
            site.invalid(f"the rows of {values.type!r} have no axes")
        flat = reshape(values, shape=(values.shape[0] * values.shape[1], *values.shape[2:]))
        found = Ragged((even_splits(values.shape, 1),), flat)
    return RaggedList(size_value(found.splits[0].shape[0] - 1, DType.INT64), found)


@handlers.layer("RaggedTensorFromVariant")
def taken_apart(site: Site, handle: Operand) -> Sequence[Operand]:
    """Splits and values of a ragged tensor, or of that whose rows are a vector (ragged_tensor_from_variant_op.cc)."""
    wanted, inner = site.integer("output_ragged_rank"), site.integer("input_ragged_rank")
    found = handle.rows if isinstance(handle, RaggedList) else handle
    if not isinstance(found, Ragged):
        site.refuse("a ragged tensor that comes from outside of the graph, or out of a list without elements")
    axes = 1 if isinstance(handle, RaggedList) else 0
    if len(found.splits) != wanted or inner not in (-1, wanted - axes):
        site.invalid(f"{len(found.splits)} ragged axes are held, {inner} in {wanted} are asked for")
    dtype = site.dtype("Tsplits")
    return *(site.cast(each, dtype) for each in found.splits), found.values
