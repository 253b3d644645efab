"""safetensors files, and the JSON index that spreads weights over several files.

The index is that of transformers (modeling_utils.py, save_pretrained): `weight_map` tells for each tensor the file,
`model.safetensors.index.json` for safetensors and `pytorch_model.bin.index.json` for checkpoints of torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import cast

from xir.errors import FormatError, InvalidModelError, Location, Problem, UnsupportedError, XirError
from xir.files import MappedFile, open_beneath
from xir.frontends.weights import Weights, weight_format
from xir.ir.constant import Constant
from xir.limits import MEBI, check_name, check_size
from xir.text.safetensors import MAX_HEADER_BYTES, SafetensorsFile

MAX_INDEX_BYTES = 16 * MEBI
"""Bytes of an index; one of 100,000 tensors has about 10 MB."""

_ALIAS_NOT = "format"
"""The one word of the metadata that is never the second name of a tensor."""


def looks_like_safetensors(file: MappedFile) -> bool:
    """Whether the file starts with the length of a header, and a header."""
    if file.size < 10:
        return False
    head = file.read_at(0, 10)
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= min(MAX_HEADER_BYTES, file.size - 8) and head[8:] in (b'{"', b"{}")


def load_safetensors(file: MappedFile) -> Weights:
    """The tensors of a safetensors file.

    A word of its metadata that is no tensor and says the name of one is another name of that tensor, as the
    safetensors library writes shared tensors (safetensors/torch.py, save_model).

    Raises:
        FormatError, InvalidModelError, UnsafeError: as `SafetensorsFile`.
    """
    read = SafetensorsFile(file)
    tensors: dict[str, Constant] = {}
    problems: dict[tuple[str, str | None], list[str]] = {}
    for name in read.tensors:
        check_name(name, what="the name of a tensor", file=file.path)
        try:
            tensors[name] = read.constant(name, read.type_of(name))
        except UnsupportedError as error:
            problems.setdefault((error.message, error.hint), []).append(name)
        except XirError as error:
            raise error.located(Location(file.path)) from None
    words = {key: word for key, word in read.metadata.items() if not key.startswith("xir.")}
    shared = {
        key: word for key, word in words.items() if key != _ALIAS_NOT and word in tensors and key not in read.tensors
    }
    tensors |= {key: tensors[word] for key, word in shared.items()}
    values = {key: word for key, word in words.items() if key not in shared}
    told = tuple(Problem(why, tuple(names), why, hint) for (why, hint), names in problems.items())
    return Weights("safetensors", (file.path,), tensors, shared, values, (), told)


def looks_like_index(file: MappedFile) -> bool:
    """Whether the file is JSON with a `weight_map`."""
    if file.size > MAX_INDEX_BYTES or file.read_at(0, min(file.size, 64)).lstrip()[:1] != b"{":
        return False
    return b'"weight_map"' in file.read_at(0, file.size)


def load_index(file: MappedFile, trust_links: bool) -> Weights:
    """The tensors of the files that an index names, which lie beside it.

    Raises:
        FormatError: it is no index.
        InvalidModelError: a file lacks tensors that the index says, or holds others.
        UnsafeError: a file lies elsewhere, or is a link.
        FileError: a file is absent.
    """
    places = _weight_map(file)
    folder = os.path.dirname(os.path.realpath(file.path))
    read: dict[str, Weights] = {}
    for name in dict.fromkeys(places.values()):
        shard = open_beneath(folder, name, trust_links=trust_links)
        found = weight_format(shard)
        if found is None or found.name == "shards":
            raise FormatError(f"{name[:200]!r}, which the index names, holds no weights", file=file.path)
        read[name] = found.load(shard, trust_links)
        _check_shard(name, read[name], places, file.path)
    tensors = {name: read[place].tensors[name] for name, place in places.items() if name in read[place].tensors}
    shared = {name: kept for weights in read.values() for name, kept in weights.shared.items()}
    for weights in read.values():
        tensors |= {name: weights.tensors[name] for name in weights.shared if name not in tensors}
    return Weights(
        next((weights.format for weights in read.values()), "shards"),
        (file.path, *(path for weights in read.values() for path in weights.files)),
        tensors,
        shared,
        {key: value for weights in read.values() for key, value in weights.values.items()},
        (),
        tuple(problem for weights in read.values() for problem in weights.problems),
    )


def _weight_map(file: MappedFile) -> Mapping[str, str]:
    check_size(file.size, MAX_INDEX_BYTES, what="the index", file=file.path)
    try:
        content: object = json.loads(file.read_at(0, file.size))
    except (ValueError, RecursionError) as error:
        raise FormatError("the index is no JSON", file=file.path) from error
    table = cast("dict[str, object]", content).get("weight_map") if isinstance(content, dict) else None
    entries = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    places = {name: place for name, place in entries.items() if isinstance(place, str)}
    if not places or len(places) != len(entries):
        raise FormatError("the index does not tell for each tensor the file", file=file.path)
    return places


def _check_shard(name: str, weights: Weights, places: Mapping[str, str], path: str) -> None:
    """A file holds the tensors that the index says, and no others."""
    unreadable = {tensor for problem in weights.problems for tensor in problem.layers}
    here = {tensor for tensor, place in places.items() if place == name}
    missing = sorted(here - weights.tensors.keys() - unreadable)
    other = sorted(weights.tensors.keys() - here - weights.shared.keys())
    if missing or other:
        what = f"lacks {missing[0][:100]!r}" if missing else f"holds {other[0][:100]!r}, which the index does not name"
        raise InvalidModelError(
            f"{name[:200]!r} {what}",
            number=504,
            file=path,
            hint="index and files belong to different versions of the model: fetch them together",
        )
