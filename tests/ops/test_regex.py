"""Regular expressions: RE2's syntax and meaning, limits, and time that no pattern makes grow.

The expectations of MATCHES (a text after `¬` does not match) were compared with those of RE2 itself (google-re2 1.1).
"""

from __future__ import annotations

import pytest

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.ops._regex import Pattern
from xir.ops._regex_parser import MAX_PROGRAM

MATCHES = [
    ("", ["", "¬a"]),
    ("abc", ["abc", "¬ab", "¬abcd"]),
    ("a|bc|", ["a", "bc", "", "¬ab", "¬b"]),
    ("a*", ["", "aaa", "¬ab"]),
    ("a+?b??", ["a", "aab", "¬b"]),
    ("a{2}", ["aa", "¬a", "¬aaa"]),
    ("a{2,}", ["aa", "aaaa", "¬a"]),
    ("a{1,3}", ["a", "aaa", "¬", "¬aaaa"]),
    ("a{0}", ["", "¬a"]),
    ("a{0,2}b", ["b", "ab", "aab", "¬aaab"]),
    ("a{,2}", ["a{,2}", "¬a"]),
    ("a{1", ["a{1", "¬a"]),
    ("(a|b)*c", ["c", "abbac", "¬ab"]),
    ("(?:ab){2}", ["abab", "¬ab"]),
    ("(?P<n>a)(?<m>b)", ["ab"]),
    ("(a*)*b", ["b", "aaab", "¬aaa"]),
    ("(|a)+", ["", "aa"]),
    (".", ["a", "é", "¬\n", "¬"]),
    ("(?s).", ["\n"]),
    ("a$", ["a", "¬a\n"]),
    ("^a", ["a"]),
    ("(?m)a$\n^b", ["a\nb"]),
    ("a$\nb", ["¬a\nb"]),
    (r"\Aa\z", ["a"]),
    (r"a\b-", ["a-"]),
    (r"a\Bb", ["ab"]),
    (r"\b", ["¬", "¬a"]),
    (r"\ba\b", ["a"]),
    (r"\d\D", ["1a", "¬12", "¬٣a"]),
    (r"\w+", ["a_9", "¬é", "¬a-"]),
    (r"\W", ["é", "¬a"]),
    (r"\s\S", ["\ta", "¬\va"]),
    (r"[\d-]", ["5", "-", "¬a"]),
    (r"[^\D]", ["5", "¬a"]),
    ("[a-c]", ["b", "¬d"]),
    ("[a-]", ["-"]),
    ("[]a]", ["]", "a"]),
    ("[^]a]", ["b", "\n", "¬]"]),
    ("[[:alpha:][:digit:]]", ["a", "5", "¬_"]),
    ("[[:^alpha:]]", ["5", "¬a"]),
    ("[[:word:]]+[[:punct:]]", ["a_!", "a_", "¬a"]),
    ("[[:space:]][[:blank:]][[:cntrl:]]", ["\v\t\x7f"]),
    ("[[:upper:]][[:lower:]][[:xdigit:]]", ["AaF", "¬Aag"]),
    ("[[:graph:]][[:print:]][[:ascii:]][[:alnum:]]", ["! \x01z", "¬  \x01z"]),
    ("[[a]", ["[", "a"]),
    (r"\pL\p{Lu}\P{Lu}\p{^L}", ["éÉé5", "¬éÉé"]),
    (r"\p{Any}\PN", ["5a"]),
    (r"[\pN]", ["٣"]),
    (r"\x41\x{e9}\101\0", ["AéA\0"]),
    (r"\a\f\t\n\r\v", ["\a\f\t\n\r\v"]),
    (r"\.\_\-\\", ["._-\\"]),
    (r"\Qa.b*\E+", ["a.b*", "a.b**", "¬aab"]),
    (r"\Qa", ["a"]),
    ("(?i)k[k-s]é", ["KKÉ", "\u212a\u017fé", "¬aaé"]),
    ("(?i)[^k]", ["¬K", "¬\u212a", "a"]),
    (r"(?i)\W", ["¬\u017f", "¬s", "!"]),
    ("(?i)ß", ["ẞ", "¬ss"]),
    ("(?i)\u03bc", ["\u00b5", "\u039c"]),
    ("(?i)[\u03b1-\u03c9]", ["\u03a3", "\u03c2", "¬a"]),
    ("(?i)\u0131", ["\u0131", "¬I"]),
    ("(?i:a)b", ["Ab", "¬AB"]),
    ("(?i)a(?-i)b", ["Ab", "¬AB"]),
    ("((?i)a)b", ["Ab", "¬AB"]),
    ("(?U)a+", ["aa"]),
    (r"www\.[\w.-]+\.\bcom\b", ["www.google.com", "¬www.bbc.co.uk"]),
    (r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}", ["account@gmail.com", "¬not email"]),
]


@pytest.mark.parametrize(("pattern", "texts"), MATCHES, ids=[pattern for pattern, _ in MATCHES])
def test_a_whole_text_matches_or_not(pattern: str, texts: list[str]) -> None:
    expression = Pattern(pattern)
    for text in texts:
        assert expression.matches(text.removeprefix("¬")) != text.startswith("¬"), text


WRONG = [
    ("*a", "nothing to repeat"),
    ("a**", "a repetition of a repetition"),
    ("a{2}{3}", "a repetition of a repetition"),
    ("a{2,1}", "a repetition of 2,1"),
    ("a{1001}", "a repetition of 1001"),
    ("(a", "a group does not end"),
    ("a)", "a group ends that has not begun"),
    ("(?<n", "does not end"),
    ("(?P<>a)", "is no name"),
    ("(?=a)", "unknown kind"),
    ("(?<=a)", "does not end"),
    ("[a", "something is missing"),
    ("[z-a]", "ends before it begins"),
    (r"[a-\d]", "ends before it begins"),
    ("[[:foo:]]", "the class 'foo' is unknown"),
    ("\\", "something is missing"),
    (r"\1", "a reference to a group"),
    (r"\y", "means nothing"),
    (r"\xg0", "no hexadecimal number"),
    (r"\x{}", "no hexadecimal number"),
    (r"\x{110000}", "no character has the number"),
    (r"\x{41", "does not end"),
    (r"\p{L", "does not end"),
]


@pytest.mark.parametrize(("pattern", "message"), WRONG, ids=[pattern for pattern, _ in WRONG])
def test_what_is_no_expression_is_told(pattern: str, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\C", r"\p{Greek}", r"[\p{Han}]"])
def test_what_is_not_there_is_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedError, match="uses"):
        Pattern(pattern)


HOSTILE = [
    "((a{100}){100}){100}",
    "(" * 2000 + ")" * 2000,
    "(?:" * 900 + "a{1000}" + ")" * 900,
    "a{1000}" * 100,
    "[ab]" * (MAX_PROGRAM + 1),
]


@pytest.mark.parametrize("pattern", HOSTILE, ids=range(len(HOSTILE)))
def test_patterns_that_grow_are_refused(pattern: str) -> None:
    with pytest.raises(UnsafeError):
        Pattern(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)(.*)b", "a?" * 40 + "a" * 40]
)
def test_patterns_that_explode_elsewhere_end_here(pattern: str) -> None:
    expression = Pattern(pattern)
    assert not expression.matches("a" * 4000)
    assert expression.matches("a" * 40 + ("b" if pattern.endswith("b") else ""))


def test_groups_nest_up_to_the_limit() -> None:
    deep = Pattern("(" * 999 + "a" + ")" * 999)
    assert deep.matches("a")


def test_states_beyond_the_memory_are_followed_too() -> None:
    expression = Pattern("[ab]*a[ab]{12}")
    text = "".join("ab"[(number * number >> 3) & 1] for number in range(6000))
    assert expression.matches(text) == (text[-13] == "a")


@pytest.mark.parametrize("text", ["a" * 30, "(" * 30, "[" * 30, "\\" * 31, "{" * 30, "a{1}" * 3 + "("])
def test_no_text_breaks_the_reader(text: str) -> None:
    for end in range(len(text) + 1):
        try:
            Pattern(text[:end]).matches("aaa")
        except XirError as error:
            assert error.message  # noqa: PT017  either answer is right, an unexpected exception is not
