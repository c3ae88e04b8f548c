"""`like` and regular expressions: what they match, what is refused, and that none takes long."""

import random
from collections.abc import Callable
from time import process_time

import pytest

from gateway.columns import ASCII_LETTERS, Letters
from gateway.filter_text import BadFilter
from gateway.patterns import MAX_PATTERN_CHARS, MAX_PROGRAM, Budget, Exhausted, Pattern, like, regex

GREEK = Letters(
    {**ASCII_LETTERS.lower, ord("Λ"): ord("λ"), ord("ǅ"): ord("ǆ"), 0x212A: ord("k")},
    {**ASCII_LETTERS.upper, ord("λ"): ord("Λ"), ord("ĺ"): ord("Λ"), ord("ǅ"): ord("Ǆ")},
)  # fmt: skip

SLOW_S = 0.25  # of CPU; the worst that was measured is 0.03


def has(pattern: Pattern, text: str) -> bool:
    """Whether the text has it, with nothing spent before."""
    return pattern.found_in(text, Budget())


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("abc", ["abc"], ["abcd", "xabc", "ABC", ""]),
        ("a%", ["a", "abc", "a\nb"], ["ba", ""]),
        ("%c", ["c", "abc"], ["cb"]),
        ("%b%", ["b", "abc", "\nb\n"], ["ac"]),
        ("%", ["", "x", "\n"], []),
        ("%%", ["", "x"], []),
        ("", [""], ["x"]),
        ("a%c", ["ac", "abbc", "a%c"], ["acb"]),
        ("_", ["a", "é", "😀", "\n"], ["", "ab"]),
        ("a_c", ["abc", "aéc"], ["ac", "abbc"]),
        ("__%", ["ab", "abc"], ["a"]),
        ("100\\%", ["100%"], ["1000", "100\\%"]),
        ("a\\_c", ["a_c"], ["abc"]),
        ("a\\\\c", ["a\\c"], ["a\\\\c"]),
        ("a\\bc", ["abc"], ["a\\bc"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[a]*", ["[a]*"], ["a", "aa"]),
        ("a*", ["a*"], ["ab"]),
    ],
)
def test_like(pattern: str, found: list[str], missed: list[str]) -> None:
    compiled = like(pattern)
    assert [text for text in found if not has(compiled, text)] == []
    assert [text for text in missed if has(compiled, text)] == []


def test_ilike_folds_as_the_collation_does() -> None:
    assert has(like("A%é", ASCII_LETTERS), "abcé")
    assert not has(like("A%é", ASCII_LETTERS), "abcÉ")
    assert not has(like("λ", ASCII_LETTERS), "Λ")
    assert has(like("λ", GREEK), "Λ")
    assert not has(like("λ", GREEK), "ĺ")
    assert has(like("K", GREEK), "\u212a")


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("abc", ["abc", "xabcx"], ["ab", "ABC"]),
        ("^a", ["ab"], ["ba", "b\na"]),
        ("a$", ["ba"], ["ab", "a\n"]),
        ("^$", [""], ["a", "\n"]),
        ("\\Aa\\Z", ["a"], ["aa"]),
        ("a.c", ["abc", "a\nc", "a😀c"], ["ac"]),
        ("a|b", ["a", "b"], ["c"]),
        ("^(a|b|)$", ["a", "b", ""], ["c"]),
        ("^(?:ab)+$", ["abab"], ["aba", ""]),
        ("^a*?$", ["", "aa"], ["b"]),
        ("^a{2}$", ["aa"], ["a", "aaa"]),
        ("^a{2,}$", ["aa", "aaa"], ["a"]),
        ("^a{1,2}?$", ["a", "aa"], ["aaa"]),
        ("^a{0}$", [""], ["a"]),
        ("^a{,2}$", ["a{,2}"], ["aa"]),
        ("^{a$", ["{a"], ["a"]),
        ("[abc]", ["b"], ["d"]),
        ("^[^abc]$", ["d", "\n", "é"], ["a", ""]),
        ("^[a-c]$", ["b"], ["d", "B"]),
        ("^[]a]$", ["]", "a"], ["b"]),
        ("^[^]a]$", ["b"], ["]", "a"]),
        ("^[a-]$", ["a", "-"], ["b"]),
        ("^[-a]$", ["a", "-"], ["b"]),
        ("^[a\\]b]$", ["]"], ["\\"]),
        ("^[[:digit:]x]+$", ["12x"], ["y"]),
        ("^\\d+$", ["12"], ["1a", "٣"]),
        ("^\\D$", ["a", "٣"], ["1"]),
        ("^[\\da]$", ["1", "a"], ["b"]),
        ("^\\w\\s\\S\\W$", ["a b."], ["a bb"]),
        ("\\.\\(\\\\", [".(\\"], ["x"]),
        ("^\\n\\t$", ["\n\t"], ["nt"]),
        ("", ["", "x"], []),
        ("()", [""], []),
        ("^[\u0430-\u044f]+$", ["\u043a\u043e\u0434"], ["code"]),
        ("^[😀-😂]$", ["😁"], ["😃"]),
    ],
)
def test_match(pattern: str, found: list[str], missed: list[str]) -> None:
    compiled = regex(pattern, ASCII_LETTERS, folded=False)
    assert [text for text in found if not has(compiled, text)] == []
    assert [text for text in missed if has(compiled, text)] == []


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("^aB$", ["ab", "AB"], []),
        ("^[a-c]+$", ["aBc"], ["d"]),
        ("^[^k]$", ["x"], ["k", "K"]),
        ("^λ$", ["λ", "Λ"], ["ĺ"]),
        ("^[[:digit:]]$", ["7"], ["a"]),
    ],
)
def test_imatch(pattern: str, found: list[str], missed: list[str]) -> None:
    compiled = regex(pattern, GREEK, folded=True)
    assert [text for text in found if not has(compiled, text)] == []
    assert [text for text in missed if has(compiled, text)] == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(b", "parentheses () are not balanced"),
        ("a)b", "parentheses () are not balanced"),
        ("[a", "brackets [] are not balanced"),
        ("[", "brackets [] are not balanced"),
        ("[[:digit:", "brackets [] are not balanced"),
        ("*a", "a quantifier (* + ? {}) has nothing to repeat"),
        ("a**", "a quantifier (* + ? {}) has nothing to repeat"),
        ("^*", "a quantifier (* + ? {}) has nothing to repeat"),
        ("(|+)", "a quantifier (* + ? {}) has nothing to repeat"),
        ("{1}", "a quantifier (* + ? {}) has nothing to repeat"),
        ("a{256}", "a repetition is written {m}, {m,} or {m,n}, up to 255"),
        ("a{1", "a repetition is written {m}, {m,} or {m,n}, up to 255"),
        ("a{2,1}", "a repetition {m,n} has m greater than n"),
        ("(a)\\1", "the escape \\1 is not offered in expressions"),
        ("\\ya", "the escape \\y is not offered in expressions"),
        ("\\", "the escape \\ is not offered in expressions"),
        ("(?=a)", "of the groups that begin with (? only (?:...) is offered"),
        ("(?i)a", "of the groups that begin with (? only (?:...) is offered"),
        ("***=a", "a quantifier (* + ? {}) has nothing to repeat"),
        ("[[.a.]]", "collating elements in brackets are not offered"),
        ("[[=a=]]", "collating elements in brackets are not offered"),
        ("[b-a]", "a range [b-a] ends before it begins"),
        ("[a-c-e]", "a - within brackets stands first, last or between two characters"),
        ("[\\D]", "the escape \\D is not offered within brackets"),
        ("[[:vowel:]]", "there is no character class vowel"),
        ("(" * 30 + ")" * 30, "the expression is nested too deeply"),
    ],
)
def test_an_expression_that_cannot_be_used_is_refused_with_the_reason(
    pattern: str, reason: str
) -> None:
    with pytest.raises(BadFilter) as refused:
        regex(pattern, ASCII_LETTERS, folded=False)
    assert str(refused.value) == f"invalid regular expression: {reason}"


def test_classes_that_a_collation_defines_are_refused_outside_of_c() -> None:
    with pytest.raises(BadFilter, match="depends on the column's collation"):
        regex("\\w", GREEK, folded=False)
    assert has(regex("^\\d$", GREEK, folded=False), "7")


# --- nothing that a client sends takes long

HARD = [
    "(x+x+)+y", "(a*)*b", "(a|a)*b", "(a|b)*a(a|b){12}c", "(a|b)*a(a|b){255}c", ".{0,120}z",
    "(?:[ab]{0,200}){2}z", "((a?){100}){2}a{100}z", ".*.*.*.*.*.*z", "^(.|a|b)*a.{100}$",
    "([ab]*c){30}z", "[^a]{100}z", "(?:.?){100}z",
]  # fmt: skip
HARD_LIKE = ["%a" + "_" * 100 + "b%", "%a%a%a%a%a%a%a%a%c%", "%" + "_%" * 100 + "z", "%_a_b" * 50]


def taken(compiled: Pattern) -> float:
    """Seconds of CPU for the longest texts that it looks at."""
    chosen = random.Random(1)
    longest = 1
    while looked_at(compiled, "a" * longest):
        longest *= 2
    texts = ["a" * longest, "x" * longest, "".join(chosen.choices("ab", k=longest))]
    began = process_time()
    for text in texts:
        looked_at(compiled, text[: longest // 2])
    return process_time() - began


def looked_at(compiled: Pattern, text: str) -> bool:
    """False where the text is too long to be looked at."""
    try:
        has(compiled, text)
    except Exhausted:
        return False
    return True


@pytest.mark.parametrize("pattern", HARD)
def test_no_expression_takes_long_on_any_text(pattern: str) -> None:
    assert taken(regex(pattern, ASCII_LETTERS, folded=False)) < 3 * SLOW_S


@pytest.mark.parametrize("pattern", HARD_LIKE)
def test_no_like_takes_long_on_any_text(pattern: str) -> None:
    assert taken(like(pattern)) < 3 * SLOW_S


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{255}){255}){255}",
        "(.{255}){4}",
        "(" * 19 + "a" + "{9})" * 19,
        "\\D{255}",
        "[^\u0430-\u044f]{100}",
    ],
)
@pytest.mark.parametrize("made", [regex])
def test_an_expression_that_would_grow_large_is_refused_at_once(
    pattern: str, made: Callable[..., Pattern]
) -> None:
    began = process_time()
    with pytest.raises(BadFilter, match="too complicated"):
        made(pattern, ASCII_LETTERS, folded=False)
    assert process_time() - began < SLOW_S


@pytest.mark.parametrize("made", [like, lambda pattern: regex(pattern, ASCII_LETTERS, False)])
def test_a_long_pattern_is_refused(made: Callable[[str], Pattern]) -> None:
    made("a" * MAX_PATTERN_CHARS)
    with pytest.raises(BadFilter, match=f"a pattern has at most {MAX_PATTERN_CHARS} characters"):
        made("a" * (MAX_PATTERN_CHARS + 1))


def test_a_short_text_is_looked_at_with_any_pattern() -> None:
    largest = regex("a{250}.{90}", ASCII_LETTERS, folded=False)
    assert has(largest, "a" * 250 + "b" * 90)
    assert MAX_PROGRAM == 1000


def test_a_plain_word_is_looked_for_in_a_long_text() -> None:
    assert has(like("%needle%"), "hay " * 20_000 + "needle")
    assert not has(like("%needle%"), "hay " * 20_000)


def test_a_budget_is_spent_once_and_small_things_still_fit() -> None:
    budget = Budget(100)
    pattern = like("%a%")
    assert pattern.found_in("a" * 10, budget)
    with pytest.raises(Exhausted):
        pattern.found_in("a" * 90, budget)
    assert pattern.found_in("a", budget)


def test_letters_of_several_bytes_cost_as_many() -> None:
    with pytest.raises(Exhausted):
        like("%a%").found_in("\U0001f600" * 10, Budget(60))
    assert not like("%a%").found_in("b" * 10, Budget(60))
