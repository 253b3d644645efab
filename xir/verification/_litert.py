"""LiteRT (TensorFlow Lite) in a process of its own: `python -P -m xir.verification._litert`.

The frames are those of `_child`. The reference kernels run, whatever the processor has; where these lack an operator of
the file (ELU), those for the processor.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, BinaryIO, cast

from xir.ir.constant import Array
from xir.verification._child import Result, answer, items, receive, send

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_SIGNATURE = "serving_default"
"""The signature whose names are those of the model's inputs and outputs."""


def serve(stream: BinaryIO, answers: BinaryIO) -> None:
    """Opens the file that the first frame names, then runs it for each frame that follows.

    Raises:
        EOFError: the parent is gone.
    """
    header, _ = receive(stream)
    runtime = f"LiteRT {_version()}"
    try:
        model = _Model(str(header["path"]))
    except Exception as error:
        send(answers, {"runtime": runtime, "error": str(error)})
        receive(stream)
        return
    told = {"runtime": runtime, "inputs": [*model.inputs], "shapes": model.shapes, "outputs": [*model.outputs]}
    send(answers, told)
    while True:
        header, arrays = receive(stream)
        feeds = zip(items(header["feeds"]), arrays, strict=True)
        try:
            results: list[Result] = [*model.run({str(name): cast("Array", array) for name, array in feeds})]
            send(answers, {}, results)
        except (OSError, EOFError):
            raise
        except Exception as error:
            send(answers, {"error": str(error)})


def _version() -> str:
    try:
        return version("ai-edge-litert")
    except PackageNotFoundError:
        return "?"


def _opened(path: str) -> Interpreter:
    """The file at `path`; raises ValueError with LiteRT's words where no kernels of it take the file."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        return Interpreter(model_path=path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    except ValueError:
        others = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        return Interpreter(model_path=path, experimental_op_resolver_type=others)


class _Model:
    """A file that LiteRT has opened.

    Attributes:
        inputs: {name: its tensor}; names of the signature, or of the tensors where there is none.
        outputs: the same of the outputs.
        shapes: of the inputs, None for a size that the run tells.
    """

    def __init__(self, path: str) -> None:
        """Opens the file at `path`."""
        made = _opened(path)
        self._interpreter = made
        inputs, outputs = made.get_input_details(), made.get_output_details()
        self.inputs = {str(each["name"]): int(str(each["index"])) for each in inputs}
        self.outputs = {str(each["name"]): int(str(each["index"])) for each in outputs}
        if _SIGNATURE in made.get_signature_list():
            runner = made.get_signature_runner(_SIGNATURE)
            named = runner.get_input_details()
            self.inputs = {name: int(str(each["index"])) for name, each in named.items()}
            named = runner.get_output_details()
            self.outputs = {name: int(str(each["index"])) for name, each in named.items()}
        signatures = {int(str(each["index"])): cast("Array", each["shape_signature"]) for each in inputs}
        self.shapes = [
            [size if size >= 0 else None for size in signatures[index].tolist()] for index in self.inputs.values()
        ]

    def run(self, feeds: dict[str, Array]) -> list[Array]:
        """The results of one run, in the order of the outputs."""
        for name, array in feeds.items():
            self._interpreter.resize_tensor_input(self.inputs[name], list(array.shape))
        self._interpreter.allocate_tensors()
        for name, array in feeds.items():
            self._interpreter.set_tensor(self.inputs[name], array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self.outputs.values()]


if __name__ == "__main__":
    answer(serve)
