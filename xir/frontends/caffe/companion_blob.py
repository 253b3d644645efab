"""A `.binaryproto` that a model names (a mean, a matrix of a loss), read only beneath the model's own folder."""

from __future__ import annotations

import os
from dataclasses import replace

from xir.errors import FormatError, UnsafeError
from xir.files import open_beneath
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.schema import load_schema
from xir.frontends.caffe.sniff import sniff
from xir.frontends.caffe.weights import scan_blob
from xir.frontends.caffe.wire import Wire


def blob_beneath(model: str | None, name: str, *, trust_links: bool = False) -> Blob:
    """The blob in the file `name`, as the model file `model` gives it, relative to the model's folder.

    Raises:
        UnsafeError: the name is absolute, leaves the folder, or passes a link.
        FileError: there is no such file.
        FormatError, InvalidModelError: it holds something else.
    """
    folder = os.path.dirname(model or "")
    try:
        file = open_beneath(folder, name, trust_links=trust_links)
    except UnsafeError as error:
        if model is not None and error.source.file == (folder or "."):
            error.source = replace(error.source, file=model)  # what is wrong stands in the model
        raise
    if sniff(file, load_schema()) != "blob":
        raise FormatError(
            "the file is not a single blob (.binaryproto)",
            file=file.path,
            hint="give the file that Caffe's tools wrote",
        )
    return scan_blob(Wire(file), 0, file.size)[0]
