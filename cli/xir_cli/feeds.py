"""Arrays from files, read without pickle and bounded: .npy, .npz, and pictures; and arrays into files."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, cast

from xir.errors import FormatError, UnsafeError, UsageError
from xir.files import FileSlice, atomic_write, file_error, open_mapped, read_bytes
from xir.limits import GIBI, KIBI, ArchiveMember, check_archive, check_size, element_count
from xir_cli.arguments import pairs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xir.ir.types import Type

    Array = NDArray[np.generic]

MAX_HEADER_BYTES = 64 * KIBI
"""Bytes of an .npy file's header that are looked at (numpy.lib.format takes 10,000 characters)."""

MAX_MEMBER_BYTES = 2 * GIBI
"""Bytes of an .npz archive, and of one array in it, which is unpacked into memory."""

_MAGIC = b"\x93NUMPY"


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_feeds(words: Sequence[str], types: Mapping[str, Type] | None = None) -> dict[str, Array]:
    """The arrays that `--feed NAME=FILE.npy` and `--feed FILE.npz` name; `NAME=FILE.npz` gives a sequence or a map.

    Args:
        words: what was said.
        types: the types of the inputs, where they are known.

    Raises:
        UsageError: a word has another form, a name stands twice, or an archive does not fit its input.
        FormatError: a file holds no array.
        UnsafeError: an array holds objects, or is too large.
    """
    found: dict[str, Array] = {}
    for word in words:
        if word.endswith(".npz") and not word.rpartition("=")[1]:
            more = read_npz(word)
        else:
            ((name, path),) = pairs("--feed", [word]).items()
            wanted = None if types is None else types.get(name)
            more = {name: _held(read_npz(path), wanted, name) if path.endswith(".npz") else read_npy(path)}
        for name, array in more.items():
            if name in found:
                raise UsageError(f"--feed names {name!r} twice")
            found[name] = array
    return found


def _held(arrays: dict[str, Array], type: Type | None, name: str) -> Array:
    """The arrays of an archive as the runtime takes them: a sequence in their order, or a map of `keys` and `values`.

    Raises:
        UsageError: for an input of another type.
    """
    from xir.ir.types import MapType, OptionalType, SequenceType

    wanted = type.element if isinstance(type, OptionalType) else type
    if set(arrays) == {"keys", "values"} and not isinstance(wanted, SequenceType):
        return cast("Array", dict(zip(arrays["keys"].tolist(), arrays["values"], strict=True)))
    if isinstance(wanted, MapType):
        raise UsageError(f"a map for {name!r} is an archive of 'keys' and 'values', not of {list(arrays)}")
    if wanted is not None and not isinstance(wanted, SequenceType):
        raise UsageError(f"input {name!r} is one array", hint="--feed FILE.npz gives an array to each input it names")
    return cast("Array", list(arrays.values()))


def read_npy(path: str) -> Array:
    """The array in an .npy file, mapped and read-only (numpy.lib.format, versions 1 to 3).

    Raises:
        FormatError: the file is no .npy file.
        UnsafeError: the array holds Python objects, which only unpickling could read.
        InvalidModelError: the file holds fewer or more bytes than its header says.
    """
    file = open_mapped(path)
    head = io.BytesIO(file.read_at(0, min(file.size, MAX_HEADER_BYTES)))
    shape, fortran, dtype = _header(head, path)
    begin = head.tell()
    data = FileSlice(file, begin, file.size - begin)
    array = data.array(dtype, shape[::-1] if fortran else shape)
    return array.T if fortran else array


def _header(file: io.BytesIO, path: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """The shape, whether the first axis runs fastest, and the element type."""
    import numpy as np

    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, SyntaxError, TypeError, EOFError, MemoryError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise FormatError(f"is no .npy file: {said}", file=path, hint="numpy.save writes one") from error
    if dtype.hasobject:
        raise UnsafeError(
            "holds Python objects, which only unpickling could read",
            file=path,
            hint="save an array of numbers: numpy.save(path, array.astype('float32'))",
        )
    element_count(shape, what="the array", file=path)
    return shape, fortran, dtype


def read_npz(path: str) -> dict[str, Array]:
    """The arrays in an .npz archive, by name.

    Raises:
        FormatError: the file is no archive of arrays.
        UnsafeError: it unpacks to more than it may.
    """
    import numpy as np

    packed = io.BytesIO(read_bytes(path, MAX_MEMBER_BYTES))
    try:
        with zipfile.ZipFile(packed) as archive:
            members = archive.infolist()
            check_archive((ArchiveMember(m.filename, m.compress_size, m.file_size) for m in members), file=path)
            found: dict[str, Array] = {}
            for member in members:
                check_size(member.file_size, MAX_MEMBER_BYTES, what=f"array {member.filename!r}", file=path)
                with archive.open(member) as stream:
                    content = _exactly(stream, member.file_size, path)
                head = io.BytesIO(content[:MAX_HEADER_BYTES])
                shape, fortran, dtype = _header(head, path)
                flat = np.frombuffer(content, np.uint8)[head.tell() :]
                if element_count(shape, file=path) * dtype.itemsize != flat.size:
                    raise FormatError(f"array {member.filename!r} does not hold what its header says", file=path)
                array = flat.view(dtype).reshape(shape, order="F" if fortran else "C")
                found[member.filename.removesuffix(".npy")] = array
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise FormatError(f"is no .npz archive: {error}", file=path, hint="numpy.savez writes one") from error


def _exactly(stream: _Readable, size: int, path: str) -> bytes:
    """The bytes that the directory declares, and no more."""
    content = stream.read(size + 1)
    if len(content) != size:
        raise FormatError(f"an array unpacks to {len(content)} bytes, not to {size} as declared", file=path)
    return content


def safe_name(name: str) -> str:
    """A name as a bare file name: everything but letters, digits and `_.-` is spelt %XX, and so is a leading dot."""
    encoded = "".join(
        chr(byte) if (byte < 128 and chr(byte).isalnum()) or chr(byte) in "_.-" else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogatepass")
    )
    return ("%2E" + encoded[1:] if encoded.startswith(".") else encoded) or "%"


def npy_bytes(array: Array) -> bytes:
    """The array as an .npy file; text becomes fixed-width text, and types that NumPy lacks become float32."""
    import numpy as np

    if array.dtype.hasobject:
        array = array.astype(np.str_)
    elif array.dtype.kind == "V":
        array = array.astype(np.float32)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array))
    return buffer.getvalue()


def write_arrays(path: str, arrays: Mapping[str, Array]) -> None:
    """Writes arrays as an .npz archive, or as .npy files into a folder.

    Raises:
        FileError: the operating system refuses.
    """
    if path.endswith(".npz"):
        with atomic_write(path) as file:
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
                for name, array in arrays.items():
                    archive.writestr(zipfile.ZipInfo(f"{_member(name)}.npy"), npy_bytes(array))
            file.write(buffer.getvalue())
        return
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise file_error(error, path, "make the folder") from error
    with ExitStack() as together:
        for name, array in arrays.items():
            file = together.enter_context(atomic_write(os.path.join(path, f"{safe_name(name)}.npy")))
            file.write(npy_bytes(array))


def _member(name: str) -> str:
    """A name inside an archive: slashes may stay, but it stays relative and inside."""
    return "/".join(safe_name(part) for part in name.split("/") if part) or "%"
