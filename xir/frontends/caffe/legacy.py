"""The older forms of a net become the form of today: V0 and V1 layers, transformation fields, inputs, BatchNorm.

Semantics: upgrade_proto.cpp of BVLC/caffe (UpgradeV0PaddingLayers, UpgradeV0LayerParameter,
UpgradeNetDataTransformation, UpgradeV1LayerParameter, UpgradeNetInput, UpgradeNetBatchNorm), in its order. Where Caffe
logs an error and goes on, a note says what was dropped; where it aborts, InvalidModelError is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from xir.errors import InvalidModelError
from xir.frontends.caffe.message import Message, Value
from xir.frontends.caffe.net import Generation

_Values = dict[str, list[Value]]

_V0_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "ACCURACY",
        "bnll": "BNLL",
        "concat": "CONCAT",
        "conv": "CONVOLUTION",
        "data": "DATA",
        "dropout": "DROPOUT",
        "euclidean_loss": "EUCLIDEAN_LOSS",
        "flatten": "FLATTEN",
        "hdf5_data": "HDF5_DATA",
        "hdf5_output": "HDF5_OUTPUT",
        "im2col": "IM2COL",
        "images": "IMAGE_DATA",
        "infogain_loss": "INFOGAIN_LOSS",
        "innerproduct": "INNER_PRODUCT",
        "lrn": "LRN",
        "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
        "pool": "POOLING",
        "relu": "RELU",
        "sigmoid": "SIGMOID",
        "softmax": "SOFTMAX",
        "softmax_loss": "SOFTMAX_LOSS",
        "split": "SPLIT",
        "tanh": "TANH",
        "window_data": "WINDOW_DATA",
    }
)
"""V0 type names and the V1 enumeration (upgrade_proto.cpp, UpgradeV0LayerType)."""

_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "conv": "convolution_param",
        "innerproduct": "inner_product_param",
        "pool": "pooling_param",
        "dropout": "dropout_param",
        "lrn": "lrn_param",
        "data": "data_param",
        "hdf5_data": "hdf5_data_param",
        "images": "image_data_param",
        "window_data": "window_data_param",
        "infogain_loss": "infogain_loss_param",
        "concat": "concat_param",
    }
)
"""Where the parameters of a V0 type go."""

_V0_PLACES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "num_output": ("num_output", ("conv", "innerproduct")),
        "biasterm": ("bias_term", ("conv", "innerproduct")),
        "weight_filler": ("weight_filler", ("conv", "innerproduct")),
        "bias_filler": ("bias_filler", ("conv", "innerproduct")),
        "pad": ("pad", ("conv", "pool")),
        "kernelsize": ("kernel_size", ("conv", "pool")),
        "group": ("group", ("conv",)),
        "stride": ("stride", ("conv", "pool")),
        "pool": ("pool", ("pool",)),
        "dropout_ratio": ("dropout_ratio", ("dropout",)),
        "local_size": ("local_size", ("lrn",)),
        "alpha": ("alpha", ("lrn",)),
        "beta": ("beta", ("lrn",)),
        "k": ("k", ("lrn",)),
        "source": ("source", ("data", "hdf5_data", "images", "window_data", "infogain_loss")),
        "batchsize": ("batch_size", ("data", "hdf5_data", "images", "window_data")),
        "rand_skip": ("rand_skip", ("data", "images")),
        "shuffle_images": ("shuffle", ("images",)),
        "new_height": ("new_height", ("images",)),
        "new_width": ("new_width", ("images",)),
        "concat_dim": ("concat_dim", ("concat",)),
        "det_fg_threshold": ("fg_threshold", ("window_data",)),
        "det_bg_threshold": ("bg_threshold", ("window_data",)),
        "det_fg_fraction": ("fg_fraction", ("window_data",)),
        "det_context_pad": ("context_pad", ("window_data",)),
        "det_crop_mode": ("crop_mode", ("window_data",)),
    }
)
"""V0 field -> its name today and the V0 types that have it (upgrade_proto.cpp, UpgradeV0LayerParameter)."""

_V0_TRANSFORM: Mapping[str, str] = MappingProxyType(
    {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
)
"""V0 fields that go into transform_param, whatever the type."""

_V0_PLAIN = ("name", "blobs", "blobs_lr", "weight_decay")

_SPECIAL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "NONE": "",
        "ABSVAL": "AbsVal",
        "ARGMAX": "ArgMax",
        "BNLL": "BNLL",
        "HDF5_DATA": "HDF5Data",
        "HDF5_OUTPUT": "HDF5Output",
        "LRN": "LRN",
        "MVN": "MVN",
        "RELU": "ReLU",
        "SOFTMAX_LOSS": "SoftmaxWithLoss",
        "TANH": "TanH",
    }
)
"""V1 types whose name today is not the enumeration's words in capitals (upgrade_proto.cpp, UpgradeV1LayerType)."""

_DATA_LAYERS: Mapping[str, str] = MappingProxyType(
    {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
)
_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
_V1_SPECS = ("param", "blob_share_mode", "blobs_lr", "weight_decay")
_INPUTS = ("input", "input_dim", "input_shape")


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A NetParameter in V2 form: all layers are `layer`, no `layers`, no inputs.

    Attributes:
        message: the NetParameter.
        generation: the form that it had.
        inputs: declared inputs without a shape, which Caffe strips.
        notes: what was changed or dropped, in words.
    """

    message: Message
    generation: Generation
    inputs: tuple[str, ...]
    notes: tuple[str, ...]


def upgrade(net: Message, *, file: str | None = None) -> Upgraded:
    """Brings a NetParameter of any generation into V2 form.

    Raises:
        InvalidModelError: the net mixes generations, has an unknown V0 type, or its inputs and sizes do not fit.
    """
    notes: list[str] = []
    generation: Generation = "V2"
    if net.has("layers"):
        if net.has("layer"):
            raise InvalidModelError(
                "the net has both 'layer' and 'layers' fields; expected one generation",
                file=file,
                hint="rewrite the older 'layers' as 'layer' with types in quotes",
            )
        layers = net.messages("layers")
        generation = "V0" if any(layer.has("layer") for layer in layers) else "V1"
        if generation == "V0":
            layers = _upgrade_v0(layers, net.peek("input"), notes, file)
        upgraded = [_upgrade_v1(_upgrade_transform(layer)) for layer in layers]
        net = net.edited({"layer": upgraded}, drop=("layers",))
        notes.append(f"{len(upgraded)} layers of the old form {generation} were upgraded")
    net, inputs = _upgrade_inputs(net, notes, file)
    net = net.edited({"layer": [_upgrade_batch_norm(layer) for layer in net.messages("layer")]})
    return Upgraded(net, generation, inputs, tuple(notes))


# --- V0 ------------------------------------------------------------------------------------------------------------


def _upgrade_v0(
    layers: tuple[Message, ...], inputs: tuple[Value, ...], notes: list[str], file: str | None
) -> tuple[Message, ...]:
    for layer in layers:
        if not layer.has("layer"):
            raise InvalidModelError(
                f"the layer {layer.text('name')!r} ({layer.where}) has no inner 'layer', but others have",
                file=file,
                hint="write all layers in one form",
            )
    merged = _merge_padding(layers, inputs, notes, file)
    return tuple(_upgrade_v0_layer(layer, notes, file) for layer in merged)


def _merge_padding(
    layers: tuple[Message, ...], inputs: tuple[Value, ...], notes: list[str], file: str | None
) -> list[Message]:
    """Padding layers go; the convolution or pooling that reads one pads itself (UpgradeV0PaddingLayers)."""
    producers: dict[str, Message | None] = {str(name): None for name in inputs}
    kept: list[Message] = []
    for layer in layers:
        bottoms = list(layer.texts("bottom"))
        changed = layer
        for index, bottom in enumerate(bottoms):
            if bottom not in producers:
                raise InvalidModelError(
                    f"layer {_v0_name(layer)!r} reads {bottom!r}, which no layer before it makes", file=file
                )
            source = producers[bottom]
            if source is not None and source.message("layer").text("type") == "padding":
                changed = _padded(layer, source, index, file)
                notes.append(f"padding layer {_v0_name(source)!r} was merged into {_v0_name(layer)!r}")
        for top in layer.texts("top"):
            producers[top] = layer
        if layer.message("layer").text("type") != "padding":
            kept.append(changed)
    return kept


def _padded(layer: Message, padding: Message, index: int, file: str | None) -> Message:
    old = layer.message("layer")
    sizes = (len(layer.texts("bottom")), len(padding.texts("bottom")), len(padding.texts("top")))
    if old.text("type") not in ("conv", "pool") or sizes != (1, 1, 1):
        raise InvalidModelError(
            f"the padding layer {_v0_name(padding)!r} feeds {_v0_name(layer)!r} ({old.text('type')}); expected one "
            "input and one output, and a conv or pool layer with one input",
            file=file,
        )
    bottoms = list(layer.texts("bottom"))
    bottoms[index] = padding.texts("bottom")[0]
    inner = old.edited({"pad": [padding.message("layer").integer("pad")]})
    return layer.edited({"bottom": bottoms, "layer": [inner]})


def _v0_name(layer: Message) -> str:
    return layer.message("layer").text("name")


def _upgrade_v0_layer(layer: Message, notes: list[str], file: str | None) -> Message:
    old = layer.message("layer")
    kind = old.text("type")
    if old.has("type") and kind not in _V0_TYPES:
        raise InvalidModelError(
            f"{kind!r} is no layer type of the oldest form; expected one of {', '.join(_V0_TYPES)}",
            file=file,
            layer=old.text("name"),
            hint="upgrade the net with Caffe's tool upgrade_net_proto_text or _binary",
        )
    values: _Values = {name: list(layer.values(name)) for name in ("bottom", "top")}
    if old.has("type"):
        values["type"] = [_V0_TYPES[kind]]
    parameters: dict[str, _Values] = {}
    for name in old.fields():
        if name in _V0_PLAIN or (name, kind) == ("hdf5_output_param", "hdf5_output"):
            values[name] = list(old.values(name))
        elif name != "type" and not _place(old, name, kind, parameters):
            notes.append(f"layer {old.text('name')!r}: {name!r} means nothing to the old type {kind!r} and was dropped")
    for name, inner in parameters.items():
        values[name] = [_inner(layer, name, inner)]
    return Message(layer.schema, "V1LayerParameter", values, line=layer.line, offset=layer.offset)


def _place(old: Message, name: str, kind: str, parameters: dict[str, _Values]) -> bool:
    """Copies one V0 field to where it belongs today; False where its type has no such field."""
    if name in _V0_TRANSFORM:
        parameters.setdefault("transform_param", {})[_V0_TRANSFORM[name]] = list(old.values(name))
        return True
    today, kinds = _V0_PLACES.get(name, ("", ()))
    if kind not in kinds:
        return False
    parameters.setdefault(_PARAMETERS[kind], {})[today] = list(old.values(name))
    return True


def _inner(layer: Message, name: str, values: Mapping[str, list[Value]]) -> Message:
    field = layer.schema.names["LayerParameter"][name]
    return Message(layer.schema, field.type, values, line=layer.line, offset=layer.offset)


# --- V1 ------------------------------------------------------------------------------------------------------------


def _upgrade_transform(layer: Message) -> Message:
    """Scale, mean, crop and mirror of data layers move into transform_param (UpgradeNetDataTransformation)."""
    name = _DATA_LAYERS.get(layer.optional_enum("type") or "")
    if name is None:
        return layer
    data = layer.message(name)
    moved = {field: data.values(field) for field in _TRANSFORM_FIELDS if data.has(field)}
    if not moved:
        return layer
    transform = layer.message("transform_param").edited(moved)
    return layer.edited({name: [data.edited({}, drop=moved)], "transform_param": [transform]})


def _upgrade_v1(layer: Message) -> Message:
    values: dict[str, tuple[Value, ...]] = {
        name: layer.values(name) for name in layer.fields() if name not in (*_V1_SPECS, "type")
    }
    kind = layer.optional_enum("type")
    if kind is not None:
        values["type"] = (v1_name(kind),)
    specs = _specs(layer)
    if specs:
        values["param"] = specs
    return Message(layer.schema, "LayerParameter", values, line=layer.line, offset=layer.offset)


def v1_name(kind: str) -> str:
    """The type's name today: `Convolution` for `CONVOLUTION` (upgrade_proto.cpp, UpgradeV1LayerType)."""
    special = _SPECIAL_NAMES.get(kind)
    return special if special is not None else "".join(word.capitalize() for word in kind.split("_"))


def _specs(layer: Message) -> tuple[Message, ...]:
    """`param`, `blob_share_mode`, `blobs_lr` and `weight_decay` become one ParamSpec for each weight."""
    columns: tuple[tuple[str, tuple[Value, ...]], ...] = (
        ("name", layer.texts("param")),
        ("share_mode", layer.enums("blob_share_mode")),
        ("lr_mult", layer.numbers("blobs_lr")),
        ("decay_mult", layer.numbers("weight_decay")),
    )
    count = max(len(values) for _, values in columns)
    rows: list[_Values] = [{} for _ in range(count)]
    for name, values in columns:
        for row, value in zip(rows, values, strict=False):
            row[name] = [value]
    return tuple(Message(layer.schema, "ParamSpec", row, line=layer.line, offset=layer.offset) for row in rows)


# --- every generation ----------------------------------------------------------------------------------------------


def _upgrade_inputs(net: Message, notes: list[str], file: str | None) -> tuple[Message, tuple[str, ...]]:
    """`input` with `input_shape` or `input_dim` becomes an Input layer in front (UpgradeNetInput)."""
    names = net.texts("input")
    shapes, dims = net.messages("input_shape"), net.integers("input_dim")
    if not names and not shapes and not dims:
        return net, ()
    if not shapes and not dims:
        notes.append(f"the inputs {', '.join(names)} are declared without a size")
        return net.edited({}, drop=_INPUTS), names
    if shapes and len(shapes) != len(names):
        _misfit(len(names), f"{len(shapes)} of 'input_shape'; expected one for each", file)
    if not shapes and len(dims) != 4 * len(names):
        _misfit(len(names), f"{len(dims)} of 'input_dim'; expected four each (batch, channels, height, width)", file)
    sizes = shapes or tuple(
        Message(net.schema, "BlobShape", {"dim": dims[4 * index : 4 * index + 4]}, line=net.line)
        for index in range(len(names))
    )
    parameter = Message(net.schema, "InputParameter", {"shape": sizes}, line=net.line, offset=net.offset)
    values: Mapping[str, tuple[Value, ...]] = {
        "name": ("input",),
        "type": ("Input",),
        "top": names,
        "input_param": (parameter,),
    }
    layer = Message(net.schema, "LayerParameter", values, line=net.line, offset=net.offset)
    return net.edited({"layer": (layer, *net.messages("layer"))}, drop=_INPUTS), ()


def _misfit(inputs: int, what: str, file: str | None) -> None:
    raise InvalidModelError(
        f"the net declares {inputs} of 'input' but {what}", file=file, hint="correct the sizes at the top of the file"
    )


def _upgrade_batch_norm(layer: Message) -> Message:
    """The three statistics of a BatchNorm that lists three `param` are never trained (UpgradeNetBatchNorm)."""
    specs = layer.peek("param")
    if layer.peek("type") != ("BatchNorm",) or len(specs) != 3:
        return layer
    fixed = [cast("Message", spec).edited({"lr_mult": [0.0], "decay_mult": [0.0]}) for spec in specs]
    return layer.edited({"param": fixed})
