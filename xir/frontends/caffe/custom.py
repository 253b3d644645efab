"""What a handler of a person's own layer needs, in one place that stays: see docs/caffe_layers.md.

Operators are imported from their families (`xir.ops.activation`, `xir.ops.elementwise`, ...), errors from `xir.errors`.
"""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.schema import Field, make_field
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ops._build import channelwise

__all__ = ["Field", "Handler", "Handlers", "Message", "Site", "Value", "channelwise", "make_field"]
