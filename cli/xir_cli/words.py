"""Results in words, as people read them."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xir.frontends.options import Loaded
    from xir.inspect.conversion import ConversionPlan, ConversionReport
    from xir.inspect.transposes import Transposes
    from xir.verification.certificate import Certificate

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount(number: float) -> str:
    """A count as people say it: 25.6M, 980."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:g}"


def counted(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """A number in few characters, without padding in its exponent: 2.1e-2, 1e-4, 2.7."""
    if 0.1 <= number < 1e4:
        return f"{number:.2g}"
    mantissa, _, exponent = f"{number:.1e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if number else "0"


def duration(seconds: float) -> str:
    """A time as people say it: 1.23 s, 45.6 ms, 7.89 us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def share(part: float, whole: float) -> str:
    """`12 %`; nothing where there is no whole."""
    return f"{100 * part / whole:.0f} %" if whole > 0 else ""


def source_line(source: Loaded, width: int) -> str:
    """`caffe  resnet.prototxt + resnet.caffemodel   229 layers, 25.6M weights`."""
    from xir.inspect.conversion import parameter_count
    from xir.inspect.summary import layer_count

    files = " + ".join(os.path.basename(file) for file in source.files)
    weights = parameter_count(source.graph)
    layers = counted(layer_count(source.graph), "layer")
    return f"{source.format.ljust(width)}  {files}   {layers}, {amount(weights)} weight{'' if weights == 1 else 's'}"


def report_lines(report: ConversionReport) -> list[str]:
    """What a conversion did: what was read, what was written, and the proof."""
    export = report.export
    width = max(len(report.source.format), len(export.format))
    versions = f"  opset {export.opset}, ir {export.ir_version}" if export.opset is not None else ""
    data = f" + {os.path.basename(export.data_file)}" if export.data_file else ""
    return [
        source_line(report.source, width),
        f"{export.format.ljust(width)}  {export.path}{data}{versions}   {counted(export.nodes, 'node')}, "
        f"{counted(export.transposes, 'transpose')}",
        *transposes_lines(report.transposes, width),
        "not verified" if report.certificate is None else report.certificate.summary(),
    ]


_SHOWN_PLACES = 4
"""Places of transposes that a line names."""


def transposes_lines(transposes: Transposes, width: int) -> list[str]:
    """`layout  213 transposes read, 3 left: 1 behind input 'x', 2 before output 'y'`; nothing where there were none."""
    if not transposes.read:
        return []
    words = {"input": "behind input", "output": "before output", "inside": "at"}
    places = Counter(f"{words[each.edge]} {each.name!r}" for each in transposes.left)
    named = [f"{count} {place}" for place, count in places.most_common(_SHOWN_PLACES)]
    more = sum(places.values()) - sum(count for _, count in places.most_common(_SHOWN_PLACES))
    where = ", ".join([*named, *([f"{more} elsewhere"] if more else [])])
    left = f"{len(transposes.left)} left: {where}" if transposes.left else "none left"
    return [f"{'layout'.ljust(width)}  {counted(transposes.read, 'transpose')} read, {left}"]


def plan_lines(plan: ConversionPlan, path: str) -> list[str]:
    """What a conversion would do."""
    width = max(len(plan.source.format), len(plan.format))
    planned = plan.export
    versions = f"  opset {planned.opset}, ir {planned.ir_version}   {counted(planned.nodes, 'node')}" if planned else ""
    return [
        source_line(plan.source, width),
        f"{plan.format.ljust(width)}  {path}{versions}",
        f"everything is supported; a verification holds {amount(plan.memory)}B at a time; nothing was written",
    ]


def certificate_lines(certificate: Certificate) -> list[str]:
    """What a comparison found: the first layer that differs, the outputs that differ, and the summary."""
    lines: list[str] = []
    first = certificate.first_divergence
    if first is not None:
        found = first.difference
        distance = found.reason or f"max|d|={short(found.max_absolute)} > {short(first.atol)}"
        cause = f"; likely cause: {first.cause}" if first.cause else ""
        lines.append(f"first divergence: {found.name} ({first.a} -> {first.b}) {distance}{cause}")
    lines += output_lines(certificate)
    if certificate.layers:
        same = sum(layer.difference.equal for layer in certificate.layers)
        without = f", {len(certificate.unpaired)} without a partner" if certificate.unpaired else ""
        lines.append(f"{same} of {len(certificate.layers)} layers agree{without}")
    lines.append(certificate.summary())
    return lines


def output_lines(certificate: Certificate) -> list[str]:
    """A line for each output that differs."""
    return [
        f"  {output.name} {list(output.shape)}  "
        + (output.reason or f"max|d|={short(output.max_absolute)}, {output.mismatches} elements outside the tolerance")
        for output in (*certificate.outputs, *(certificate.twin.outputs if certificate.twin else ()))
        if not output.equal
    ]
