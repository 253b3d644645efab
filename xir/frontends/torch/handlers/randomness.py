"""Random numbers and dropout.

xir's numbers are those of its own generator: they are spread as PyTorch's are, and are not the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import DEFAULT
from xir.frontends.torch.tensor import Number, Tensor
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, random
from xir.ops._build import scalar_like
from xir.ops.reduce import top_k

operators = Operators("aten")
Sizes = Sequence[Number]


def _uniform(call: Call, shape: Shape, dtype: DType, low: float = 0.0, high: float = 1.0) -> Value:
    return random.random_uniform(shape=shape, low=low, high=high, seed=call.scope.seed(), dtype=dtype)


def _normal(call: Call, shape: Shape, dtype: DType, mean: float = 0.0, deviation: float = 1.0) -> Value:
    return random.random_normal(shape=shape, mean=mean, deviation=deviation, seed=call.scope.seed(), dtype=dtype)


@operators.op(
    "rand(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "rand.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
)
def rand(call: Call, sizes: Sizes, dtype: DType | None) -> Value:
    """Numbers spread evenly over [0, 1)."""
    return _uniform(call, call.known_shape(sizes), dtype or DEFAULT)


@operators.op(
    "rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    "rand_like.generator(Tensor self, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def rand_like(call: Call, x: Value, dtype: DType | None) -> Value:
    """Numbers spread evenly over [0, 1)."""
    return _uniform(call, x.shape, dtype or x.dtype)


@operators.op(
    "randn(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "randn.generator(SymInt[] size, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def randn(call: Call, sizes: Sizes, dtype: DType | None) -> Value:
    """Normal numbers of mean 0 and deviation 1."""
    return _normal(call, call.known_shape(sizes), dtype or DEFAULT)


@operators.op(
    "normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, ScalarType? "
    "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
)
def normal_of_size(call: Call, mean: float, deviation: float, sizes: Sizes, dtype: DType | None) -> Value:
    """Normal numbers of one mean and deviation."""
    return _normal(call, call.known_shape(sizes), dtype or DEFAULT, mean, deviation)


@operators.op(
    "randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    "randn_like.generator(Tensor self, *, Generator? generator, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def randn_like(call: Call, x: Value, dtype: DType | None) -> Value:
    """Normal numbers of mean 0 and deviation 1."""
    return _normal(call, x.shape, dtype or x.dtype)


def _integers(call: Call, shape: Shape, low: Number, high: Number, dtype: DType) -> Value:
    first, last = call.known_integer(low, "a bound"), call.known_integer(high, "a bound")
    drawn = _uniform(call, shape, DType.FLOAT64, float(first), float(last))
    return call.cast(elementwise.floor(drawn), dtype)


@operators.op(
    "randint(SymInt high, SymInt[] size, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "randint.generator(SymInt high, SymInt[] size, *, Generator? generator, ScalarType? dtype=4, Layout? "
    "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
)
def randint(call: Call, high: Number, sizes: Sizes, dtype: DType | None) -> Value:
    """Integers spread evenly over [0, high)."""
    return _integers(call, call.known_shape(sizes), 0, high, dtype or DType.INT64)


@operators.op(
    "randint.low(SymInt low, SymInt high, SymInt[] size, *, ScalarType? dtype=4, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
    "randint.low_generator(SymInt low, SymInt high, SymInt[] size, *, Generator? generator, ScalarType? dtype=4, "
    "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
)
def randint_from(call: Call, low: Number, high: Number, sizes: Sizes, dtype: DType | None) -> Value:
    """Integers spread evenly over [low, high)."""
    return _integers(call, call.known_shape(sizes), low, high, dtype or DType.INT64)


@operators.op(
    "randint_like(Tensor self, SymInt high, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def randint_like(call: Call, x: Value, high: Number, dtype: DType | None) -> Value:
    """Integers spread evenly over [0, high) in the shape of another tensor."""
    return _integers(call, x.shape, 0, high, dtype or x.dtype)


@operators.op(
    "randint_like.low_dtype(Tensor self, SymInt low, SymInt high, *, ScalarType? dtype=None, Layout? "
    "layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def randint_like_from(call: Call, x: Value, low: Number, high: Number, dtype: DType | None) -> Value:
    """Integers spread evenly over [low, high) in the shape of another tensor."""
    return _integers(call, x.shape, low, high, dtype or x.dtype)


@operators.op(
    "randperm(SymInt n, *, ScalarType? dtype=4, Layout? layout=None, Device? device=None, bool? pin_memory=None) "
    "-> Tensor",
    "randperm.generator(SymInt n, *, Generator? generator, ScalarType? dtype=4, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
)
def randperm(call: Call, count: Number, dtype: DType | None) -> Value:
    """0 ... count - 1 in any order: the places of random numbers in order."""
    (size,) = call.known_shape((count,))
    drawn = _uniform(call, (size,), DType.FLOAT64)
    return call.cast(top_k(drawn, k=size, axis=0)[1], dtype or DType.INT64)


@operators.op(
    "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
    "normal.Tensor_float(Tensor mean, float std=1., *, Generator? generator=None) -> Tensor",
    "normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor",
)
def normal(call: Call, mean: Value | float, deviation: Value | float) -> Value:
    """Normal numbers, a mean and a deviation for each."""
    middle, spread = call.promoted(mean, deviation, floating=True)
    drawn = _normal(call, middle.shape, middle.dtype)
    return elementwise.add(middle, elementwise.mul(drawn, spread))


@operators.op(
    "normal_functional(Tensor self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor",
)
def normal_functional(call: Call, x: Value, mean: float, deviation: float) -> Value:
    """Normal numbers in the shape of another tensor."""
    return _normal(call, x.shape, x.dtype, mean, deviation)


@operators.op(
    "normal_(Tensor(a!) self, float mean=0., float std=1., *, Generator? generator=None) -> Tensor(a!)",
)
def normal_(call: Call, place: Tensor, mean: float, deviation: float) -> Tensor:
    """Normal numbers in place of what was there."""
    place.write(_normal(call, place.value.shape, place.value.dtype, mean, deviation))
    return place


@operators.op(
    "bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)",
)
def bernoulli_(call: Call, place: Tensor, probability: float) -> Tensor:
    """1 with a probability, else 0, in place of what was there."""
    place.write(bernoulli_of(call, place.value, probability))
    return place


@operators.op(
    "uniform(Tensor self, float from=0., float to=1., *, Generator? generator=None) -> Tensor",
)
def uniform(call: Call, x: Value, low: float, high: float) -> Value:
    """Numbers spread evenly over [low, high) in the shape of another tensor."""
    return _uniform(call, x.shape, x.dtype, low, high)


@operators.op(
    "exponential(Tensor self, float lambd=1., *, Generator? generator=None) -> Tensor",
)
def exponential(call: Call, x: Value, rate: float) -> Value:
    """Numbers of the density `rate * exp(-rate * x)`: `-log(1 - u) / rate` of even ones."""
    drawn = _uniform(call, x.shape, x.dtype)
    left = elementwise.sub(scalar_like(drawn, 1), drawn)
    return elementwise.mul(elementwise.log(left), scalar_like(drawn, -1 / rate))


@operators.op(
    "bernoulli(Tensor self, *, Generator? generator=None) -> Tensor",
)
def bernoulli(call: Call, x: Value) -> Value:
    """1 with the probability that each element is, else 0."""
    return random.bernoulli(x, seed=call.scope.seed(), dtype=x.dtype)


@operators.op(
    "bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor",
    "bernoulli.Tensor(Tensor self, Tensor p, *, Generator? generator=None) -> Tensor",
)
def bernoulli_of(call: Call, x: Value, probability: Value | float) -> Value:
    """1 with a probability, else 0, in the shape and type of another tensor."""
    dtype = probability.dtype if isinstance(probability, Value) else DType.FLOAT64
    odds = call.repeated(call.tensor(probability, dtype), x.shape)
    return random.bernoulli(odds, seed=call.scope.seed(), dtype=x.dtype)


@operators.op(
    "multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, Generator? generator=None) -> Tensor",
)
def multinomial(call: Call, x: Value, count: Number, replacement: bool) -> Value:
    """Draws from the classes of each row, whose weights these are."""
    size = call.known_integer(count, "a number of draws")
    if not replacement:  # the first of exponential arrivals with these rates (Efraimidis and Spirakis 2006)
        late = exponential(call, x, 1.0)
        return top_k(elementwise.div(x, late), k=size, axis=x.rank - 1)[1]
    rows = x if x.rank == 2 else call.flat_to(x, (1, *x.shape))
    drawn = random.multinomial(elementwise.log(rows), count=size, seed=call.scope.seed(), dtype=DType.INT64)
    return drawn if x.rank == 2 else call.flat_to(drawn, (size,))


def dropped(call: Call, x: Value, rate: float) -> tuple[Value, Value]:
    """Elements kept with the probability 1 - rate and divided by it, the others 0; and where they are kept."""
    if rate >= 1:
        return call.filled(0, x.dtype, x.shape), call.filled(False, DType.BOOL, x.shape)
    made, kept = random.dropout(x, rate=rate, seed=call.scope.seed())
    return made, kept


@operators.op(
    "dropout(Tensor input, float p, bool train) -> Tensor",
    "feature_dropout(Tensor input, float p, bool train) -> Tensor",
    "alpha_dropout(Tensor input, float p, bool train) -> Tensor",
    "feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor",
)
def dropout(call: Call, x: Value, rate: float, train: bool) -> Value:
    """Dropout of training; else nothing happens."""
    if not train or rate == 0:
        return x
    if not call.kind.startswith("aten.dropout"):
        call.refuse("dropout of whole channels, or with a mean that stays, in training", "export after model.eval()")
    return dropped(call, x, rate)[0]


@operators.op(
    "native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
)
def native_dropout(call: Call, x: Value, rate: float, train: bool | None) -> tuple[Value, Value]:
    """Dropout of training, and where elements are kept; without training all are."""
    if train is False or rate == 0:
        return x, call.filled(True, DType.BOOL, x.shape)
    return dropped(call, x, rate)


@operators.op(
    "log_normal(Tensor self, float mean=1., float std=2., *, Generator? generator=None) -> Tensor",
)
def log_normal(call: Call, x: Value, mean: float, deviation: float) -> Value:
    """The powers of e to normal numbers."""
    return elementwise.exp(_normal(call, x.shape, x.dtype, mean, deviation))


@operators.op(
    "random.from(Tensor self, int from, int? to, *, Generator? generator=None) -> Tensor",
)
def random_between(call: Call, x: Value, low: int, high: int | None) -> Value:
    """Integers spread evenly over [low, high)."""
    if high is None:
        call.refuse("integers up to the end of their type")
    return _integers(call, x.shape, low, high, x.dtype)


@operators.op(
    "random.to(Tensor self, int to, *, Generator? generator=None) -> Tensor",
)
def random_below(call: Call, x: Value, high: int) -> Value:
    """Integers spread evenly over [0, high)."""
    return _integers(call, x.shape, 0, high, x.dtype)
