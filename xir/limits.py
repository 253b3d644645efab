"""Resource limits: a model file is hostile input, so every size that it declares is checked before it is believed.

Every frontend goes through these functions. The constants are the promises of the project ("a hostile file costs
under 2 s and under 500 MB"); where a number comes from elsewhere, its source stands beside it.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import SupportsIndex

from xir.errors import InvalidModelError, UnsafeError

KIBI = 1 << 10
MEBI = 1 << 20
GIBI = 1 << 30

MAX_NESTING = 100
"""Levels of nesting that a parser follows (messages in messages, graphs in graphs); protobuf's own limit is 100 too."""

MAX_RANK = 64
"""Dimensions of one tensor. NumPy 2 ends at 64 (NPY_MAXDIMS), Caffe at 32 (blob.hpp, kMaxBlobAxes)."""

MAX_ELEMENTS = (1 << 63) - 1
"""Elements of one tensor: what a signed 64-bit index reaches (ONNX dims and Caffe's BlobShape are int64)."""

MAX_FOLDED_BYTES = 64 * MEBI
"""Bytes that constant folding may produce at one node; a larger result stays a node."""

MAX_INLINED_NODES = 1_000_000
"""Nodes that inlining functions may produce in one model (5 kB of nested functions can declare 2^40)."""

FREE_INLINED_NODES = 8_000
"""Nodes that inlining may produce in a small model: importing, optimizing and writing them takes two seconds."""

MAX_UNROLLED_NODES = 32_000
"""Nodes that recurrent layers may become where each step is written down; sequences have some hundred steps."""

MAX_INLINED_RATIO = 10
"""Nodes that inlining may produce for each node that the file holds, above `FREE_INLINED_NODES`: a few kilobytes must
not cost the twenty seconds that `MAX_INLINED_NODES` take. Exporters call a function a few dozen times at most, and
only small ones oftener."""

MAX_CALLS = 40
"""Levels of bodies and functions inside one another that are followed; each takes several calls of Python, whose own
limit is 1,000. Exporters nest their functions about ten deep."""

MAX_LOOP_STEPS = 1_000_000
"""Steps of one loop. A loop that nothing ends would else run for ever; the longest decoders make thousands."""

MAX_BODY_RUNS = 5_000_000
"""Runs of all bodies in one run of a model: loops in loops would else multiply `MAX_LOOP_STEPS` by itself."""

MAX_TEXT_BYTES = 256 * MEBI
"""Bytes of one text file that is parsed (prototxt, `.xir`); a 10,000-layer prototxt is about 5 MB."""

MAX_MESSAGE_BYTES = 2 * GIBI - 1
"""Bytes of one protobuf message: the limit of the format itself (signed 32-bit sizes)."""

MAX_NAME_BYTES = 64 * KIBI
"""Bytes of one name in a model; longer ones only slow every message down."""

MAX_ARCHIVE_MEMBERS = 100_000
"""Files in one archive."""

MAX_ARCHIVE_BYTES = 64 * GIBI
"""Bytes of all members of one archive, unpacked."""

MAX_ARCHIVE_RATIO = 200
"""Unpacked bytes per packed byte of one archive member. Deflate ends at 1032; trained weights reach about 1.1 and
text about 20, so 200 leaves constant tensors room."""

FREE_ARCHIVE_BYTES = 16 * MEBI
"""An archive member up to this size is taken whatever its ratio: a tensor of zeros is no bomb."""

MAX_FILLED_BYTES = 640 * MEBI
"""Bytes of weights that may be made up when a model brings none (Caffe's fillers): they cost time and room that no
file paid for. The largest nets of Caffe's time, VGG-19 and Overfeat, need 550 MiB."""


FOREIGN_SECONDS = 60.0
"""Seconds that another runtime may take to open a model or to run it once, whatever our reference needs: opening a
model of 100 MB takes onnxruntime about 1 s, and a crafted one (a Split of 20,000 outputs) takes it minutes."""

FOREIGN_RATIO = 50
"""Times the reference's own time that another runtime may take for the same run. It is nearly always faster than NumPy;
a machine that does much else at once may slow it down some ten times."""

FOREIGN_BYTES_PER_SECOND = MEBI
"""Bytes of a model's file that another runtime opens in a second, at the least: a slow disk reads ten times as many."""


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """One entry of an archive's directory: its name and the sizes that it declares, in bytes."""

    name: str
    packed: int
    unpacked: int


def check_rank(rank: int, *, what: str = "the tensor", file: str | None = None) -> None:
    """Refuses more than `MAX_RANK` dimensions.

    Raises:
        UnsafeError: there are more.
    """
    if rank > MAX_RANK:
        raise UnsafeError(
            f"{what} has {rank} dimensions; at most {MAX_RANK} are taken",
            number=803,
            file=file,
            hint="no tensor library reads such a shape: the file is damaged or hostile",
        )


def element_count(shape: Sequence[SupportsIndex], *, what: str = "the tensor", file: str | None = None) -> int:
    """The product of the dimensions, checked; 1 for the empty shape.

    The product of the nonzero dimensions must fit as well: a shape such as (0, 2^40, 2^40) is refused, because
    leaving out one axis of it overflows.

    Raises:
        InvalidModelError: a dimension is negative or no whole number.
        UnsafeError: there are more than `MAX_RANK` dimensions or more than `MAX_ELEMENTS` elements.
    """
    check_rank(len(shape), what=what, file=file)
    count, zero = 1, False
    for axis, size in enumerate(shape):
        try:
            extent = operator.index(size)
        except TypeError:
            raise InvalidModelError(
                f"dimension {axis} of {what} is {size!r}; expected a whole number", number=503, file=file
            ) from None
        if extent < 0:
            raise InvalidModelError(
                f"dimension {axis} of {what} is {extent}; expected 0 or more", number=503, file=file
            )
        zero = zero or extent == 0
        count *= extent or 1
        if count > MAX_ELEMENTS:
            raise UnsafeError(
                f"{what} declares more than 2^63 - 1 elements (dimension {axis} of {len(shape)} is {extent})",
                number=803,
                file=file,
                hint="the file is damaged or hostile",
            )
    return 0 if zero else count


def byte_count(
    shape: Sequence[SupportsIndex], item_bits: int, *, what: str = "the tensor", file: str | None = None
) -> int:
    """Bytes of a dense tensor whose items take `item_bits` bits each, rounded up to whole bytes.

    Sub-byte items (int4: 4 bits) are packed without gaps, as ONNX packs them (onnx.proto, TensorProto.raw_data).

    Raises:
        InvalidModelError: a dimension is negative or no whole number.
        UnsafeError: the shape is past `MAX_RANK` or `MAX_ELEMENTS`.
        ValueError: `item_bits` is not positive (a mistake of the caller, not of the file).
    """
    if item_bits <= 0:
        raise ValueError(f"item_bits is {item_bits}; expected a positive number of bits")
    return (element_count(shape, what=what, file=file) * item_bits + 7) // 8


def check_present(declared: int, present: int, *, what: str = "the tensor", file: str | None = None) -> None:
    """Bytes present must reach bytes declared; to be called before anything of `declared` bytes is allocated.

    Raises:
        InvalidModelError: fewer bytes are present than declared, or `declared` is negative.
    """
    if declared < 0:
        raise InvalidModelError(f"{what} declares {declared} bytes", number=504, file=file)
    if present < declared:
        raise InvalidModelError(
            f"{what} declares {declared} bytes, but {max(present, 0)} are there",
            number=504,
            file=file,
            hint="the file is cut short or its shapes are wrong: fetch it again",
        )


def check_range(offset: int, length: int, size: int, *, what: str = "the data", file: str | None = None) -> None:
    """The byte range [offset, offset + length) must lie inside a file or buffer of `size` bytes.

    Raises:
        InvalidModelError: the offset or the length is negative, or the range ends behind `size`.
    """
    if offset < 0 or length < 0 or offset + length > size:
        raise InvalidModelError(
            f"{what} stands at offset {offset} with {length} bytes; expected a range inside {size} bytes",
            number=504,
            file=file,
            hint="the file is cut short or belongs to another model: fetch it again",
        )


def check_nesting(depth: int, *, what: str = "the model", file: str | None = None, limit: int = MAX_NESTING) -> None:
    """Refuses a nesting deeper than `limit` levels (the outermost level is 1).

    Raises:
        UnsafeError: `depth` is above `limit`.
    """
    if depth > limit:
        raise UnsafeError(
            f"{what} is nested deeper than {limit} levels",
            number=804,
            file=file,
            hint="no real model nests so deep: the file is damaged or hostile",
        )


def check_inlined(
    nodes: int, *, what: str = "the model", file: str | None = None, limit: int = MAX_INLINED_NODES
) -> None:
    """Refuses to take something apart into more than `limit` nodes; count first, then build.

    Raises:
        UnsafeError: `nodes` is above the limit.
    """
    if nodes > limit:
        raise UnsafeError(
            f"{what}, taken apart, makes more than {limit} nodes",
            number=805,
            file=file,
            hint="a small file must not ask for so much: is it damaged or hostile?",
        )


def inlining_limit(held: int) -> int:
    """How many nodes inlining may produce in a model whose file holds `held`."""
    return min(MAX_INLINED_NODES, max(FREE_INLINED_NODES, MAX_INLINED_RATIO * held))


def check_size(size: int, limit: int, *, what: str = "the data", file: str | None = None) -> None:
    """Refuses `size` bytes above `limit` bytes.

    Raises:
        UnsafeError: `size` is above `limit`.
    """
    if size > limit:
        raise UnsafeError(
            f"{what} has {size} bytes; at most {limit} are taken",
            number=806,
            file=file,
            hint="a file of this kind is never so large: is it another kind of file?",
        )


def check_name(name: str, *, what: str = "a name", file: str | None = None) -> None:
    """Refuses a name longer than `MAX_NAME_BYTES`; any character may stand in it (they are escaped on output).

    Raises:
        UnsafeError: the name is too long.
    """
    if len(name) > MAX_NAME_BYTES or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise UnsafeError(
            f"{what} is longer than {MAX_NAME_BYTES} bytes: {name[:40]!r}...",
            number=806,
            file=file,
            hint="the file is damaged or hostile",
        )


def check_archive(members: Iterable[ArchiveMember], *, file: str | None = None) -> None:
    """Checks an archive's directory before one byte is unpacked.

    The sizes are what the archive declares; whoever unpacks must still stop at them.

    Raises:
        InvalidModelError: two members have one name, or a size is negative.
        UnsafeError: too many members, too many bytes, or a member unpacks to more than `MAX_ARCHIVE_RATIO` times its
            packed size (members up to `FREE_ARCHIVE_BYTES` are free).
    """
    seen: set[str] = set()
    total = 0
    for member in members:
        if member.name in seen:
            raise InvalidModelError(f"two members of the archive are called {member.name!r}", number=505, file=file)
        seen.add(member.name)
        if len(seen) > MAX_ARCHIVE_MEMBERS:
            raise UnsafeError(f"the archive has more than {MAX_ARCHIVE_MEMBERS} members", number=807, file=file)
        if member.packed < 0 or member.unpacked < 0:
            raise InvalidModelError(f"archive member {member.name!r} declares a negative size", number=505, file=file)
        if member.unpacked > max(FREE_ARCHIVE_BYTES, member.packed * MAX_ARCHIVE_RATIO):
            raise UnsafeError(
                f"archive member {member.name!r} unpacks from {member.packed} to {member.unpacked} bytes, "
                f"more than {MAX_ARCHIVE_RATIO} times its size",
                number=807,
                file=file,
                hint="this is how archive bombs look; unpack it yourself if you trust it",
            )
        total += member.unpacked
        if total > MAX_ARCHIVE_BYTES:
            raise UnsafeError(f"the archive unpacks to more than {MAX_ARCHIVE_BYTES} bytes", number=807, file=file)
