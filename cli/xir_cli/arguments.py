"""Options that several commands have, and how their words are read."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, cast

import click

from xir.errors import FileError, UsageError
from xir_cli.settings import Settings, settings_of

if TYPE_CHECKING:
    from xir.frontends.options import LoadOptions

F = TypeVar("F", bound=Callable[..., object])

ROUNDS = 3
"""Made-up inputs that a verification compares."""

WRITTEN = ("keras", "onnx", "pb", "pt2", "py", "saved_model", "tflite", "xir")
"""What `--to` takes: the endings of files, and what is a folder."""


def reading_options(function: F) -> F:
    """The options that say how a model is to be read; the command gets them as `options: LoadOptions`."""

    @functools.wraps(function)
    def wrapped(
        *args: object,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        method: str | None,
        weights_file: str | None,
        prototxt: str | None,
        phase: str,
        stages: tuple[str, ...],
        losses: bool | None,
        preprocess: bool,
        mean: str | None,
        fill_missing: bool,
        ignore_training: bool,
        **rest: object,
    ) -> object:
        from xir.frontends.type_spec import with_specs

        if mean is not None and not preprocess:
            raise UsageError("--mean says nothing without --preprocess", hint="add --preprocess")
        specs = {**pairs("--input", [word for word in inputs if "=" in word]), **_untyped(inputs)}
        options = replace(
            with_specs(plain_options(settings_of(click.get_current_context())), specs),
            outputs=outputs or None,
            method=method,
            weights=weights_file,
            prototxt=prototxt,
            phase="TRAIN" if phase.upper() == "TRAIN" else "TEST",
            stages=stages,
            losses=losses,
            preprocess=preprocess,
            mean=mean,
            fill_missing=fill_missing,
            training=not ignore_training,
        )
        return function(*args, options=options, **rest)

    decorated: Callable[..., object] = wrapped
    for option in reversed(_READING):
        decorated = option(decorated)
    return cast("F", decorated)


_READING: tuple[Callable[[Callable[..., object]], Callable[..., object]], ...] = (
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME[=TYPE]",
        help="Type an input: data=f32[N,3,h,w]; or a number: sr=16000. TensorFlow: make an input of a result.",
    ),
    click.option("--output", "outputs", multiple=True, metavar="NAME", help="Compute this value; may be repeated."),
    click.option("--method", metavar="NAME", help="TorchScript: the method; TFLite, SavedModel: the signature."),
    click.option("--weights-file", metavar="FILE", help="Keras: the weights of a configuration (.json)."),
    click.option("--prototxt", metavar="FILE", help="Caffe: the net's description."),
    click.option(
        "--phase", type=click.Choice(["TRAIN", "TEST"], case_sensitive=False), default="TEST", help="Caffe: the phase."
    ),
    click.option("--stage", "stages", multiple=True, metavar="NAME", help="Caffe: a stage of the net's rules."),
    click.option("--losses/--no-losses", default=None, help="Caffe: keep loss and metric layers, or drop them."),
    click.option("--preprocess", is_flag=True, help="Caffe: make transform_param (mean, scale) part of the graph."),
    click.option("--mean", metavar="FILE", help="Caffe: the .binaryproto mean for --preprocess."),
    click.option("--fill-missing", is_flag=True, help="Caffe: make up weights that the caffemodel lacks."),
    click.option("--ignore-training", is_flag=True, help="ONNX, xir: leave out the training that the file tells of."),
)


def _untyped(words: Sequence[str]) -> dict[str, None]:
    """The words without a type: values that become inputs, of the types that the model tells."""
    return {word: None for word in words if "=" not in word}


def plain_options(settings: Settings) -> LoadOptions:
    """What the global options say of reading."""
    from xir.frontends.options import LoadOptions

    return LoadOptions(seed=settings.seed, plugins=tuple(settings.plugins), trust_links=settings.trust_links)


@dataclass(frozen=True, slots=True)
class Comparing:
    """How two models are compared.

    Attributes:
        rtol: relative tolerance.
        atol: absolute tolerance.
        seeds: seeds of made-up inputs.
        certificate: the file to write the certificate to, or None.
    """

    rtol: float
    atol: float
    seeds: tuple[int, ...]
    certificate: str | None


@contextmanager
def side_file(path: str | None, settings: Settings | None = None) -> Generator[Callable[[str], None]]:
    """A file beside the result, opened before the work begins: where it cannot be written, there is no work to do.

    Gives what takes the file's text. It appears when the block ends well, and `settings` knows of it then; where no
    text was given, or `path` is None, there is no file.

    Raises:
        FileError: the file cannot be written.
    """
    from xir.files import atomic_write

    if path is None:
        yield lambda text: None
        return
    texts: list[str] = []
    try:
        with atomic_write(path) as file:
            yield texts.append
            if not texts:
                raise _Unasked
            file.write(texts[-1].encode())
    except _Unasked:
        return
    if settings is not None:
        settings.written.append(path)


class _Unasked(BaseException):
    """Leaves an atomic write without a file."""


def comparing_options(function: F) -> F:
    """The options of a comparison; the command gets them as `comparing: Comparing`."""

    @functools.wraps(function)
    def wrapped(
        *args: object, rtol: float | None, atol: float | None, certificate: str | None, **rest: object
    ) -> object:
        from xir.verification.compare import ATOL, RTOL

        settings = settings_of(click.get_current_context())
        comparing = Comparing(
            RTOL if rtol is None else rtol,
            ATOL if atol is None else atol,
            tuple(settings.seed + number for number in range(ROUNDS)),
            certificate,
        )
        return function(*args, comparing=comparing, **rest)

    decorated: Callable[..., object] = wrapped
    for option in (
        click.option("--certificate", metavar="FILE", help="Write the comparison's certificate, JSON."),
        click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance (1e-4)."),
        click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance (1e-3)."),
    ):
        decorated = option(decorated)
    return cast("F", decorated)


@dataclass(frozen=True, slots=True)
class Writing:
    """What is to be written.

    Attributes:
        format: the format, or None where the file's ending decides.
        opset: ONNX: the operator set, or None.
        target: ONNX: the runtime that shall read it, or None.
        ir_version: ONNX: the version of the file format, or None.
        level: how much to optimize.
        exact: only bit-exact optimizations.
        fast_math: approximations too.
        verify: whether the result is compared with the source.
    """

    format: str | None
    opset: int | None
    target: str | None
    ir_version: int | None
    level: int
    exact: bool
    fast_math: bool
    verify: bool


def writing_options(function: F) -> F:
    """The options of what is written; the command gets them as `writing: Writing`."""

    @functools.wraps(function)
    def wrapped(
        *args: object,
        format: str | None,
        opset: int | None,
        target: str | None,
        ir_version: int | None,
        level: int,
        exact: bool,
        fast_math: bool,
        verify: bool,
        **rest: object,
    ) -> object:
        writing = Writing(format, opset, target, ir_version, level, exact, fast_math, verify)
        return function(*args, writing=writing, **rest)

    decorated: Callable[..., object] = wrapped
    for option in reversed(_WRITING):
        decorated = option(decorated)
    return cast("F", decorated)


_WRITING: tuple[Callable[[Callable[..., object]], Callable[..., object]], ...] = (
    click.option("--to", "format", type=click.Choice(WRITTEN), help="The format; else the file's ending decides."),
    click.option("--opset", type=int, metavar="N", help="ONNX: the operator set (21, or what the target takes)."),
    click.option("--target", metavar="RUNTIME", help="ONNX: the runtime that shall read it: ort==1.31, openvino, ..."),
    click.option("--ir-version", type=int, metavar="N", help="ONNX: the file format's version (that of the opset)."),
    click.option("--level", type=click.IntRange(0, 2), default=2, help="How much to optimize: 0, 1 or 2 (2)."),
    click.option("--exact", is_flag=True, help="Only optimizations that keep every bit."),
    click.option("--fast-math", is_flag=True, help="Optimizations that are nearly right, too."),
    click.option(
        "--no-verify",
        "verify",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Do not run source and result to compare.",
    ),
)


def pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    """The words `NAME=VALUE` of an option as a table.

    The name ends at the last `=` that leaves a value, because names of tensors may hold one and values do not.

    Raises:
        UsageError: a word has no `=`, or a name stands twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.rpartition("=")
        if not equals or not name or not value:
            raise UsageError(f"{option} {word}: expected NAME=VALUE")
        if name in found:
            raise UsageError(f"{option} names {name!r} twice")
        found[name] = value
    return found


def permutations(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The words of `--align`: `data=0,2,3,1` brings the first model's axes to the second one's order.

    Raises:
        UsageError: a value is no list of numbers.
    """
    found: dict[str, tuple[int, ...]] = {}
    for name, value in pairs("--align", words).items():
        parts = value.split(",")
        if not all(part.isascii() and part.isdigit() for part in parts):
            raise UsageError(f"--align {name}={value}: expected axes, such as {name}=0,2,3,1")
        found[name] = tuple(int(part) for part in parts)
    return found


def expanded(words: Sequence[str]) -> list[str]:
    """The files that the words name: each stands for itself where it exists, else it is a pattern.

    Raises:
        FileError: a pattern fits no file.
    """
    found: list[str] = []
    for word in words:
        if os.path.lexists(word) or not glob.has_magic(word):
            found.append(word)
            continue
        fitting = sorted(path for path in glob.glob(word, recursive=True) if os.path.isfile(path))
        if not fitting:
            raise FileError("no file fits the pattern", file=word, hint="check the spelling of the path")
        found += fitting
    return list(dict.fromkeys(found))


def same_file(a: str, b: str) -> bool:
    """Whether two paths lead to one place, be there a file or not."""
    if os.path.realpath(a) == os.path.realpath(b):
        return True
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def refuse_folder(out: str | None, several: bool) -> None:
    """Refuses a folder as the name of the file to write.

    Args:
        out: the name, or None.
        several: whether the command has --out-dir too.

    Raises:
        UsageError: it is a folder, or ends like one.
    """
    if out is not None and (out.endswith(os.sep) or os.path.isdir(out)):
        example = os.path.join(out, "model.onnx")
        raise UsageError(
            f"-o {out} is a folder; expected the name of a file",
            hint=f"-o {example}" + (f", or --out-dir {out}" if several else ""),
        )


def refuse_overwriting(written: dict[str, str | None], read: Sequence[str | None]) -> None:
    """Refuses to write over what is read, or two things into one file.

    Args:
        written: {option: path} of what will be written.
        read: paths of what is read.

    Raises:
        UsageError: two of them are one file.
    """
    taken: dict[str, str] = {}
    for option, path in written.items():
        if path is None:
            continue
        for source in read:
            if source is not None and same_file(path, source):
                raise UsageError(f"{option} {path} is the file that is read", hint="choose another name for the result")
        for other, held in taken.items():
            if same_file(path, held):
                raise UsageError(f"{option} and {other} are one file: {path}", hint="choose two names")
        taken[option] = path
