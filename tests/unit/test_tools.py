"""What `make check` reads pages and SQL with finds what is wrong, and only that."""

from tools.check_links import anchors, links
from tools.check_sql import as_sent, problem_in

PAGE = """# Sonnette: the *gateway*

See [the design](docs/design.md#its-rules) and [the web](https://example.org/x.md), ![](a.png "A").

```
[not a link](nowhere.md)
# not a heading
```

## Run it!
## Run it!
"""


def test_links_are_the_relative_ones_outside_of_code() -> None:
    assert links(PAGE) == ["docs/design.md#its-rules", "a.png"]


def test_anchors_are_those_of_the_headings_repeated_ones_counted() -> None:
    assert anchors(PAGE) == {"sonnette-the-gateway", "run-it", "run-it-1"}


def test_a_syntax_error_is_named_with_its_line() -> None:
    assert problem_in("db/x.sql", "select 1;\nselect 'é'\nfrom from x;") == (
        'db/x.sql:3: syntax error at or near "from"'
    )


def test_good_sql_has_no_problem() -> None:
    assert problem_in("db/x.sql", "select 1; create index concurrently on t (a);") is None


def test_a_query_is_parsed_as_it_is_sent() -> None:
    assert as_sent("select %(a)s, %(b)s, %(a)s like '%%x'") == "select $1, $2, $1 like '%x'"
    assert as_sent("select 'b' collate {collation}") == "select 'b' collate \"collation\""
