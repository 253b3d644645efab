"""Weights that show something, and what torch makes of them."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.frontends.torch.networks.network import Network

LEAST_DIFFERENCE = 1e-3
"""How far the results of two inputs lie from each other, relative to the largest: less would show nothing."""

OPERATORS = """
nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor
box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor
roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio,
 bool aligned) -> Tensor
qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point,
 float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor
roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)
ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,
 int sampling_ratio) -> (Tensor, Tensor)
ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width)
 -> (Tensor, Tensor)
deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w,
 SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask)
 -> Tensor
_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width,
 SymInt batch_size, SymInt channels, SymInt height, SymInt width, int sampling_ratio, bool aligned) -> Tensor
_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt pooled_height,
 SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height,
 SymInt pooled_width, int sampling_ratio, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, SymInt pooled_height,
 SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor
_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias,
 SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups,
 SymInt offset_groups, bool use_mask) -> (Tensor, Tensor, Tensor, Tensor, Tensor)
"""
"""torchvision 0.28's operators (torchvision/csrc/ops/*.cpp and quantized/cpu): it cannot be imported without them."""

_LIBRARIES: list[Any] = []
"""Keeps torch's registrations alive."""


def torchvision() -> Any:
    """torchvision, also where its machine code is of another build of torch: then its operators have schemas alone."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("torchvision is not installed")
    try:
        torch.ops.load_library(os.path.join(spec.submodule_search_locations[0], "_C.so"))
    except OSError:
        if not _LIBRARIES:
            _LIBRARIES.append(torch.library.Library("torchvision", "DEF"))
            for schema in OPERATORS.replace("\n ", " ").strip().splitlines():
                _LIBRARIES[0].define(schema)
            _lend_operators(_LIBRARIES[0])
    return importlib.import_module("torchvision")


def _lend_operators(library: Any) -> None:
    """Suppression and aligned regions in Python, for what detection calls of torchvision's machine code."""
    extension = importlib.import_module("torchvision.extension")
    extension._has_ops = _has_operators
    align = importlib.import_module("torchvision.ops.roi_align")._roi_align
    held = [
        cell.cell_contents
        for cell in align.__closure__ or ()
        if getattr(cell.cell_contents, "__name__", "") == "_roi_align"
    ]
    library.impl("nms", _suppressed, "CPU")
    library.impl("roi_align", held[0] if held else align, "CPU")


def _has_operators() -> bool:
    return True


def _suppressed(boxes: Any, scores: Any, limit: float) -> Any:
    """The boxes that no better one overlaps by more than the limit (torchvision/csrc/ops/cpu/nms_kernel.cpp)."""
    import torch

    held, areas = boxes.numpy(), ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).numpy()
    gone, kept = np.zeros(len(held), bool), []
    for best in torch.sort(scores, descending=True, stable=True).indices.tolist():
        if not gone[best]:
            kept.append(best)
            sides = np.minimum(held[best, 2:], held[:, 2:]) - np.maximum(held[best, :2], held[:, :2])
            common = np.prod(np.maximum(sides, 0), axis=1, dtype=held.dtype)
            with np.errstate(all="ignore"):
                gone |= common / (areas[best] + areas - common) > limit
    return torch.tensor(kept, dtype=torch.int64)


def randomized(module: Any, example: Mapping[str, Any]) -> Any:
    """The module in evaluation, so that its results show what it does; best with a large example.

    Constant parameters (scales, heads that begin with zeros) become random. Batch norms take the statistics of the
    example, for with others the signal fades from layer to layer, and then random ones near them.
    """
    import torch

    norms = [each for each in module.eval().modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for held in module.parameters():
            if held.is_floating_point() and held.numel() and bool((held == held.flatten()[0]).all()):
                held.add_(torch.randn_like(held), alpha=0.1)
        for norm in norms:
            norm.train(norm.track_running_stats)
            norm.momentum = 1.0
        if norms:
            module(**example)
        for norm in norms:
            norm.eval()
            if norm.track_running_stats:
                norm.running_mean += norm.running_var.sqrt() * torch.randn_like(norm.running_mean) * 0.1
                norm.running_var.clamp_(min=norm.running_var.mean() * 0.5)  # else torch's own rounding is magnified
                norm.running_var *= torch.rand_like(norm.running_var) * 0.4 + 0.8
    return module


def prepared(network: Network) -> Any:
    """The module of a network, with random weights."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = randomized(network.build(), drawn(network, [network.example(), *network.others()][-1]))
    if network.finish is not None:
        network.finish(module)
    return module


def drawn(network: Network, sizes: Mapping[str, int], seed: int = 1) -> dict[str, Any]:
    """Inputs of these sizes."""
    import torch

    torch.manual_seed(seed)
    return dict(network.inputs(sizes))


def distance(made: list[np.ndarray], wanted: list[np.ndarray]) -> tuple[float, str]:
    """(the largest error relative to the largest element of its result, what is wrong besides)."""
    if len(made) < len(wanted):
        return np.inf, f"{len(made)} results, torch has {len(wanted)}"
    worst = 0.0
    for place, (a, b) in enumerate(zip(made, wanted, strict=False)):
        if a.shape != b.shape:
            return np.inf, f"result {place} is {a.shape}, torch's {b.shape}"
        if not a.size:
            continue
        left, right = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(invalid="ignore"):
            errors = np.where((left == right) | (np.isnan(left) & np.isnan(right)), 0.0, np.abs(left - right))
        largest = max(float(np.abs(right[np.isfinite(right)]).max(initial=0)), 1e-30)
        worst = max(worst, float(np.where(np.isfinite(errors), errors, np.inf).max()) / largest)
    return worst, ""
