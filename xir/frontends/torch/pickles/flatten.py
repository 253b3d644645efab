"""The tensors in a checkpoint's object, by the names of the tables that they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xir.errors import InvalidModelError, Location, Problem, UnsafeError, UnsupportedError
from xir.frontends.torch.pickles.numpy_names import NumpyArray
from xir.frontends.torch.pickles.objects import Instance, as_list, as_table, as_tuple
from xir.frontends.torch.pickles.storages import Storage, StoredTensor
from xir.frontends.torch.pickles.tensor_names import SparseTensor
from xir.frontends.weights import Weights
from xir.ir.constant import Constant
from xir.limits import check_name

MAX_VISITS = 1_000_000
"""Values of a checkpoint that are looked at; small files can share parts so that walking them never ends."""

MAX_TENSORS = 100_000
"""Tensors of a checkpoint; the largest have some thousand."""

_MAX_VALUE_CHARACTERS = 1_000
"""Characters of a value that is kept as a word; longer ones (source code, configurations) are left."""


@dataclass(slots=True)
class _Found:
    """What is found on the way: see `Weights`."""

    file: str
    tensors: dict[str, Constant] = field(default_factory=dict[str, Constant])
    shared: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, str] = field(default_factory=dict[str, str])
    places: dict[tuple[object, ...], str] = field(default_factory=dict[tuple[object, ...], str])
    known: dict[int, Constant] = field(default_factory=dict[int, Constant])
    problems: dict[tuple[str, str | None], list[str]] = field(default_factory=dict[tuple[str, str | None], list[str]])

    def add(self, name: str, constant: Constant, place: tuple[object, ...] | None) -> None:
        """Enters a tensor; `place` is the same for tensors of the same elements."""
        check_name(name, what="the name of a tensor", file=self.file)
        if name in self.tensors:
            raise InvalidModelError(f"two tensors are called {name[:200]!r}", number=505, file=self.file)
        if len(self.tensors) == MAX_TENSORS:
            raise UnsafeError(f"the checkpoint has more than {MAX_TENSORS} tensors", number=805, file=self.file)
        self.tensors[name] = constant
        if place is not None:
            first = self.places.setdefault(place, name)
            if first != name:
                self.shared[name] = first


def flatten(value: object, file: str) -> Weights:
    """The tensors in a checkpoint's object: `{"model": {"conv.weight": t}}` holds `model.conv.weight`.

    Items of lists go by their numbers. A quantised tensor `w` becomes the whole numbers `w` and `w.scale`,
    `w.zero_point` and, if there are many of these, `w.axis`; a sparse one its parts (`w.indices`, `w.values`, ...) and
    `w.shape`.

    Raises:
        InvalidModelError: two tensors have one name, or the file lacks the elements of one.
        UnsafeError: the object shares its parts so often that walking it takes too long.
    """
    found = _Found(file)
    for name, leaf in _leaves(value, file):
        if isinstance(leaf, StoredTensor):
            _add(found, name, leaf)
        elif isinstance(leaf, SparseTensor):
            _add_sparse(found, name, leaf)
        elif isinstance(leaf, NumpyArray) and leaf.constant is not None:
            found.add(name, leaf.constant, None)
        elif isinstance(leaf, str | int | float) and len(told := str(leaf)) <= _MAX_VALUE_CHARACTERS:
            found.values[name] = told
    problems = tuple(Problem(kind[0], tuple(names), kind[0], kind[1]) for kind, names in found.problems.items())
    outer = {name.partition(".")[0] for name in found.tensors}
    tables = tuple(key for key, item in _items(value) if key in outer and as_table(item) is not None)
    return Weights("pytorch", (file,), found.tensors, found.shared, found.values, tables, problems)


def _leaves(value: object, file: str) -> Iterator[tuple[str, object]]:
    """What stands in tables, lists and attributes, with the names of the way to it, in the file's order."""
    pending: list[tuple[str, object]] = [("", value)]
    for _ in range(MAX_VISITS):
        if not pending:
            return
        name, part = pending.pop()
        items = list(_items(part))
        if items:
            prefix = f"{name}." if name else ""
            pending += [(prefix + key, item) for key, item in reversed(items)]
        elif not isinstance(part, dict | list | tuple):
            yield name or "tensor", part
    raise UnsafeError(
        f"the checkpoint has more than {MAX_VISITS} values in its tables and lists", number=805, file=file,
        hint="a small file can share its parts so: is it damaged or hostile?",
    )  # fmt: skip


def _items(part: object) -> Iterator[tuple[str, object]]:
    table = as_table(part.state) if isinstance(part, Instance) else as_table(part)
    if table is not None:
        for key, item in table.items():
            yield (".".join(str(each) for each in as_tuple(key) or (key,))), item
    else:
        for number, item in enumerate(as_list(part) or as_tuple(part) or ()):
            yield str(number), item


def _add(found: _Found, name: str, tensor: StoredTensor) -> None:
    """Enters a tensor and what its elements mean, or why it cannot be read."""
    try:
        constant = found.known.get(id(tensor)) or tensor.constant()
        found.known[id(tensor)] = constant
        found.add(name, constant, _place(tensor))
    except UnsupportedError as error:
        found.problems.setdefault((error.message, error.hint), []).append(name)
        return
    except InvalidModelError as error:
        raise error.located(Location(found.file, name, "tensor")) from None
    quantizer = tensor.quantizer
    if quantizer is not None:
        for part, numbers in (("scale", quantizer.scale), ("zero_point", quantizer.zero_point)):
            constant = numbers.constant() if isinstance(numbers, StoredTensor) else numbers
            found.add(f"{name}.{part}", constant, None)
        if quantizer.axis is not None:
            found.values[f"{name}.axis"] = str(quantizer.axis)


def _add_sparse(found: _Found, name: str, tensor: SparseTensor) -> None:
    for part, stored in tensor.parts.items():
        _add(found, f"{name}.{part}", stored)
    found.values[f"{name}.layout"] = tensor.layout
    found.values[f"{name}.shape"] = str(list(tensor.shape))


def _place(tensor: StoredTensor) -> tuple[object, ...] | None:
    """The same for tensors of the same elements."""
    if tensor.storage is None or not tensor.nbytes:
        return None
    root, start = _root(tensor.storage)
    first = start + tensor.offset * tensor.element.size
    return id(root), first, tensor.element, tensor.shape, tensor.strides


def _root(storage: Storage) -> tuple[Storage, int]:
    start = 0
    while storage.whole is not None:
        storage, offset = storage.whole
        start += offset
    return storage, start
