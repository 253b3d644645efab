"""Settings by name and type: what fits is read, everything else is refused."""

import pytest

from xir.errors import InvalidModelError
from xir.frontends.keras.config import Config, plain, whole

TUPLE = {"class_name": "__tuple__", "items": [1, 2]}


@pytest.mark.parametrize(
    ("call", "held", "expected"),
    [
        (lambda c: c.integer("a"), 3.0, 3),
        (lambda c: c.integer("b", 4), 3, 4),
        (lambda c: c.optional_integer("a"), None, None),
        (lambda c: c.optional_integer("a"), 2, 2),
        (lambda c: c.number("a"), 2, 2.0),
        (lambda c: c.optional_number("a"), None, None),
        (lambda c: c.optional_number("a"), 2, 2.0),
        (lambda c: c.flag("a"), 1, True),
        (lambda c: c.flag("a", True), None, True),
        (lambda c: c.text("a"), "x", "x"),
        (lambda c: c.word("a", "x", "x", "y"), "y", "y"),
        (lambda c: c.integers("a", 3), 2, (2, 2, 2)),
        (lambda c: c.integers("a", 2), TUPLE, (1, 2)),
        (lambda c: c.positive("a", 2), [1, 2], (1, 2)),
        (lambda c: c.pairs("a", 2), 2, ((2, 2), (2, 2))),
        (lambda c: c.pairs("a", 1), [1, 2], ((1, 2),)),
        (lambda c: c.pairs("a", 2), [1, [2, 3]], ((1, 1), (2, 3))),
        (lambda c: c.listed("a"), None, []),
        (lambda c: c.listed("a"), 3, [3]),
        (lambda c: c.listed("a"), TUPLE, [1, 2]),
        (lambda c: c.object("a"), {"b": 1}, {"b": 1}),
        (lambda c: plain(c.raw("a")), {"class_name": "__numpy__", "config": {"value": 3}}, 3),
        (lambda c: plain(c.raw("a")), {"class_name": "__numpy__", "config": 4}, 4),
    ],
)
def test_a_setting_that_fits(call, held, expected):
    config = Config({"a": held})
    assert call(config) == expected


@pytest.mark.parametrize(
    ("call", "held", "expected"),
    [
        (lambda c: c.integer("a"), 2.5, "whole number"),
        (lambda c: c.integer("a"), True, "whole number"),
        (lambda c: c.number("a"), "x", "a number"),
        (lambda c: c.number("a"), True, "a number"),
        (lambda c: c.flag("a"), "yes", "true or false"),
        (lambda c: c.text("a"), 3, "a word"),
        (lambda c: c.word("a", "x", "x", "y"), "z", "one of x, y"),
        (lambda c: c.integers("a", 2), [1], "2 whole numbers"),
        (lambda c: c.positive("a", 2), [1, 0], "positive"),
        (lambda c: c.pairs("a", 2), "x", "pairs"),
        (lambda c: c.pairs("a", 2), [1], "2 pairs"),
        (lambda c: c.object("a"), [1], "an object"),
        (lambda c: whole(c.raw("a"), "a"), None, "whole number"),
    ],
)
def test_a_setting_that_does_not_fit(call, held, expected):
    with pytest.raises(InvalidModelError, match=expected):
        call(Config({"a": held}))


def test_settings_that_nobody_asked_for():
    config = Config({"a": 1, "b": 2, "c": 3})
    config.ignore("b")
    config.raw("a")
    assert config.unasked() == ("c",)
