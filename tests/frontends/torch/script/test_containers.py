"""Lists, dictionaries, text and numbers that code works with while it is followed."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import net, write
from xir.errors import InvalidModelError

X = np.array([[1, -2, 3], [4, 5, -6]], np.float32)

NUMBERS = {
    "torch.len([1, 2, 3])": 3,
    'torch.len("four")': 4,
    "torch.len(x)": 2,
    "[5, 6, 7][-1]": 7,
    "(5, 6, 7)[1]": 6,
    'torch.len("abc"[1])': 1,
    "torch.index([5, 6, 7], 6)": 1,
    "torch.sum([1, 2, 3])": 6,
    "torch.len(torch.add([1], [2, 3]))": 3,
    'torch.len(torch.add("ab", "c"))': 3,
    "torch.add(2, 3)": 5,
    "torch.mul(2, 3)": 6,
    "torch.len(torch.mul([1, 2], 3))": 6,
    "torch.len(torch.slice([1, 2, 3, 4], 1, 4, 2))": 2,
    "torch.sorted([3, 1, 2])[0]": 1,
    "torch.len(torch.list((1, 2)))": 2,
    "torch.len(torch.keys({1: 2, 3: 4}))": 2,
    "torch.values({1: 2})[0]": 2,
    "torch.items({1: 2})[0][1]": 2,
    'torch.get({"a": 7}, "a")': 7,
    'torch.get({"a": 7}, "b", 3)': 3,
    'torch.pop({"a": 7}, "a")': 7,
    'torch.setdefault({"a": 7}, "b", 4)': 4,
    "torch.len(torch.dict([(1, 2), (3, 4)]))": 2,
    "torch.len(torch.dict({1: 2}))": 1,
    "torch.len(torch.copy({1: 2}))": 1,
    "torch.pop([4, 5])": 5,
    "torch.pop([4, 5], 0)": 4,
}

CONDITIONS = {
    "torch.eq([1, 2], [1, 2])": True,
    "torch.eq([1, 2], [1, 2, 3])": False,
    "torch.ne([1, 2], [1, 3])": True,
    'torch.eq("a", "b")': False,
    "torch.__contains__([1, 2], 2)": True,
    "torch.__contains__([1, 2], 3)": False,
    'torch.__contains__("abc", "b")': True,
    'torch.__contains__({"a": 1}, "b")': False,
    "torch.__is__(None, None)": True,
    "torch.__isnot__(x, None)": True,
    "torch.__not__(True)": False,
    "torch.any([False, True])": True,
    "torch.all([False, True])": False,
    "bool([1])": True,
    'bool("")': False,
    "bool(0)": False,
    "isinstance(x, Tensor)": True,
    "isinstance(3, int)": True,
    "isinstance(3, float)": False,
    "isinstance(True, bool)": True,
    'isinstance("a", str)': True,
    "isinstance(None, NoneType)": True,
    "isinstance(3, [float, int])": True,
    "isinstance([1, 2], List[int])": True,
    "isinstance([1, 2.5], List[int])": False,
    "isinstance((1, x), Tuple[int, Tensor])": True,
    'isinstance({"a": 1}, Dict[str, int])': True,
    "isinstance(None, Optional[int])": True,
    "isinstance(1.5, Optional[int])": False,
    "isinstance(x, __torch__.Net)": False,
}


@pytest.mark.parametrize("expression", NUMBERS)
def test_numbers(tmp_path, expression):
    graph = xir.load(write(tmp_path, net(f"\n    return torch.mul(x, {expression})\n")), inputs={"x": "f32[2,3]"})
    np.testing.assert_array_equal(xir.run(graph, {"x": X})["output"], X * NUMBERS[expression])


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions(tmp_path, condition):
    body = f"""
    if {condition}:
      y = x
    else:
      y = torch.neg(x)
    return y
    """
    graph = xir.load(write(tmp_path, net(body)), inputs={"x": "f32[2,3]"})
    np.testing.assert_array_equal(xir.run(graph, {"x": X})["output"], X if CONDITIONS[condition] else -X)


CHANGES = """
    a = [3, 1]
    _0 = torch.append(a, 2)
    _1 = torch.extend(a, [9, 8])
    _2 = torch.insert(a, 0, 7)
    _3 = torch.Delete(a, 4)
    _4 = torch.reverse(a)
    _5 = torch.sort(a)
    _6 = torch._set_item(a, 0, 5)
    _7 = torch.add_(a, [1])
    b = [4]
    _8 = torch.clear(b)
    d = {"k": 1}
    _9 = torch.update(d, {"l": 2})
    _10 = torch.Delete(d, "k")
    y = torch.mul(x, torch.add(torch.mul(torch.sum(a), 10), torch.len(b)))
    return torch.add(y, torch.len(d))
"""


def test_changes(tmp_path):
    graph = xir.load(write(tmp_path, net(CHANGES)), inputs={"x": "f32[2,3]"})
    kept = sorted([8, 2, 1, 3, 7])  # 9 was deleted
    total = 5 + sum(kept[1:]) + 1
    np.testing.assert_array_equal(xir.run(graph, {"x": X})["output"], X * (total * 10) + 1)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("[1][3]", "no item 3 among 1"),
        ('{"a": 1}["b"]', "no key"),
        ("torch.index([1], 2)", "not in the list"),
        ('torch.pop({"a": 1}, "b")', "no key"),
        ("torch.slice([1], 0, 1, 0)", "steps of 0"),
        ("torch.len(3)", "the length of"),
    ],
)
def test_what_is_not_there(tmp_path, expression, told):
    with pytest.raises(InvalidModelError, match=told):
        xir.load(write(tmp_path, net(f"\n    return torch.mul(x, {expression})\n")), inputs={"x": "f32[2,3]"})
