"""Files of weights as people ask for them: listed, and written as safetensors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.errors import FormatError, InvalidModelError, UnsupportedError
from xir.files import AtomicGroup, PathLike, atomic_group
from xir.frontends.weights import Weights, load_weights
from xir.ir.constant import Constant
from xir.text.safetensors import header_bytes, write_tensors

_INDEX = ".index.json"

__all__ = ["WeightsReport", "convert_weights", "load_weights"]


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """What was written.

    Attributes:
        source: the file that was read.
        files: the files that were written, the one that was asked for first.
        tensors: how many tensors they hold.
        bytes: bytes of their elements.
        shared: {name: the name under which the same elements are stored}.
        notes: what a person should know of it.
    """

    source: str
    files: tuple[str, ...]
    tensors: int
    bytes: int
    shared: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The report as plain data."""
        return {
            "source": self.source,
            "files": list(self.files),
            "tensors": self.tensors,
            "bytes": self.bytes,
            "shared": dict(self.shared),
            "notes": list(self.notes),
        }


def convert_weights(
    source: PathLike,
    path: PathLike,
    *,
    table: str | None = None,
    max_bytes: int | None = None,
    trust_links: bool = False,
) -> WeightsReport:
    """Writes the tensors of a checkpoint as safetensors, file to file, in bounded memory.

    Tensors with several names are stored once, as the format demands: the other names stand in the metadata, as the
    safetensors library's `save_model` writes them. Words and numbers of the checkpoint (`epoch`) stand there too, but
    for those that are names of tensors.

    Args:
        source: a checkpoint of PyTorch, a safetensors file, or the index of several.
        path: the file to write.
        table: the table of the checkpoint to take (`state_dict`), names without it; "" for all of them, names with
            theirs. Without it the table that holds the model, where there is one.
        max_bytes: bytes of tensors in one file; more are spread over several, and `path` gets the ending
            `.index.json`. A tensor that is larger alone has a file of its own.
        trust_links: takes files of an index that are links.

    Raises:
        UnsupportedError: tensors have elements that xir does not know; all of them are listed.
        UsageError: there is no such table.
        FormatError: there is no tensor in the file.
        XirError: the source is damaged, names what is not allowed, or the disk refuses.
    """
    weights, notes = _chosen(load_weights(source, trust_links=trust_links), table)
    if weights.problems:
        count = sum(len(problem.layers) for problem in weights.problems)
        raise UnsupportedError(f"{count} tensors cannot be written", problems=weights.problems, file=os.fspath(source))
    if not weights.tensors:
        raise FormatError("there is no tensor in the file", file=os.fspath(source))
    stored = {name: constant for name, constant in weights.tensors.items() if name not in weights.shared}
    if weights.shared:
        notes.append(f"stored once, as other names of the same elements: {_listed(weights.shared)}")
    _check_names(stored, os.fspath(source))
    words = {"format": "pt"} | {key: word for key, word in weights.values.items() if _is_word(key, word, stored)}
    pieces = _pieces(stored, max_bytes)
    name = os.fspath(path)
    if len(pieces) == 1 and not name.endswith(_INDEX):
        with atomic_group(path) as group:
            header, order = header_bytes(stored, words | dict(weights.shared))
            write_tensors(group.model, header, order, stored)
        files: tuple[str, ...] = (name,)
    else:
        name = name if name.endswith(_INDEX) else name + _INDEX
        with atomic_group(name) as group:
            places = _write_pieces(group, pieces, words, weights.shared)
        files = (name, *(os.path.join(os.path.dirname(name), place) for place in places))
    total = sum(constant.nbytes for constant in stored.values())
    return WeightsReport(os.fspath(source), files, len(weights.tensors), total, weights.shared, tuple(notes))


def _chosen(weights: Weights, table: str | None) -> tuple[Weights, list[str]]:
    """The tensors that are meant, and what is left out."""
    chosen = weights.model_table() if table is None else table
    if not chosen:
        return weights, []
    below = weights.below(chosen)
    others = [other for other in weights.tables if other != chosen]
    others += [name for name in weights.tensors if name.partition(".")[0] not in weights.tables]
    if table is not None or not others:
        return below, []
    return below, [f"the tensors of {chosen!r} are taken, not those of {_listed(others)}; --table '' takes all"]


def _listed(words: Sequence[str] | Mapping[str, str]) -> str:
    shown = list(words)[:5]
    return ", ".join(word[:60] for word in shown) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _pieces(tensors: Mapping[str, Constant], max_bytes: int | None) -> list[dict[str, Constant]]:
    """The tensors in their order, in as few files as they fit into."""
    pieces: list[dict[str, Constant]] = [{}]
    held = 0
    for name, constant in tensors.items():
        if max_bytes is not None and pieces[-1] and held + constant.nbytes > max_bytes:
            pieces.append({})
            held = 0
        pieces[-1][name] = constant
        held += constant.nbytes
    return pieces


def _check_names(tensors: Mapping[str, Constant], file: str) -> None:
    """Refuses names that the format cannot hold."""
    for name in tensors:
        if name == "__metadata__" or not _is_unicode(name):
            raise InvalidModelError(f"safetensors cannot hold a tensor called {name!r}", file=file)


def _is_word(key: str, word: str, tensors: Mapping[str, Constant]) -> bool:
    """Whether it may stand in the metadata, where xir's own notes and second names of tensors stand too."""
    return not key.startswith("xir.") and word not in tensors and key != "format" and _is_unicode(key + word)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _write_pieces(
    group: AtomicGroup, pieces: Sequence[Mapping[str, Constant]], words: Mapping[str, str], shared: Mapping[str, str]
) -> list[str]:
    """Files that are called after their content, so that those of an older index stay; then the index."""
    stem = os.path.basename(group.model.path).removesuffix(_INDEX).removesuffix(".safetensors")
    places: dict[str, str] = {}
    for number, tensors in enumerate(pieces, 1):
        digest = hashlib.sha256("".join(constant.digest() for constant in tensors.values()).encode())
        others = {name: kept for name, kept in shared.items() if kept in tensors}
        header, order = header_bytes(tensors, dict(words) | others)
        digest.update(header)
        name = f"{stem}-{number:05d}-of-{len(pieces):05d}.{digest.hexdigest()[:16]}.safetensors"
        data = group.data()
        write_tensors(data, header, order, tensors)
        group.name(data, name)
        places |= dict.fromkeys(tensors, name)
    total = sum(constant.nbytes for tensors in pieces for constant in tensors.values())
    content = {"metadata": {"total_size": total}, "weight_map": places}
    group.model.write(json.dumps(content, indent=2).encode("ascii") + b"\n")
    return list(dict.fromkeys(places.values()))
