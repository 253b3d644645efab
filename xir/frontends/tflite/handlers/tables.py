"""Tables that are looked up in."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.site import Argument, Handle, Handler, Site, as_dtype, literal
from xir.ir.constant import Constant
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, index
from xir.ops._build import scalar_like
from xir.ops.labels import lookup
from xir.ops.reduce import arg_max, reduce_max
from xir.ops.shape import broadcast, reshape

raw: Handlers[Handler] = Handlers("tflite")


@raw.layer("HASHTABLE")
def table(site: Site) -> Handle:
    """HASHTABLE: a table by its number."""
    site.ignore("key_dtype", "value_dtype")
    return Handle(f"table {site.integer('table_id')}")


@raw.layer("HASHTABLE_IMPORT")
def filled(site: Site, handle: Handle, keys: Value, values: Value) -> tuple[Argument, ...]:
    """HASHTABLE_IMPORT; what is imported first stays (hashtable_import.cc)."""
    held = [site.knowledge.constant_of(each) for each in (keys, values)]
    if held[0] is None or held[1] is None:
        site.refuse("a table whose keys or values are computed at run time")
    site.flow.tables().setdefault(handle.name, (_flat(held[0]), _flat(held[1])))
    return ()


def _flat(constant: Constant) -> Constant:
    return constant.reshaped((constant.elements,))


def _held(site: Site, handle: Handle) -> tuple[Constant, Constant]:
    held = site.flow.tables().get(handle.name)
    if held is None:
        site.refuse(f"{handle.name}, which nothing that is read fills before")
    return held


@raw.layer("HASHTABLE_FIND")
def found(site: Site, handle: Handle, keys: Value, default: Value) -> Value:
    """HASHTABLE_FIND."""
    known, values = _held(site, handle)
    otherwise = site.knowledge.constant_of(default)
    if otherwise is None:
        site.refuse("a default that is computed at run time")
    return lookup(keys, keys=known, values=values, default=_flat(otherwise))


@raw.layer("HASHTABLE_SIZE")
def counted(site: Site, handle: Handle) -> Value:
    """HASHTABLE_SIZE."""
    known, _ = _held(site, handle)
    return literal(np.array([len(set(known.array().tolist()))]), DType.INT64)


@raw.layer("HASHTABLE_LOOKUP")
def rows(site: Site, wanted: Value, keys: Value, values: Value) -> tuple[Value, Value]:
    """HASHTABLE_LOOKUP: the rows of keys, zeros where there is none; and whether there is (hashtable_lookup.cc)."""
    shape = (wanted.shape[0], keys.shape[0])
    left = broadcast(reshape(wanted, shape=(shape[0], 1)), shape=shape)
    same = as_dtype(compare.equal(left, broadcast(keys, shape=shape)), DType.INT32)
    hit = reduce_max(same, axes=(1,), keep_dims=False)
    picked = index.gather(values, arg_max(same, axis=1, keep_dims=False), axis=0)
    is_there = compare.greater(hit, scalar_like(hit, 0))
    wide = reshape(is_there, shape=(*is_there.shape, *(1,) * (picked.rank - 1)))
    empty = scalar_like(picked, 0)
    chosen = elementwise.select(broadcast(wide, shape=picked.shape), picked, empty)
    return chosen, as_dtype(is_there, DType.UINT8)
