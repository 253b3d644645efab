"""Watched programs: every step is seen, in order, and the numbers are those of the program that nobody watches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.runtime.models import feed, layered
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.llvm.watch import Watch
from xir.backends.codegen.peaks import measured_peaks
from xir.passes import optimize


@pytest.mark.parametrize("threads", [1, 2])
def test_every_step_is_seen_in_order(threads):
    watch = Watch()
    with compile_graph(optimize(layered(layers=3)), threads=threads, watch=watch) as model:
        watch.clear()
        model(feed())
        spans = watch.spans()
    assert [span.step for span in spans] == [step for step in watch.steps if step is not None]
    assert all(span.begin <= span.end for span in spans)
    assert all(before.end <= after.begin for before, after in pairwise(spans))


def test_nothing_was_seen_before_a_run():
    watch = Watch()
    assert watch.spans() == []
    with compile_graph(optimize(layered(layers=1)), threads=1, watch=watch) as model:
        model(feed())
        watch.clear()
        assert watch.spans() == []


def test_watching_changes_no_bit():
    graph = optimize(layered(layers=3))
    with compile_graph(graph, threads=1) as plain, compile_graph(graph, threads=1, watch=Watch()) as watched:
        assert np.array_equal(plain(feed())[0], watched(feed())[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_machine_is_measured(threads):
    peaks = measured_peaks(threads)
    assert peaks.threads <= threads
    assert peaks.flops > 1e8
    assert peaks.bytes > 1e7
