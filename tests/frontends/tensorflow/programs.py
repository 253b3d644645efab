"""Programs of TensorFlow that are recorded as graphs with their results (`record_programs.py`), and where these are.

A program is a function of TensorFlow's module and of its inputs. Those of `FRAMES` are traced as TensorFlow 1 does it
(`Switch`, `Merge`, `Enter`, `Exit`, TensorArrays), and all with functions (`If`, `While`, lists of tensors).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.frontends.tensorflow.cases import real

ARCHIVE = Path(__file__).parent / "fixtures" / "programs.zip"


def names() -> list[str]:
    """What is recorded."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        return [entry.removesuffix(".pb") for entry in archive.namelist() if entry.endswith(".pb")]


def unpack(name: str, folder: Path) -> Path:
    """The file of a graph, below `folder`."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        path = folder / "graph.pb"
        path.write_bytes(archive.read(f"{name}.pb"))
    return path


def recorded() -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """{program: {"in" or "out": {name: array}}}."""
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    with zipfile.ZipFile(ARCHIVE) as archive, np.load(io.BytesIO(archive.read("expected.npz"))) as held:
        for key in held.files:
            program, side, name = key.split("/", 2)
            found.setdefault(program, {}).setdefault(side, {})[name] = held[key]
    return found


Program = Callable[..., object]


def nested_loops(tf, x, n):
    def outer(i, total):
        _, made = tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + x * tf.cast(i, tf.float32)), [0, total])
        return i + 1, made

    return tf.while_loop(lambda i, t: i < n, outer, [0, tf.zeros_like(x)])[1]


def branch_in_loop(tf, x, n):
    def step(i, v):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: v + 1.0, lambda: v * x)

    return tf.while_loop(lambda i, v: i < n, step, [0, x])


def loop_in_branch(tf, x, n):
    def loop():
        return tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 1.5), [0, x])[1]

    return tf.cond(tf.reduce_sum(x) > 0, loop, lambda: -x)


def nested_branches(tf, x, n):
    def inner():
        return tf.cond(n > 5, lambda: (x + 1.0, n), lambda: (x - 1.0, n + 1))

    return tf.cond(n > 2, inner, lambda: (x * 2.0, -n))


def steady_values(tf, x, n):
    """A value that no step changes, and one that only the condition reads."""
    limit = tf.reduce_sum(x) * 100.0
    return tf.while_loop(lambda v, s, k: s < limit, lambda v, s, k: (v, s + tf.reduce_sum(v) + k, k), [x, 0.0, 1.0])[:2]


def no_step(tf, x, n):
    return tf.while_loop(lambda i, v: i < 0, lambda i, v: (i + 1, v * 2.0), [0, x])[1]


def array_of_rows(tf, x, n):
    """Rows read from one array and sums of them written to another one."""
    rows = tf.TensorArray(tf.float32, size=4, element_shape=[3]).unstack(x)
    made = tf.TensorArray(tf.float32, size=n, element_shape=[3])

    def step(i, state, out):
        state = state + rows.read(i)
        return i + 1, state, out.write(i, tf.tanh(state))

    _, last, out = tf.while_loop(lambda i, s, o: i < n, step, [0, tf.zeros([3]), made])
    return last, out.stack(), out.size()


def growing_array(tf, x, n):
    made = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[4, 3], clear_after_read=False)
    _, out = tf.while_loop(lambda i, o: i < n, lambda i, o: (i + 1, o.write(i, x * 2.0)), [0, made])
    return out.stack(), out.concat()


def scattered_array(tf, x, n):
    array = tf.TensorArray(tf.float32, size=4, clear_after_read=False)
    array = array.scatter([3, 1, 0, 2], x)
    return array.gather([2, 0]), array.read(1), array.stack()


def split_array(tf, x, n):
    array = tf.TensorArray(tf.float32, size=2, clear_after_read=False).split(x, [2, 2])
    return array.read(1), array.concat()


def sums_along(tf, x, n):
    return tf.scan(lambda a, row: a + row, x), tf.map_fn(lambda row: tf.reduce_max(row) * row, x)


def choices(tf, x, n):
    return tf.switch_case(n, [lambda: x, lambda: x * 2.0, lambda: -x])


def many_cases(tf, x, n):
    pairs = [(n > 7, lambda: x), (n > 3, lambda: x * 3.0)]
    return tf.case(pairs, default=lambda: x - 1.0)


def growing_tensor(tf, x, n):
    """A value whose size the steps change."""
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 3])]
    return tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, tf.concat([v, x], 0)), [0, x], shapes)[1]


def known_choice(tf, x, n):
    flag = tf.constant(True)
    return tf.cond(flag, lambda: x + 1.0, lambda: tf.linalg.expm(x[:3]))


def resized_list(tf, x, n):
    made = tf.raw_ops.TensorListFromTensor(tensor=x, element_shape=[3])
    longer, shorter = (tf.raw_ops.TensorListResize(input_handle=made, size=size) for size in (n * 2, 2))
    return [tf.raw_ops.TensorListStack(input_handle=each, element_shape=[3], element_dtype=tf.float32)
            for each in (longer, shorter)]  # fmt: skip


def spectra(tf, x, n):
    half = tf.signal.rfft(x, [8])
    both = tf.complex(x, 0.5 * x)
    plane = tf.signal.rfft2d(x, [4, 3])
    return [
        tf.abs(half), tf.signal.irfft(half, [8]), tf.math.angle(tf.math.conj(tf.signal.fft(both))), tf.math.imag(plane),
        tf.math.real(tf.signal.fft(both)), tf.math.imag(tf.signal.ifft2d(both)), tf.math.real(tf.signal.fft2d(both)),
        tf.math.conj(x),
    ]  # fmt: skip


def branch_of_complex(tf, x, n):
    """Complex numbers go through branches and loops."""
    start = tf.complex(x, x)
    made = tf.cond(n > 2, lambda: tf.math.conj(start), lambda: start)
    _, last = tf.while_loop(lambda i, z: i < n, lambda i, z: (i + 1, tf.signal.fft(z)), [0, made])
    return tf.math.real(last), tf.math.imag(last)


def _ragged(tf, x, n):
    """[[n - 1 values], [], [1 value], [the others]]"""
    ends = tf.cast(tf.stack([0, n - 1, n - 1, n, 12]), tf.int64)
    return tf.RaggedTensor.from_row_splits(tf.reshape(x, [12]), ends, validate=False)


def ragged_sums(tf, x, n):
    return tf.map_fn(tf.reduce_sum, _ragged(tf, x, n), fn_output_signature=tf.float32)


def ragged_rows(tf, x, n):
    """Rows that become others of other lengths, one of them without values."""
    spec = tf.RaggedTensorSpec([None], tf.float32)
    made = tf.map_fn(lambda row: tf.concat([row * 2.0, row[:1]], 0), _ragged(tf, x, n), fn_output_signature=spec)
    return made.row_splits, made.flat_values


def ragged_ranges(tf, x, n):
    spec = tf.RaggedTensorSpec([None], tf.int32, row_splits_dtype=tf.int32)
    made = tf.map_fn(tf.range, tf.stack([n, 0, n + 1]), fn_output_signature=spec)
    return made.row_splits, made.flat_values


def ragged_deep(tf, x, n):
    """Elements that are ragged themselves, of texts' lengths and of rows of a tensor."""
    inner = _ragged(tf, x, n)
    deep = tf.RaggedTensor.from_row_splits(inner, tf.constant([0, 1, 1, 4], tf.int64), validate=False)
    spec = tf.RaggedTensorSpec([None, None], tf.float32)
    made = tf.map_fn(lambda each: tf.concat([each, each * 3.0], 0), deep, fn_output_signature=spec)
    rows = tf.map_fn(lambda row: row[1:], x, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32))
    return made.nested_row_splits, made.flat_values, rows.row_splits, rows.flat_values


def ragged_backwards(tf, x, n):
    """A list that is written from its end, and one of the rows of a tensor."""
    vector = tf.raw_ops.RaggedTensorToVariant(rt_nested_splits=[], rt_dense_values=x, batched_input=True)
    taken = tf.raw_ops.TensorListFromTensor(tensor=vector, element_shape=tf.constant([], tf.int32))
    made = tf.raw_ops.TensorListReserve(
        element_shape=tf.constant([], tf.int32), num_elements=4, element_dtype=tf.variant
    )

    def step(i, held):
        row = tf.raw_ops.TensorListGetItem(
            input_handle=taken, index=i, element_shape=tf.constant([], tf.int32), element_dtype=tf.variant
        )
        values = tf.raw_ops.RaggedTensorFromVariant(
            encoded_ragged=row, input_ragged_rank=0, output_ragged_rank=0, Tvalues=tf.float32, Tsplits=tf.int64
        )[1][:i]
        item = tf.raw_ops.RaggedTensorToVariant(rt_nested_splits=[], rt_dense_values=values, batched_input=False)
        return i - 1, tf.raw_ops.TensorListSetItem(input_handle=held, index=i, item=item)

    made = tf.while_loop(lambda i, held: i >= 0, step, [n, made])[1]
    made = tf.raw_ops.TensorListStack(
        input_handle=made, element_shape=tf.constant([], tf.int32), element_dtype=tf.variant
    )
    (splits,), values = tf.raw_ops.RaggedTensorFromVariant(
        encoded_ragged=made, input_ragged_rank=0, output_ragged_rank=1, Tvalues=tf.float32, Tsplits=tf.int64
    )
    return splits, values, tf.raw_ops.TensorListLength(input_handle=taken)


FRAMES: dict[str, Program] = {
    each.__name__: each
    for each in (
        nested_loops, branch_in_loop, loop_in_branch, nested_branches, steady_values, no_step, array_of_rows,
        growing_array, scattered_array, split_array, sums_along, many_cases, growing_tensor,
    )
}  # fmt: skip

FUNCTIONS: dict[str, Program] = FRAMES | {
    each.__name__: each
    for each in (
        choices, known_choice, resized_list, spectra, branch_of_complex, ragged_sums, ragged_rows, ragged_ranges,
        ragged_deep, ragged_backwards,
    )
}  # fmt: skip


def programs() -> Iterator[tuple[str, bool, Program, dict[str, np.ndarray]]]:
    """(name, whether it is traced with frames, the program, its inputs)."""
    feeds = {"x": real(4, 3), "n": np.array(3, np.int32)}
    for name, program in FRAMES.items():
        yield f"frames {name}", True, program, feeds
    for name, program in FUNCTIONS.items():
        yield f"functions {name}", False, program, feeds
