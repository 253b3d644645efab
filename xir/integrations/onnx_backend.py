"""xir as an ONNX backend: the interface of `onnx.backend.base` over the reference runtime.

`xir.onnx_backend` is the module to hand to others: `onnx.backend.test.BackendTest(xir.onnx_backend, __name__)`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from onnx import ModelProto, NodeProto, TypeProto, helper
from onnx.backend.base import BackendRep

from xir.errors import UsageError, XirError
from xir.frontends.onnx._versions import NEWEST
from xir.integrations.specialized import Specialization, SpecializedModel
from xir.ir.constant import Array


class XirRep(BackendRep):
    """A model that is ready to run."""

    def __init__(self, model: ModelProto) -> None:
        """Reads the model, by way of a file: xir has one reader, and it reads files."""
        folder = tempfile.mkdtemp(prefix="xir-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "model.onnx")
        with open(path, "wb") as file:
            file.write(_content(model))
        self.model = SpecializedModel(path)

    @property
    def specialized(self) -> Specialization | None:
        """What had to be known beyond the file so far: None, the `types` of what was fed, or its `values`."""
        return self.model.specialized

    def run(self, inputs: object, **kwargs: object) -> tuple[Array, ...]:
        """The outputs, in order.

        Args:
            inputs: a sequence in the order of the model's inputs, a mapping by their names, or one array.
            kwargs: none is known.

        Raises:
            UsageError: an input is missing, unknown, or of another type; or an option is given.
            UnsupportedError: the model has operators that xir has not for what is fed.
            InvalidModelError: a node cannot compute.
        """
        _refuse_options(kwargs)
        return self.model.run(self._in_order(inputs))

    def _in_order(self, inputs: object) -> Sequence[object]:
        if isinstance(inputs, Mapping):
            given = cast("Mapping[str, object]", inputs)
            if set(given) != set(self.model.input_names):
                raise UsageError(f"the model takes the inputs {list(self.model.input_names)}, fed are {list(given)}")
            return [given[name] for name in self.model.input_names]
        return cast("Sequence[object]", inputs) if isinstance(inputs, list | tuple) else [inputs]


def supports_device(device: str) -> bool:
    """Whether xir runs on a device such as `CPU` or `CUDA:1`: the reference runs on the processor."""
    return device.partition(":")[0].upper() == "CPU"


def is_compatible(model: ModelProto, device: str = "CPU", **kwargs: object) -> bool:
    """Whether xir can run the model there, as far as that is known before something is fed."""
    try:
        prepare(model, device, **kwargs)
    except XirError:
        return False
    return True


def prepare(model: ModelProto, device: str = "CPU", **kwargs: object) -> XirRep:
    """The model, ready to run.

    Args:
        model: weights included; data files are not found, because a ModelProto does not know where it was read.
        device: where to run it; see `supports_device`.
        kwargs: none is known.

    Raises:
        UsageError: the device or an option is not known.
        XirError: the model cannot be read; see `xir.frontends.onnx.import_onnx`.
    """
    _refuse_options(kwargs)
    if not supports_device(device):
        raise UsageError(f"xir's backend does not run on {device!r}", hint="it runs on CPU")
    return XirRep(model)


def run_model(model: ModelProto, inputs: object, device: str = "CPU", **kwargs: object) -> tuple[Array, ...]:
    """Prepares the model and runs it once; see `prepare` and `XirRep.run`."""
    return prepare(model, device, **kwargs).run(inputs)


def run_node(
    node: NodeProto,
    inputs: object,
    device: str = "CPU",
    outputs_info: Sequence[tuple[np.dtype[np.generic], tuple[int, ...]]] | None = None,
    **kwargs: object,
) -> tuple[Array, ...]:
    """Runs one operator.

    Args:
        node: the operator with its attributes.
        inputs: a sequence in the order of the node's inputs, those that it leaves out left out; or one array.
        device: where to run it.
        outputs_info: element type and shape of each output, which xir finds by itself.
        kwargs: `opset_version`, the version of the operator's set; the newest one without it.

    Raises:
        UsageError: there are more or fewer inputs than the node names, or an option is not known.
        XirError: the operator is not supported, or cannot compute.
    """
    version = kwargs.pop("opset_version", None)
    held: Sequence[object] = cast("Sequence[object]", inputs) if isinstance(inputs, list | tuple) else [inputs]
    names = [name for name in node.input if name]
    if len(names) != len(held):
        raise UsageError(f"the node takes the inputs {names}, fed are {len(held)}")
    given = dict(zip(names, held, strict=True))
    if version is None:
        version = NEWEST.get(node.domain, 1)
    graph = helper.make_graph(
        [node],
        node.op_type or "node",
        [helper.make_value_info(name, _type_of(name, fed)) for name, fed in given.items()],
        [helper.make_value_info(name, TypeProto()) for name in node.output if name],
    )
    imports = [helper.make_opsetid(node.domain, int(str(version)))]
    return run_model(helper.make_model(graph, opset_imports=imports), list(given.values()), device, **kwargs)


def _type_of(name: str, fed: object) -> TypeProto:
    """The ONNX type of what is fed."""
    if isinstance(fed, list | tuple):
        items = cast("Sequence[object]", fed)
        if not items:
            raise UsageError(f"an empty sequence for {name!r} does not tell its type", hint="use run_model")
        return helper.make_sequence_type_proto(_rankless(_type_of(name, items[0])))
    array = np.asarray(cast("Array", fed))
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _rankless(type: TypeProto) -> TypeProto:
    """The type without its shape: the elements of a sequence may differ in it."""
    type.tensor_type.ClearField("shape")
    return type


def _content(model: ModelProto) -> bytes:
    try:
        return model.SerializeToString()
    except ValueError as error:
        raise UsageError(
            f"the model cannot be written down: {error}", hint="import a file of more than 2 GiB with xir.load"
        ) from error


def _refuse_options(options: Mapping[str, object]) -> None:
    if options:
        raise UsageError(f"xir's backend does not know the options {list(options)}")
