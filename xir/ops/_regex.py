"""Whether a text matches a regular expression as a whole, or where, in time linear in the text.

All states of the expression's program are followed at once, so that nothing is ever tried twice (K. Thompson, 'Regular
expression search algorithm', 1968; R. Cox, 'Regular expression matching: the virtual machine approach', 2009). For a
match of the whole text it does not matter what is greedy and what is captured; nor for the longest match.
"""

from __future__ import annotations

from xir.errors import UnsafeError
from xir.ops._regex_classes import is_word
from xir.ops._regex_parser import MAX_PROGRAM, Branch, Character, Check, Condition, Parser

_CACHE = 2_000
"""States of the automaton that are remembered."""


class Pattern:
    """A regular expression that is ready to match."""

    def __init__(self, pattern: str) -> None:
        r"""Reads the expression.

        Raises:
            InvalidModelError: it is no expression of RE2.
            UnsupportedError: it uses scripts of Unicode (`\p{Greek}`) or single bytes (`\C`).
            UnsafeError: its repetitions multiply to more than `MAX_PROGRAM` steps.
        """
        self._code = Parser(pattern).program()
        if len(self._code) > MAX_PROGRAM:
            raise UnsafeError(f"the pattern {pattern[:60]!r} becomes more than {MAX_PROGRAM} steps")
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._local = all(not isinstance(step, Check) for step in self._code)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        states = frozenset((0,))
        for place, character in enumerate(text):
            states = self._next(states, text, place, character)
            if not states:
                return False
        return len(self._code) in self._reached(states, text, len(text))

    def find(self, text: str, start: int) -> tuple[int, int] | None:
        r"""Where the leftmost match from `start` on begins and ends, the longest one that begins there; or None.

        What is looked at before and behind the match (`^`, `\b`) is the whole text.
        """
        best: tuple[int, int] | None = None
        threads: dict[int, int] = {}
        for place in range(start, len(text) + 1):
            if best is None:
                threads.setdefault(0, place)
            found = self._spread(threads, text, place)
            begin = found.get(len(self._code))
            if begin is not None and (best is None or begin <= best[0]):
                best = (begin, place)
            threads = {}
            for state, origin in found.items():
                step = self._code[state] if state < len(self._code) and place < len(text) else None
                if (best is None or origin <= best[0]) and isinstance(step, Character) and step.test(text[place]):
                    threads.setdefault(state + 1, origin)
            if best is not None and not threads:
                break
        return best

    def _spread(self, threads: dict[int, int], text: str, place: int) -> dict[int, int]:
        """{state: where its match began} with all states that steps which take no character lead to.

        Threads stand in the order in which their matches began; the earliest one takes a state.
        """
        found: dict[int, int] = {}
        for first, origin in threads.items():
            for state in sorted(self._reached(frozenset((first,)), text, place)):
                found.setdefault(state, origin)
        return found

    def _next(self, states: frozenset[int], text: str, place: int, character: str) -> frozenset[int]:
        """The states after one more character, before steps that take none."""
        key = (states, character)
        if self._local and key in self._known:
            return self._known[key]
        after: set[int] = set()
        for state in sorted(self._reached(states, text, place)):
            step = self._code[state] if state < len(self._code) else None
            if isinstance(step, Character) and step.test(character):
                after.add(state + 1)
        result = frozenset(after)
        if self._local and len(self._known) < _CACHE:
            self._known[key] = result
        return result

    def _reached(self, states: frozenset[int], text: str, place: int) -> set[int]:
        """All states that steps which take no character lead to."""
        found: set[int] = set()
        stack = sorted(states)
        while stack:
            state = stack.pop()
            if state in found:
                continue
            found.add(state)
            step = self._code[state] if state < len(self._code) else None
            match step:
                case Branch(first, second):
                    stack += (state + first, state + second)
                case Check(condition) if _holds(condition, text, place):
                    stack.append(state + 1)
                case _:
                    pass
        return found


def _holds(condition: Condition, text: str, place: int) -> bool:
    match condition:
        case "begin":
            return place == 0
        case "end":
            return place == len(text)
        case "line_begin":
            return place == 0 or text[place - 1] == "\n"
        case "line_end":
            return place == len(text) or text[place] == "\n"
        case _:
            before = place > 0 and is_word(text[place - 1])
            after = place < len(text) and is_word(text[place])
            return (before != after) == (condition == "boundary")
