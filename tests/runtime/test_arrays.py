"""Inputs and outputs are used where they lie: NumPy's arrays, and other libraries' tensors by DLPack."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

import xir
from xir.errors import UsageError
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import add, neg
from xir.ops.shape import transpose
from xir.reference.dlpack import borrowed
from xir.runtime.call import Call
from xir.runtime.executable import Executable
from xir.runtime.memory import address_of, plan
from xir.runtime.recent import REMEMBERED, Recent

N = Symbol("N")


def compiled(shape: tuple[Dim, ...], dtype: DType = DType.FLOAT32) -> Executable:
    """Y = -x, z = x + x, and the input itself."""
    x = Value(TensorType(dtype, shape))
    return xir.compile(Graph("g", (x,), (neg(x), add(x, x), x), ("y", "z", "same"), (), {x: "x"}), threads=1)


@pytest.fixture(scope="module")
def model() -> Executable:
    return compiled((N, 6))


def numbers(rows: int = 4) -> np.ndarray:
    return np.arange(rows * 6, dtype=np.float32).reshape(rows, 6)


def misaligned(like: np.ndarray) -> np.ndarray:
    raw = bytearray(like.nbytes + 1)
    made = np.frombuffer(raw, np.uint8)[1:].view(like.dtype).reshape(like.shape)
    made[...] = like
    assert not made.flags.aligned
    return made


def read_only(like: np.ndarray) -> np.ndarray:
    return np.frombuffer(like.tobytes(), like.dtype).reshape(like.shape)


class Makes:
    """What makes an array of itself."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        """The array."""
        return self.array


class Lends:
    """What shares its elements by DLPack alone."""

    def __init__(self, array: np.ndarray, device: tuple[int, int] = (1, 0)) -> None:
        self.array, self.device = array, device

    def __dlpack__(self, *, max_version: tuple[int, int] | None = None) -> object:
        """A capsule."""
        return self.array.__dlpack__(max_version=max_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The kind of device, and its number."""
        return self.device


class LendsAsBefore(Lends):
    """A library that knows no versions of DLPack."""

    def __dlpack__(self) -> object:
        """A capsule of before version 1."""
        return self.array.__dlpack__()


GIVEN: dict[str, Callable[[np.ndarray], object]] = {
    "as it is": lambda x: x,
    "by columns": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "between addresses": misaligned,
    "read only": read_only,
    "__array__": Makes,
    "__dlpack__": Lends,
    "__dlpack__ without versions": LendsAsBefore,
    "lists": lambda x: x.tolist(),
}


@pytest.mark.parametrize("give", GIVEN.values(), ids=GIVEN)
def test_whatever_is_fed_is_the_same_input(model, give):
    x = numbers()
    y, z, same = model(give(x))
    for have, want in ((y, -x), (z, x + x), (same, x)):
        np.testing.assert_array_equal(have, want)


def test_elements_are_repeated_without_being_there(model):
    row = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(model(np.broadcast_to(row, (5, 6)))[0], -np.broadcast_to(row, (5, 6)))


@pytest.mark.parametrize("give", [lambda x: x, Makes, Lends, LendsAsBefore, read_only])
def test_row_major_elements_are_read_where_they_lie(give, monkeypatch):
    """The only copies are those of `contiguous`."""
    model = compiled((4, 6))
    model(numbers())
    given, seen = give(numbers()), []
    run = Call.run
    monkeypatch.setattr(Call, "run", lambda call, key, fed, *rest: seen.extend(fed) or run(call, key, fed, *rest))
    model(given)
    assert np.shares_memory(seen[0], given if isinstance(given, np.ndarray) else given.array)


@pytest.mark.parametrize("dtype", [each for each in DType if each is not DType.STRING and each.bits >= 8], ids=str)
def test_every_type_that_another_library_shares(dtype):
    """NumPy shares no bf16; torch does."""
    torch = pytest.importorskip("torch")
    kind = dtype.dtype.name
    if not hasattr(torch, kind):
        pytest.skip("torch has no such type")
    tensor = torch.ones(3, 4).to(getattr(torch, kind))[:, ::2]
    array = borrowed(tensor, "x")
    assert (array.dtype, array.shape, address_of(array)) == (dtype.dtype, (3, 2), tensor.data_ptr())
    ones = np.ones((3, 2), np.float32).astype(dtype.dtype)
    assert array.tobytes() == ones.tobytes()
    del tensor
    assert array.tobytes() == ones.tobytes()  # the array keeps the tensor


def test_tensors_of_torch_go_in_and_out():
    torch = pytest.importorskip("torch")
    model = compiled((N, 6), DType.BFLOAT16)
    x, y = torch.arange(18).reshape(3, 6).bfloat16(), torch.empty(3, 6).bfloat16()
    results = model.run(["y"], {"x": x}, out={"y": y})
    assert torch.equal(y, -x)
    assert results[0].dtype == ml_dtypes.bfloat16
    with pytest.raises(UsageError, match="gradient"):
        model(torch.ones(3, 6, requires_grad=True))


def test_tensors_elsewhere_are_refused(model):
    with pytest.raises(UsageError, match="lies on the device"):
        model(Lends(numbers(), (2, 0)))


OUT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda x: x,
    "by columns": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1],
    "between addresses": misaligned,
}


@pytest.mark.parametrize("make", OUT.values(), ids=OUT)
@pytest.mark.parametrize("name", ["y", "z", "same"])
def test_an_output_is_written_where_it_is_wanted(model, make, name):
    x, place = numbers(), make(np.full((4, 6), 7, np.float32))
    results = model.run(None, {"x": x}, out={name: place})
    assert results[["y", "z", "same"].index(name)] is place
    for have, want in zip(results, (-x, x + x, x), strict=True):
        np.testing.assert_array_equal(have, want)


def test_an_output_may_take_the_place_of_an_input(model):
    x = numbers()
    model(x, out={"y": x})
    np.testing.assert_array_equal(x, -numbers())
    wide = np.arange(60, dtype=np.float32)
    x, place = wide[:24].reshape(4, 6), wide[6:30].reshape(4, 6)  # it begins within the input
    y, _, _ = model(x, out={"z": place})
    np.testing.assert_array_equal(y, -numbers())
    np.testing.assert_array_equal(place, 2 * numbers())


WRONG = {
    "another output": (lambda x: {"w": x}, "no output 'w'"),
    "another type": (lambda x: {"y": x.astype(np.float64)}, "float64"),
    "other sizes": (lambda x: {"y": x[:2]}, r"has the shape \[2, 6\], needed is \[4, 6\]"),
    "read only": (lambda x: {"y": read_only(x)}, "cannot be written"),
    "no array": (lambda x: {"y": x.tolist()}, "is list"),
    "one place for two": (lambda x: {"y": x, "z": x[:]}, "'y' and 'z' overlap"),
    "places that overlap": (lambda x: {"y": x, "z": x[::-1]}, "'y' and 'z' overlap"),
}


@pytest.mark.parametrize(("out", "words"), WRONG.values(), ids=WRONG)
def test_places_that_do_not_fit_are_refused(model, out, words):
    with pytest.raises(UsageError, match=words):
        model(numbers(), out=out(numbers()))


def chain(count: int) -> Executable:
    """Sums of a matrix and its transpose, which need buffers between them."""
    x = Value(TensorType(DType.FLOAT32, (N, N)))
    value = x
    for _ in range(count):
        value = add(value, transpose(value, perm=(1, 0)))
    return xir.compile(Graph("g", (x,), (value,), ("y",), (), {x: "x"}), threads=1)


def test_a_call_with_bound_outputs_allocates_nothing():
    model, size = chain(5), 256
    x, y = np.ones((size, size), np.float32), np.empty((size, size), np.float32)
    model(x, out={"y": y})
    tracemalloc.start()
    try:
        model(x)
        unbound = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        model(x, out={"y": y})
        bound = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert unbound > y.nbytes
    assert bound < 4096


def test_sizes_that_take_turns_are_planned_once(monkeypatch):
    model, plans = chain(5), []
    monkeypatch.setattr("xir.runtime.call.plan", lambda lives: plans.append(1) or plan(lives))
    results = {size: model(np.ones((size, size), np.float32))[0] for size in (8, 64, 16)}
    assert len(plans) == 3
    for size in (64, 8, 16, 8, 64):
        np.testing.assert_array_equal(model(np.ones((size, size), np.float32))[0], results[size])
    assert len(plans) == 3


def test_only_the_latest_sizes_are_remembered():
    recent: Recent[int, int] = Recent()
    for number in range(3 * REMEMBERED):
        recent.keep(number, -number)
    kept = [number for number in range(3 * REMEMBERED) if recent.get(number) is not None]
    assert kept == list(range(2 * REMEMBERED, 3 * REMEMBERED))


def test_a_call_keeps_neither_inputs_nor_outputs(model):
    x = numbers()
    y = model(x)[0]
    gone = weakref.ref(x), weakref.ref(y)
    del x, y
    gc.collect()
    assert [each() for each in gone] == [None, None]


def test_addresses_are_those_that_numpy_tells():
    for array in (numbers(), numbers()[1:, ::2], np.empty(0), np.array(3), np.zeros(3, ml_dtypes.bfloat16)):
        assert address_of(array) == array.ctypes.data
