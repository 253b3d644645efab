"""The names that build tensors in torch's pickles, as data: none of torch's functions is there or is called.

The list is that of torch's own safe reader (torch/_weights_only_unpickler.py, _get_allowed_globals); what each does is
in torch/_utils.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.element_types import ALIASES, ELEMENT_TYPES, STORAGE_CLASSES, ElementType
from xir.frontends.torch.pickles.numpy_names import NumpyArray, numpy_names
from xir.frontends.torch.pickles.objects import Constructor, as_list, as_table, as_tuple, instance_of
from xir.frontends.torch.pickles.plain_names import Arguments, plain_names, wrong_arguments
from xir.frontends.torch.pickles.storages import Quantizer, Storage, StoredTensor
from xir.ir.constant import Constant, constant_of


@dataclass(frozen=True, slots=True)
class Name:
    """A name of torch that stands for itself: a class of storages or tensors, a layout, a scheme of quantisation.

    Attributes:
        name: the name without its module.
        element: for a class of storages or tensors the type of its elements.
    """

    name: str
    element: ElementType | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SparseTensor:
    """A tensor of which only some elements are stored.

    Attributes:
        layout: `sparse_coo`, `sparse_csr`, `sparse_csc`, `sparse_bsr` or `sparse_bsc`.
        parts: {name: tensor}: indices, or compressed and plain ones, and values.
        shape: the sizes of the whole.
    """

    layout: str
    parts: Mapping[str, StoredTensor]
    shape: tuple[int, ...]


_LAYOUTS = ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
_SCHEMES = (
    *("per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams"),
    *("per_tensor_symmetric", "per_channel_symmetric"),
)
_INERT = (
    *("torch.device", "argparse.Namespace", "types.SimpleNamespace"),
    *(
        f"pathlib.{name}"
        for name in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
    ),
)
"""Classes whose objects are kept as what they were made from; trainers keep their options as such."""

_TENSOR_CLASSES = {name.replace("Storage", "Tensor"): element for name, element in STORAGE_CLASSES.items()}


def tensor_names() -> Mapping[str, object]:
    """{full name: what it means} for plain data and for everything that builds tensors."""
    rebuild: dict[str, Callable[[Arguments], object]] = {
        "torch._utils._rebuild_tensor": lambda arguments: _tensor("_rebuild_tensor", arguments, 4),
        "torch._utils._rebuild_tensor_v2": lambda arguments: _tensor("_rebuild_tensor_v2", arguments, 6, 7),
        "torch._utils._rebuild_tensor_v3": _tensor_v3,
        "torch._utils._rebuild_qtensor": _quantized,
        "torch._utils._rebuild_sparse_tensor": _sparse,
        "torch._utils._rebuild_meta_tensor_no_storage": _without_storage,
        "torch._utils._rebuild_parameter": lambda arguments: _parameter("_rebuild_parameter", arguments),
        "torch._utils._rebuild_parameter_with_state": lambda arguments: _parameter("_with_state", arguments),
        "torch._utils._rebuild_device_tensor_from_cpu_tensor": _from_cpu,
        "torch._utils._rebuild_device_tensor_from_numpy": _from_numpy,
        "torch._utils._rebuild_xla_tensor": _from_numpy,
        "torch.nn.parameter.Parameter": lambda arguments: _parameter("Parameter", arguments),
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "torch.tensor._rebuild_from_type_v2": _from_type,
        "torch.serialization._get_layout": _layout,
        "torch.Size": _size,
    }
    values: dict[str, object] = {f"torch.{name}": Name(name) for name in (*_LAYOUTS, *_SCHEMES)}
    values |= {f"torch.{name}": element for name, element in ELEMENT_TYPES.items()}
    values |= {f"torch.{alias}": ELEMENT_TYPES[name] for alias, name in ALIASES.items()}
    for name, element in (*STORAGE_CLASSES.items(), *_TENSOR_CLASSES.items()):
        values |= {f"{module}.{name}": Name(name, element) for module in ("torch", "torch.cuda", "torch.storage")}
    values |= {"torch.Tensor": Name("Tensor"), "torch._tensor.Tensor": Name("Tensor")}
    return {
        **plain_names(),
        **numpy_names(),
        **values,
        **{name: Constructor(name, call) for name, call in rebuild.items()},
        **{name: instance_of(name) for name in _INERT},
    }


def sizes_of(value: object, name: str) -> tuple[int, ...]:
    """Sizes or strides that a pickle gives as a tuple, a list or a torch.Size.

    Raises:
        InvalidModelError: they are something else.
    """
    listed = as_list(value)
    items = as_tuple(value) if listed is None else tuple(listed)
    whole = tuple(item for item in items or () if isinstance(item, int) and not isinstance(item, bool))
    if items is None or len(whole) != len(items):
        raise wrong_arguments(name, (value,))
    return whole


def _size(arguments: Arguments) -> tuple[int, ...]:
    if len(arguments) != 1:
        raise wrong_arguments("torch.Size", arguments)
    return sizes_of(arguments[0], "torch.Size")


def _layout(arguments: Arguments) -> Name:
    """`torch.serialization._get_layout("torch.sparse_coo")`."""
    match arguments:
        case (str() as name,) if name.removeprefix("torch.") in _LAYOUTS:
            return Name(name.removeprefix("torch."))
        case _:
            raise wrong_arguments("torch.serialization._get_layout", arguments)


def _tensor(name: str, arguments: Arguments, *counts: int) -> StoredTensor:
    """(storage, offset, sizes, strides[, requires_grad, hooks[, metadata]])."""
    match arguments:
        case (Storage() as storage, int() as offset, sizes, strides, *rest) if len(arguments) in counts:
            _check_resolved(rest[2] if len(rest) > 2 else None)
            shape = sizes_of(sizes, name)
            return StoredTensor(storage.element, storage, offset, shape, sizes_of(strides, name))
        case _:
            raise wrong_arguments(f"torch._utils.{name}", arguments)


def _tensor_v3(arguments: Arguments) -> StoredTensor:
    """(storage, offset, sizes, strides, requires_grad, hooks, dtype[, metadata])."""
    match arguments:
        case (Storage() as storage, int() as offset, sizes, strides, _, _, ElementType() as element, *rest) if (
            len(rest) < 2
        ):
            _check_resolved(rest[0] if rest else None)
            shape = sizes_of(sizes, "_rebuild_tensor_v3")
            return StoredTensor(element, storage, offset, shape, sizes_of(strides, "_rebuild_tensor_v3"))
        case _:
            raise wrong_arguments("torch._utils._rebuild_tensor_v3", arguments)


def _check_resolved(metadata: object) -> None:
    """Tensors may be saved as the conjugates or the negatives of their storages (torch._C._set_tensor_metadata)."""
    bits = as_table(metadata) or {}
    if any(bits.values()):
        raise UnsupportedError(
            f"a tensor is saved with {', '.join(str(bit)[:20] for bit, on in bits.items() if on)} to be applied",
            hint="save tensor.resolve_conj().resolve_neg()",
        )


def _parameter(name: str, arguments: Arguments) -> object:
    """(tensor, requires_grad, hooks[, state]): the tensor."""
    if arguments and isinstance(arguments[0], StoredTensor | SparseTensor | NumpyArray):
        return arguments[0]
    raise wrong_arguments(name, arguments)


def _from_cpu(arguments: Arguments) -> StoredTensor:
    """(tensor, dtype, device, requires_grad): a tensor of another device, saved as one of the CPU."""
    match arguments:
        case (StoredTensor() as tensor, ElementType() as element, _, _) if tensor.element == element:
            return tensor
        case _:
            raise wrong_arguments("torch._utils._rebuild_device_tensor_from_cpu_tensor", arguments)


def _from_numpy(arguments: Arguments) -> NumpyArray:
    """(array, dtype, device, requires_grad): a tensor of another device, saved as an array."""
    match arguments:
        case (NumpyArray(constant=constant) as array, ElementType() as element, _, _) if (
            constant is not None and constant.dtype is element.dtype
        ):
            return array
        case _:
            raise wrong_arguments("torch._utils._rebuild_device_tensor_from_numpy", arguments)


def _from_type(arguments: Arguments) -> object:
    """(function, class, arguments, state): a tensor with attributes, which are left."""
    match arguments:
        case (Constructor() as function, Name(), given, _) if (inner := as_tuple(given)) is not None:
            return function.call(inner)
        case _:
            raise wrong_arguments("torch._tensor._rebuild_from_type_v2", arguments)


def _without_storage(arguments: Arguments) -> StoredTensor:
    """(dtype, sizes, strides, requires_grad)."""
    match arguments:
        case (ElementType() as element, sizes, strides, _):
            name = "_rebuild_meta_tensor_no_storage"
            return StoredTensor(element, None, 0, sizes_of(sizes, name), sizes_of(strides, name))
        case _:
            raise wrong_arguments("torch._utils._rebuild_meta_tensor_no_storage", arguments)


def _sparse(arguments: Arguments) -> SparseTensor:
    """(layout, (indices, values, size[, coalesced])) or (layout, (compressed, plain, values, size))."""
    name = "torch._utils._rebuild_sparse_tensor"
    if len(arguments) != 2 or not isinstance(arguments[0], Name):
        raise wrong_arguments(name, arguments)
    layout = arguments[0].name
    match as_tuple(arguments[1]):
        case (StoredTensor() as indices, StoredTensor() as values, sizes, *rest) if (
            layout == "sparse_coo" and len(rest) < 2
        ):
            return SparseTensor(layout, {"indices": indices, "values": values}, sizes_of(sizes, name))
        case (StoredTensor() as compressed, StoredTensor() as plain, StoredTensor() as values, sizes) if layout in (
            "sparse_csr",
            "sparse_csc",
            "sparse_bsr",
            "sparse_bsc",
        ):
            parts = {"compressed_indices": compressed, "plain_indices": plain, "values": values}
            return SparseTensor(layout, parts, sizes_of(sizes, name))
        case _:
            raise wrong_arguments(name, arguments)


def _quantized(arguments: Arguments) -> StoredTensor:
    """(storage, offset, sizes, strides, (scheme, scale, zero point[, axis]), requires_grad, hooks)."""
    name = "torch._utils._rebuild_qtensor"
    match arguments:
        case (Storage() as storage, int() as offset, sizes, strides, given, _, _) if storage.element.quantized:
            shape = sizes_of(sizes, name)
            quantizer = _quantizer(as_tuple(given) or (), shape)
            return StoredTensor(storage.element, storage, offset, shape, sizes_of(strides, name), quantizer)
        case _:
            raise wrong_arguments(name, arguments)


def _quantizer(given: Arguments, shape: tuple[int, ...]) -> Quantizer:
    """(scheme, scale, zero point) with numbers, or (scheme, scales, zero points, axis) with one for each place."""
    match given:
        case (Name("per_tensor_affine"), float() | int() as scale, int() as zero):
            return Quantizer(constant_of(np.asarray(scale, np.float64)), constant_of(np.asarray(zero, np.int64)), None)
        case (Name("per_channel_affine" | "per_channel_affine_float_qparams"), scales, zeros, int() as axis):
            each = _each(scales, np.float64), _each(zeros, np.int64)
            if not 0 <= axis < len(shape) or any(numbers.shape != (shape[axis],) for numbers in each):
                raise InvalidModelError(f"a tensor of the shape {list(shape)} has no scale for each place of an axis")
            return Quantizer(*each, axis)
        case _:
            raise wrong_arguments("a quantised tensor's scheme", given)


def _each(value: object, dtype: type[np.float64 | np.int64]) -> Constant | StoredTensor:
    """A number for each place of an axis: a tensor, or a list as older versions of torch write it."""
    if isinstance(value, StoredTensor):
        return value
    numbers = [item for item in as_list(value) or () if isinstance(item, int | float)]
    if len(numbers) != len(as_list(value) or (None,)):
        raise wrong_arguments("a quantised tensor's scheme", (value,))
    return constant_of(np.asarray(numbers, dtype))
