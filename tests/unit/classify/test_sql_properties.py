"""However a write is dressed, it never counts as a read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.tools.classify.sql import classify_sql
from interlock.tools.classify.sql.dialects import DIALECTS
from interlock.tools.effect import Effect

# Words parted by spaces: there, and in upper or small letters, a writer is free.
WRITES = [
    "insert into t values ( 1 )",
    "update t set a = 'x' where b = 1",
    "delete from t where a = $1",
    "merge into t using s on true when matched then delete",
    "with d as ( delete from t returning * ) select * from d",
    "select * into u from t",
    "select * from t for update",
    "select * from t for no key update of t",
    "select nextval ( 's' )",
    "select pg_catalog . setval ( 's' , 1 )",
    "select a from t where f ( a )",
    "select s . lower ( 'x' )",
    "select * from t , lateral f ( 1 )",
    "select cast ( 1 as d )",
    "select 1 :: d",
    "select d 'x'",
    "select 1 operator ( s . + ) 2",
    "explain analyze delete from t",
    "copy t to program 'x'",
    "drop table t",
    "do $$ x $$",
    "set a = 1",
    "call p ( )",
]
READS = [
    "select a , lower ( b ) from t where c = 'x' and d > 1",
    "with x as ( select 1 ) select * from x union all values ( 2 )",
    "explain select a :: int from t",
    "select count ( * ) over ( partition by a ) from t",
    "copy ( select 1 ) to stdout",
]
SEPARATORS = st.sampled_from(
    [
        " ",
        "\n",
        "\t",
        "  ",
        "\r\n",
        "/**/",
        "/* ; */",
        "/* /* ' */ \" */",
        "-- '\n",
        "--;\n",
        " \f ",
    ]
)
WRAPPINGS = st.sampled_from(
    [
        "{}",
        "{};",
        ";{}",
        "({})",
        "select 1; {}",
        "{}; select 1",
        "select ';'; {}",
        "select $a$ $$ ; $a$; {}",
        "/* x */ {} -- y",
        "with x as ({}) select * from x",
        "with x as materialized ({}) select 1",
        "select * from ({}) x",
        "select exists ({})",
        "select array ({})",
        "select 1 union all ({})",
        "explain analyze {}",
        "explain (analyze, costs off) {}",
        "copy ({}) to stdout",
        "values (({}))",
        "select 1 where a in ({})",
        "select coalesce(({}), 1)",
        "select json_array({})",
        "select overlay(({}) placing 'a' from 1)",
    ]
)
FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(" '\"$;()[]-/*\\`#:.,=@?%!\n\r\0\u00a0\u2028"),
        st.sampled_from(
            ["select", "with", "from", "where", "insert", "delete", "update", "into", "e'", "u&"]
        ),
        st.sampled_from(["$$", "$a$", "--", "/*", "*/", "/*!", "::", "cast", "values", "table"]),
        st.sampled_from(["explain", "analyze", "copy", "to", "stdout", "as", "operator", "case"]),
        st.text(max_size=3),
    ),
    max_size=30,
).map(" ".join)


@st.composite
def _dressed(draw: st.DrawFn, statements: list[str]) -> str:
    words = draw(st.sampled_from(statements)).split(" ")
    dressed = ""
    for word in words:
        quoted = word[0] in "'$"
        style = str if quoted else draw(st.sampled_from([str.lower, str.upper, str.title]))
        dressed += style(word) + draw(SEPARATORS)
    return dressed


@settings(deadline=None)
@given(_dressed(WRITES), WRAPPINGS, WRAPPINGS)
def test_a_dressed_write_is_irreversible(write: str, inner: str, outer: str) -> None:
    sql = outer.format(inner.format(write))
    assert classify_sql(sql).effect is Effect.IRREVERSIBLE


@settings(deadline=None)
@given(_dressed(READS))
def test_a_dressed_read_reads(read: str) -> None:
    assert classify_sql(read).effect is Effect.READ


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None)
@given(before=FRAGMENTS)
def test_a_write_behind_anything_is_irreversible(dialect: str, before: str) -> None:
    sql = f"{before}\n; truncate t"
    assert classify_sql(sql, dialect=dialect).effect is Effect.IRREVERSIBLE


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(deadline=None)
@given(sql=FRAGMENTS)
def test_any_text_has_an_answer(dialect: str, sql: str) -> None:
    answer = classify_sql(sql, dialect=dialect, transactional=True)
    assert answer.rule
    assert answer.evidence


@settings(deadline=None)
@given(
    st.text(alphabet=st.characters(min_codepoint=128), min_size=1, max_size=3), st.integers(0, 7)
)
def test_letters_of_other_scripts_make_no_known_function(odd: str, at: int) -> None:
    name = "lower"[:at] + odd + "lower"[at:]
    assert classify_sql(f"select {name}('x')").effect is Effect.IRREVERSIBLE
