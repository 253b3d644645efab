"""What a runtime is to the conformance tests; the ones that stand here are found through entry points like all others.

A plug-in is a callable without arguments that makes a `Runtime`, named in the group `xir.conformance.runtimes`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar


class BindingError(Exception):
    """The runtime's Python interface cannot take or give such a value; what the runtime computes is not known."""


class RefusedError(Exception):
    """The runtime does not take the model."""


class Prepared(ABC):
    """A model that is ready to run."""

    @abstractmethod
    def run(self, inputs: Sequence[object]) -> Sequence[object]:
        """The outputs for one data set, in order.

        Raises:
            BindingError: see there.
            RefusedError: see there.
        """

    @property
    def note(self) -> str:
        """What a report should say of how it was run."""
        return ""


class Runtime(ABC):
    """A way to run ONNX files; made once in each worker process."""

    peer: ClassVar[bool] = False
    """Whether this is somebody else's: its failures are told, and fail nothing."""

    @property
    @abstractmethod
    def version(self) -> str:
        """What runs, with its version."""

    @abstractmethod
    def prepare(self, path: str) -> Prepared:
        """The model in the file `path`, ready to run; whatever it raises means that it is not supported."""
