"""Records SavedModels and what TensorFlow makes of them: `python -m tests.frontends.tensorflow.record_saved`.

Each model is a folder of `fixtures/saved_models.zip`; its inputs and results are `NAME/SIGNATURE/in/...` and
`.../out/...` of `expected.npz` in the same archive.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.frontends.tensorflow.saved import ARCHIVE, numbers

_EPOCH = (1980, 1, 1, 0, 0, 0)


class Dense(tf.Module):
    """Two signatures over the same variables, one of which is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(numbers(2, 3), name="kernel")
        self.bias = tf.Variable(numbers(3), name="bias", trainable=False)
        self.rows = tf.Variable(numbers(5, 4), name="rows")

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def serve(self, x):
        return {"y": x @ self.kernel + self.bias, "sum": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([3], tf.int32, name="ids")])
    def look(self, ids):
        return {"row": tf.gather(self.rows, ids), "count": tf.shape(self.rows)[0]}


class Loop(tf.Module):
    """A loop and a branch whose bodies read variables."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(numbers(3, 3), name="kernel")
        self.shift = tf.Variable(numbers(3), name="shift")

    @tf.function(input_signature=[tf.TensorSpec([1, 3], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
    def serve(self, x, n):
        _, y = tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, tf.tanh(y @ self.kernel)), [0, x])
        return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: y + self.shift, lambda: y - self.shift)}


class Counter(tf.Module):
    """A model that changes what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = tf.Variable(0.0, name="steps")

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def serve(self, x):
        return {"y": x + self.steps.assign_add(1.0)}


class Memory(tf.Module):
    """Variables that are read between assignments, in calls and in loops."""

    def __init__(self) -> None:
        super().__init__()
        self.total = tf.Variable(numbers(3), name="total", trainable=False)
        self.steps = tf.Variable(0, name="steps", trainable=False)
        self.rows = tf.Variable(numbers(4, 2), name="rows")

    @tf.function
    def add(self, x):
        self.total.assign_add(x)
        return self.total * 2.0

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32, name="x")])
    def serve(self, x):
        before = self.total + 0.0
        twice = self.add(x)
        after = self.add(x + twice)
        self.total.assign(self.total - before)
        self.rows.scatter_nd_update([[1], [3]], tf.stack([x[:2], x[1:]]))
        self.rows.scatter_add(tf.IndexedSlices(x[None, :2], [0]))
        self.steps.assign_sub(-2)
        _, summed = tf.while_loop(lambda i, s: i < self.steps, lambda i, s: (i + 1, s + self.total), [0, x])
        return {"before": before, "after": after, "summed": summed, "rows": self.rows + 0.0}

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32, name="x")])
    def branch(self, x):
        return {"y": tf.cond(x[0] > 0, lambda: self.total.assign_add(x), lambda: x)}

    @tf.function(input_signature=[tf.TensorSpec([3], tf.float32, name="x")])
    def loop(self, x):
        return {"y": tf.while_loop(lambda i: i < 3, lambda i: (self.steps.assign_add(1) + i,), [0])[0]}


class Words(tf.Module):
    """Lookup tables from tensors and from files, and one that nothing reads."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        Path(folder, "words.txt").write_text("apple\nbanana\ncherry\n", "utf-8")
        Path(folder, "pairs.txt").write_bytes(b"7,red,0.5\r\n9,blue,1.5\r\n")
        Path(folder, "spare.txt").write_text("1\n", "utf-8")
        lookup, index = tf.lookup, tf.lookup.TextFileIndex
        numbers = lookup.KeyValueTensorInitializer(["a", "b", "c"], tf.constant([1, 2, 3], tf.int64))
        lines = lookup.TextFileInitializer(
            f"{folder}/words.txt", tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER, vocab_size=2
        )
        names, reals = (
            lookup.TextFileInitializer(f"{folder}/pairs.txt", tf.int64, 0, dtype, column, delimiter=",")
            for dtype, column in ((tf.string, 1), (tf.float32, 2))
        )
        self.numbers = lookup.StaticHashTable(numbers, -1)
        self.lines = lookup.StaticHashTable(lines, -7)
        self.names, self.reals = lookup.StaticHashTable(names, "none"), lookup.StaticHashTable(reals, -0.5)
        spare = lookup.TextFileInitializer(f"{folder}/spare.txt", tf.int64, -2, tf.int64, -1)
        self.spare = lookup.StaticHashTable(spare, 0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x"), tf.TensorSpec([2], tf.int64, name="n")])
    def serve(self, x, n):
        return {
            "number": self.numbers.lookup(x),
            "line": self.lines.lookup(x),
            "name": self.names.lookup(n),
            "real": self.reals.lookup(n),
            "size": self.lines.size(),
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="n")])
    def look(self, n):
        keys, values = self.numbers.export()
        return {
            "spare": self.spare.lookup(n),
            "keys": tf.size(keys),
            "values": tf.reduce_sum(values),
        }


class Places(tf.Module):
    """What is read of a variable besides its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(numbers(4, 3), name="table")

    @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.int32, name="at")])
    def serve(self, at):
        handle = self.table.handle
        return {
            "found": tf.raw_ops.ResourceGatherNd(resource=handle, indices=at, dtype=tf.float32),
            "sizes": tf.raw_ops.VariableShape(input=handle),
            "there": tf.raw_ops.VarIsInitializedOp(resource=handle),
        }


def old(folder: str) -> None:
    """TensorFlow 1: partitioned variables, reference variables and handles, two signatures, files of their own."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        cut = v1.fixed_size_partitioner(3)
        kernel = v1.get_variable("kernel", initializer=numbers(4, 3), use_resource=False, partitioner=None)
        parts = v1.get_variable("table", [5, 3], partitioner=cut, use_resource=False, initializer=v1.ones_initializer())
        scale = v1.get_variable("scale", initializer=np.float32(0.5), use_resource=True)
        y = tf.identity(x @ kernel * scale, name="y")
        z = tf.matmul(y, tf.convert_to_tensor(parts), transpose_b=True, name="z")
        session.run(v1.global_variables_initializer())
        for place, part in enumerate(parts):
            session.run(part.assign(numbers(5, 3)[2 * place : 2 * place + 2]))
        build = v1.saved_model.build_signature_def
        info = v1.saved_model.build_tensor_info
        builder = v1.saved_model.Builder(folder)
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "first": build({"x": info(x)}, {"y": info(y)}, "predict"),
                "second": build({"hidden": info(y)}, {"z": info(z)}, "predict"),
            },
        )
        builder.save()
        Path(folder, "first").mkdir()
        for version in (v1.train.SaverDef.V1, v1.train.SaverDef.V2):
            path = f"{folder}/first/version{version}.ckpt"
            v1.train.Saver(write_version=version).save(session, path, latest_filename=f"last{version}")


def images(folder: str) -> None:
    """A small network of Keras 3, as it exports them."""
    import keras

    layers = [
        keras.layers.Input((8, 8, 3), name="image"),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.set_weights([numbers(*weight.shape) + (weight.ndim == 1) for weight in model.get_weights()])
    model.export(folder, verbose=False)


def write(folder: str) -> None:
    """Writes all models."""
    dense, loop, counter = Dense(), Loop(), Counter()
    tf.saved_model.save(dense, f"{folder}/dense", {"serving_default": dense.serve, "look": dense.look})
    tf.saved_model.save(loop, f"{folder}/loop", {"serving_default": loop.serve})
    tf.saved_model.save(counter, f"{folder}/counter", {"serving_default": counter.serve})
    words, places, memory = Words(folder), Places(), Memory()
    signatures = {"serving_default": memory.serve, "branch": memory.branch, "loop": memory.loop}
    tf.saved_model.save(memory, f"{folder}/memory", signatures)
    tf.saved_model.save(words, f"{folder}/words", {"serving_default": words.serve, "look": words.look})
    for name in ("words", "pairs", "spare"):
        Path(folder, f"{name}.txt").unlink()
    tf.saved_model.save(places, f"{folder}/places", {"serving_default": places.serve})
    old(f"{folder}/old")
    images(f"{folder}/images")


FEEDS = {
    "dense": {"serving_default": {"x": numbers(3, 2)}, "look": {"ids": np.array([4, 0, 2], np.int32)}},
    "loop": {"serving_default": {"x": numbers(1, 3), "n": np.array(3, np.int32)}},
    "old": {"first": {"x": numbers(2, 4)}, "second": {"hidden": numbers(2, 3)}},
    "words": {
        "serving_default": {"x": np.array([b"b", b"banana", b"cherry"]), "n": np.array([9, 1], np.int64)},
        "look": {"n": np.array(1, np.int64)},
    },
    "memory": {"serving_default": {"x": numbers(3) + 2}, "serving_default#": {"x": numbers(3) + 1}},
    "places": {"serving_default": {"at": np.array([[3, 1], [0, 2]], np.int32)}},
    "images": {"serving_default": {"image": numbers(2, 8, 8, 3)}},
}


def _plain(array: np.ndarray) -> np.ndarray:
    """Strings as bytes of one length, which need no pickle."""
    return array.astype("S") if array.dtype == object else array


def main() -> None:
    held: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        write(folder)
        for name, signatures in FEEDS.items():
            model = tf.saved_model.load(f"{folder}/{name}")
            for signature, feeds in signatures.items():
                made = model.signatures[signature.rstrip("#")](
                    **{key: tf.constant(value) for key, value in feeds.items()}
                )
                held |= {f"{name}/{signature}/in/{key}": value for key, value in feeds.items()}
                held |= {f"{name}/{signature}/out/{key}": _plain(value.numpy()) for key, value in made.items()}
        expected = io.BytesIO()
        np.savez(expected, **held)
        with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(zipfile.ZipInfo("expected.npz", _EPOCH), expected.getvalue())
            for path in sorted(Path(folder).rglob("*")):
                inner = os.path.relpath(path, folder)
                if path.is_file() and path.name != "fingerprint.pb" and not path.name.startswith("last"):
                    entry = zipfile.ZipInfo(inner, _EPOCH)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
