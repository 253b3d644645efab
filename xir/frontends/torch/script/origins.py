"""Where the lines of an archive's code come from: the files and lines of the model's author.

Beside each file of code lies `NAME.py.debug_pkl`: records of bytes of the code from which on it was made of a part of
the author's file (torch/csrc/jit/serialization/source_range_serialization.cpp). A record is `(offset, (source, start,
end), ...)`; `source` is `(text, file, line)`, where `text` begins at that line of the file, and `text` and `file` are
written out in older archives and numbers in a table of texts in newer ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from xir.frontends.torch.pickles.objects import as_list, as_tuple

_WITH_TABLE = "FORMAT_WITH_STRING_TABLE"


def origins(records: object, code: bytes) -> Mapping[int, str]:
    """{line of the code, from 1 on: `model.py:12`} for the lines of which the records tell.

    They say nothing of what the model computes, so records that are made otherwise are passed over.

    Args:
        records: what the pickle holds.
        code: the file of code that it belongs to.
    """
    table: Sequence[object] = ()
    match as_tuple(records):
        case (str(head), texts, held) if head == _WITH_TABLE:
            table = _items(texts)
            told = _items(held)
        case _:
            told = _items(records)
    starts = [0, *(index + 1 for index, byte in enumerate(code) if byte == 10)]
    found: dict[int, str] = {}
    for offset, file, first, text, start in _parts(told, table):
        line = bisect_right(starts, offset)
        if line not in found:
            found[line] = f"{file}:{first + _lines(text, start)}"
    return found


def _items(held: object) -> Sequence[object]:
    return as_tuple(held) or as_list(held) or ()


def _parts(records: Sequence[object], table: Sequence[object]) -> Iterator[tuple[int, str, int, Sequence[str], int]]:
    """Offset, file, line, texts and the place in these of every record that names a file."""
    for record in records:
        match as_tuple(record):
            case (int(offset), held, *_):
                match as_tuple(held):
                    case (source, int(start), int()):
                        match as_tuple(source):
                            case (text, file, int(first)):
                                name = _text(file, table)
                                if name:
                                    yield offset, name, first, _texts(text, table), start
                            case _:
                                pass
                    case _:
                        pass
            case _:
                pass


def _text(item: object, table: Sequence[object]) -> str:
    if isinstance(item, int) and 0 <= item < len(table):
        item = table[item]
    return item if isinstance(item, str) else ""


def _texts(item: object, table: Sequence[object]) -> Sequence[str]:
    return (item,) if isinstance(item, str) else [_text(each, table) for each in _items(item)]


def _lines(texts: Sequence[str], start: int) -> int:
    """How many lines end before the byte `start` of these texts one after another."""
    lines = 0
    for text in texts:
        held = text.encode()
        lines += held[: max(start, 0)].count(b"\n")
        start -= len(held)
        if start <= 0:
            break
    return lines
