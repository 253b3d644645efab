"""Layers of no family: Parameter, SpatialProduct, and those that only exist between several machines."""

from __future__ import annotations

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import constant_filler
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.limits import element_count
from xir.ops.constant import identity
from xir.ops.elementwise import mul
from xir.ops.shape import broadcast

handlers: Handlers[Handler] = Handlers("caffe")


@handlers.layer("Parameter")
def parameter(site: Site) -> Value:
    """A learned blob as a top; zeros when the file brings none (parameter_layer.hpp)."""
    shape = site.param("parameter_param").message("shape").integers("dim")
    element_count(shape, what="the parameter")
    return identity(site.weight(0, "parameter", shape, constant_filler(0.0)))


@handlers.layer("SpatialProduct")
def spatial_product(site: Site, x: Value, scale: Value) -> Value:
    """X [N, C, H, W] times a map [N, 1, H, W] (spatial_product_layer.cpp of hszhao/PSPNet)."""
    if scale.rank != x.rank or x.rank < 2 or scale.shape[1] != 1:
        raise InvalidModelError(f"a map with one channel is needed for {x.type!r}, got {scale.type!r}")
    return mul(x, broadcast(scale, shape=x.shape))


@handlers.layer("Gather")
@handlers.layer("Scatter")
def exchange(site: Site, *xs: Value) -> list[Value]:
    """Hand blobs round between processes (yjxiong's MPI layers): in one process the identity."""
    if site.top_count != len(xs):
        raise InvalidModelError(f"the layer has {len(xs)} bottoms and {site.top_count} tops; expected as many")
    return [identity(x) for x in xs]


@handlers.layer("MnActivation")
def multinode_activation(site: Site, x: Value) -> Value:
    """Intel's exchange of parts between nodes: on one node the identity (mn_activation_layer.cpp)."""
    param = site.param("mn_activation_param")
    param.ignore("num_nodes_in", "num_nodes_out", "need_reduce")
    if param.integer("model_parts_in") != 1 or param.integer("model_parts_out") != 1:
        raise site.unsupported("a model that is split over several nodes is not taken", "give the net of one node")
    return identity(x)
