"""Lookup tables: keys that come in become the values that stand beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._handles import Operand, TableHandle
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.lookups import Table
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.constant import constant
from xir.ops.labels import lookup

handlers: Handlers[Handler] = Handlers("tensorflow")


def _table(site: Site, handle: Operand) -> Table:
    if not isinstance(handle, TableHandle):
        site.invalid("its first operand must be a lookup table")
    return handle.read()


@handlers.layer("LookupTableFind", "LookupTableFindV2")
def found(site: Site, handle: Operand, keys: Operand, default: Operand) -> Value:
    """The values of keys, the default for those that the table has not."""
    table = _table(site, handle)
    spare = site.array(site.value(default), "what a lookup table answers for keys that it has not")
    if spare.size != 1:
        site.refuse("lookup tables whose values are tensors")
    kept = np.asarray(spare).reshape(())
    literal = constant_of(kept) if kept.dtype == object else constant_of(kept, table.values.dtype)
    return lookup(site.value(keys), keys=table.keys, values=table.values, default=literal)


@handlers.layer("LookupTableSize", "LookupTableSizeV2")
def counted(site: Site, handle: Operand) -> Value:
    """How many keys a table has."""
    return constant(value=constant_of(np.asarray(_table(site, handle).keys.elements, np.int64)))


@handlers.layer("LookupTableExport", "LookupTableExportV2")
def exported(site: Site, handle: Operand) -> Sequence[Value]:
    """All keys and values."""
    table = _table(site, handle)
    return constant(value=table.keys), constant(value=table.values)
