"""The fields of NetParameter beside the layers: what they change is done or told, what has no meaning here is known."""

from __future__ import annotations

from dataclasses import replace

from xir.errors import UnsupportedError
from xir.frontends.caffe.missing import some_of
from xir.frontends.caffe.net import STRUCTURE, Layer, Net

WITHOUT_MEANING = (
    "force_backward", "debug_info", "engine", "compile_net_state", "default_backward_type", "default_backward_math",
    "global_grad_scale", "global_grad_scale_adaptive", "default_conv_algos_override", "reduce_buckets",
    "default_cudnn_math_override", "eltwise_mem_sharing", "multinode", "mem_param",
)  # fmt: skip
"""Fields about gradients, memory, machines and the choice of kernels (caffe.proto of BVLC, intel, NVIDIA, yjxiong)."""

HANDLED = ("input", "input_dim", "input_shape", "layers")
"""Old forms, which `legacy.upgrade` has turned into layers."""

NVIDIA_ALONE = (
    "default_forward_type", "default_backward_type", "default_forward_math", "default_backward_math",
    "global_grad_scale", "global_grad_scale_adaptive", "default_conv_algos_override", "reduce_buckets",
    "default_cudnn_math_override", "eltwise_mem_sharing",
)  # fmt: skip
"""Fields of a net that only NVIDIA/caffe has: a net that sets one is that fork's."""

NVIDIA_BATCH_NORM = ("scale_filler", "scale_bias")
"""The same of batch_norm_param."""

LAYER_WITHOUT_MEANING = ("backward_type", "backward_math", "debug", "cudnn_math_override")
"""Fields of a layer of NVIDIA/caffe about gradients, messages and the choice of kernels."""

LAYER_TYPES = ("forward_type", "forward_math")
"""Fields of a layer of NVIDIA/caffe that say in which type it computes."""

MIN_EPSILON = 1e-5
"""What NVIDIA/caffe raises a smaller eps of BatchNorm to (batch_norm_layer.cpp, LayerSetUp; CUDNN_BN_MIN_EPSILON in
cudnn_batch_norm_layer.cpp)."""

_FLOAT = "FLOAT"


def with_net_fields(net: Net) -> tuple[Net, tuple[str, ...]]:
    """The net with what its own fields say of its layers, and notes about what xir does otherwise.

    Raises:
        UnsupportedError: the net sets a field that changes what it computes in a way that is not taken, or one that is
            not known.
    """
    fields = net.parameters
    fields.ignore(*WITHOUT_MEANING, *HANDLED)
    if fields.integer("bn_stats_batch_size") and net.state.phase == "TRAIN":
        raise UnsupportedError(
            "bn_stats_batch_size: statistics of parts of a batch are not taken",
            file=net.file,
            hint="leave the field out, or take the TEST phase",
        )
    notes = [
        f"the net computes in {fields.enum(name)} ({name}); xir computes it in {_FLOAT}"
        for name in ("default_forward_type", "default_forward_math")
        if fields.enum(name) != _FLOAT
    ]
    narrow = [layer.name for layer in net.layers if not _computes_in_float(layer)]
    if narrow:
        notes.append(f"layers {some_of(narrow)} compute in another type (forward_type); xir computes them in {_FLOAT}")
    unknown = fields.unread()
    if unknown:
        raise UnsupportedError(
            f"these parameters of the net are not understood: {', '.join(unknown)}",
            file=net.file,
            hint="leave them out if they do not change what the net computes",
        )
    nvidia = net.dialect == "nvidia" or any(fields.has(name) for name in NVIDIA_ALONE)
    layers = tuple(_with_least_epsilon(layer, nvidia) for layer in net.layers)
    raised = [new.name for old, new in zip(net.layers, layers, strict=True) if old is not new]
    if raised:
        more = f" and {len(raised) - 1} more" if raised[1:] else ""
        notes.append(f"eps of BatchNorm {raised[0]!r}{more} is raised to {MIN_EPSILON:g}, as NVIDIA/caffe does it")
    return replace(net, layers=layers), tuple(notes)


def _with_least_epsilon(layer: Layer, nvidia: bool) -> Layer:
    """A BatchNorm of NVIDIA/caffe with its eps raised to the least one; any other layer as it is."""
    if layer.kind != "BatchNorm" or not layer.parameters.has("batch_norm_param"):
        return layer
    param = layer.parameters.message("batch_norm_param")
    if not nvidia and not any(param.has(name) for name in NVIDIA_BATCH_NORM):
        return layer
    if param.number("eps") >= MIN_EPSILON:
        return layer
    parameters = layer.parameters.edited({"batch_norm_param": (param.edited({"eps": (MIN_EPSILON,)}),)})
    parameters.ignore(*STRUCTURE, *LAYER_WITHOUT_MEANING, *LAYER_TYPES)
    return replace(layer, parameters=parameters)


def _computes_in_float(layer: Layer) -> bool:
    layer.parameters.ignore(*LAYER_WITHOUT_MEANING)
    return all(layer.parameters.enum(name) == _FLOAT for name in LAYER_TYPES)
