"""Variables whose value a frozen graph holds: an assignment makes the value that the variable has from then on."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._site import Handler, Site
from xir.ir.node import Value
from xir.ops.constant import identity
from xir.ops.elementwise import add, sub

handlers: Handlers[Handler] = Handlers("tensorflow")


@handlers.layer("Assign")
def assigned(site: Site, variable: Value, value: Value) -> Value:
    """The new value."""
    site.ignore("validate_shape", "use_locking")
    return identity(value)


@handlers.layer("AssignAdd", "AssignSub")
def changed(site: Site, variable: Value, value: Value) -> Value:
    """The value with something added or taken off."""
    site.ignore("use_locking")
    return (add if site.node.kind == "AssignAdd" else sub)(variable, value)
