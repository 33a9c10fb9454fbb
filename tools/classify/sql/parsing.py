"""sqlglot's view of a statement: whether each of its parts is one that reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .builtin_types import BUILTIN_TYPES
from .calls import is_pure
from .scanner import Unsure
from .spelling import A_STRING
from .words import words

if TYPE_CHECKING:
    from sqlglot import exp

    from .dialects import Dialect

# By name, so that a class of a later sqlglot is unknown until somebody has looked at it.
_READING = words(
    "Alias All Any AtTimeZone Between Boolean Bracket CTE Cluster Column ColumnDef Connect Cube"
    " DataType DataTypeParam Distinct Distribute Except Fetch Filter Final ForClause From Group"
    " GroupingSets Having HistoricalData Identifier IgnoreNulls In IndexTableHint Intersect"
    " Interval IntervalSpan JSON JSONPath JSONPathKey JSONPathRoot Join Kwarg Lambda Lateral"
    " Limit LimitOptions Literal Null ObjectIdentifier Offset Order Ordered Pivot PivotAlias"
    " PivotAny Placeholder PreWhere Prior PropertyEQ PseudoType Qualify QueryOption"
    " RecursiveWithSearch RespectNulls Rollup Select Slice Sort Star Subquery Table TableAlias"
    " TableSample Tuple Union UnpivotColumns Values Var Variadic Version Where Window WindowSpec"
    " With WithOperator WithTableHint WithinGroup"
)
_QUERIES = ("Select", "Union", "Intersect", "Except", "Values", "Subquery")
# What sqlglot takes for functions and the servers do not.
_NO_FUNCTIONS = frozenset({"all", "any", "row", "some"})


def check_reads(text: str, dialect: Dialect, unknown: Counter[str]) -> None:
    """Check that sqlglot reads one query in which every part is known to change nothing.

    Args:
        text: the statement, as `spelling.spell` gives it.
        dialect: its dialect.
        unknown: names before brackets that are no known functions, and how often they stand there.
            They must be names of tables with their columns.

    Raises:
        Unsure: it is not so, or sqlglot cannot read it.
    """
    tree = _parse(text, dialect)
    if type(tree).__name__ not in _QUERIES:
        raise Unsure(f"It is read as {type(tree).__name__}, not as a query.", "sql-not-a-query")
    named: Counter[str] = Counter()
    for node in tree.walk():
        _check_node(node, dialect)
        if type(node).__name__ == "TableAlias":
            named[node.name] += _names_columns(node)
    for name, times in unknown.items():
        if named[name] != times:
            raise Unsure(f"`{name}` may be a function.", "sql-unknown-function")


def _names_columns(alias: exp.Expr) -> bool:
    columns = alias.args.get("columns") or ()
    plain = ("Identifier", "ColumnDef")
    return bool(columns) and all(
        type(column).__name__ in plain and column.name.isidentifier() for column in columns
    )


def _parse(text: str, dialect: Dialect) -> exp.Expr:
    # late: importing it takes longer than all of `interlock --help`
    from sqlglot import parse  # noqa: PLC0415

    try:
        trees = parse(text, read=dialect.name)
    except Exception as error:
        raise Unsure("sqlglot cannot read it.", "sql-unparsed") from error
    if len(trees) != 1 or trees[0] is None:
        raise Unsure("sqlglot does not read it as one statement.", "sql-unparsed")
    return trees[0]


def _check_node(node: exp.Expr, dialect: Dialect) -> None:
    from sqlglot import exp  # noqa: PLC0415

    name = type(node).__name__
    called = node.name.lower() if isinstance(node, exp.Anonymous) else None
    if called is not None and called not in _NO_FUNCTIONS and not is_pure(called, dialect):
        raise Unsure(f"`{node.name}` is not a known function.", "sql-unknown-function")
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.USERDEFINED:
        kind = str(node.args.get("kind") or "").lower()
        if not dialect.is_postgres or kind.strip('"') not in BUILTIN_TYPES:
            raise Unsure(f"`{kind}` is a type that is not built in.", "sql-user-type")
    if isinstance(node, exp.Table) and node.name == A_STRING:
        raise Unsure("It reads a file or an address.", "sql-reads-file")
    known = isinstance(node, exp.Func | exp.Binary | exp.Unary) or name in _READING
    if not known:
        raise Unsure(f"It holds a part that is not known to only read: {name}.", "sql-unknown-part")
