"""What a file is, from its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.caffe.encoding import SCHEMA, encode_blob, encode_text, field_bytes, tag, write
from xir.errors import FormatError
from xir.files import open_mapped
from xir.frontends.caffe.reader import recognize
from xir.frontends.caffe.sniff import sniff

import numpy as np  # isort: skip


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'name: "x"', "text"),
        (b"# a comment only", "text"),
        (b"\xef\xbb\xbfname: 'x'", "text"),
        (b"layer { name: '\xd6\xd0' }", "text"),
        (b"plain words of no kind", "text"),
        ("é".encode() * 3000, "text"),
        (b'layer { name: "' + b"x" * 9000 + b'" }', "text"),
        (encode_text("name: 'n' layer { name: 'a' }"), "net"),
        (encode_text("layers { name: 'a' }"), "net"),
        (encode_text("input: 'a' input_dim: 1 layer { }"), "net"),
        (encode_blob(np.ones((1, 3, 2, 2)), old=True), "blob"),
        (encode_blob(np.ones(3)), "blob"),
        (encode_blob(np.ones(3), packed=False), "blob"),
        (
            encode_text("iter: 10000 learned_net: 'x.caffemodel' history { shape { dim: 1 } data: 1 }", "SolverState"),
            "solverstate",
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "hdf5"),
    ],
)
def test_sniff_tells_caffes_files(tmp_path: Path, content: bytes, kind: str) -> None:
    path = write(tmp_path / "any.name", content)
    assert sniff(open_mapped(path), SCHEMA) == kind
    assert recognize(path) == kind


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (bytes(5000), "zeros only"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"BZh9", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (b"\x80\x02}q", "pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"<?xml version='1.0'?>", "web page"),
        (b"\xff\xfen\0a\0", "UTF-16"),
        (b"\x08\x03\x12\x07pytorch\x3a\x02\x0a\x00", "no net, weights or mean of Caffe: it starts with 08 03"),
        (b"\x0a\x01a\x0a\x01b", "no net"),
        (b"\xde\xad\xbe\xef" * 10, "no net"),
        (tag(5, 5) + bytes(2), "no net"),
        (field_bytes(4, b"\x01"), "no net"),
    ],
)
def test_sniff_says_what_else_it_is(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path / "x.caffemodel", content)
    with pytest.raises(FormatError, match=what) as caught:
        sniff(open_mapped(path), SCHEMA)
    assert caught.value.hint
    assert recognize(path) is None
