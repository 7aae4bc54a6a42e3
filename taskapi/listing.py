"""Lists: filters and orders declared as data, and the statements made of them.

A page by cursor continues at a position: the sort values of the last row seen, its id last. What
follows is found by comparing rows, which an index answers without counting what lies before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    SQLColumnExpression,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from taskapi.db import Choice, Row, is_sqlite
from taskapi.statement import Statement


@dataclass(frozen=True)
class Filter:
    """The condition of a parameter, given its value as a bind parameter."""

    condition: Callable[[Any], ColumnElement[bool]]
    encode: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Flag:
    """The condition of a boolean parameter that is true; it must not be null."""

    condition: SQLColumnExpression[bool]


@dataclass(frozen=True)
class Groups:
    """Select the rows of groups, such as the tasks of all projects of a user.

    A page reads its rows from each group with an index that begins with the key of the group, so
    the cost does not depend on the number of rows.
    """

    key: SQLColumnExpression[int]
    keys: Callable[[Any], Select[Any]]  # of the groups, given the value as a bind parameter


@dataclass(frozen=True, eq=False)
class Listing:
    """A resource with lists; the first column is the id."""

    columns: Any
    filters: Mapping[str, Filter | Flag | Groups | SQLColumnExpression[Any]]  # a column equals
    sorts: Mapping[str, Column[Any]] = field(default_factory=dict)

    @property
    def id(self) -> Column[Any]:
        key: Column[Any] = self.columns[0]
        return key

    def column(self, key: "Key") -> Column[Any]:
        return self.id if key.name == "id" else self.sorts[key.name]


class Key(NamedTuple):
    """A sort key. Null sorts last in both directions."""

    name: str
    is_descending: bool


class Page(NamedTuple):
    rows: list[Row]
    has_more: bool
    total: int | None


Order = tuple[Key, ...]
NEWEST_FIRST: Order = (Key("id", True),)
OLDEST_FIRST: Order = (Key("id", False),)
# The chosen filters, each with the number of its values or the truth of its flag: what a
# statement's text depends on.
Shape = tuple[tuple[str, int | bool], ...]


def fetch_page(
    listing: Listing,
    chosen: Mapping[str, Any],
    order: Order,
    *,
    limit: int,
    skip: int = 0,
    after: tuple[Any, ...] | None = None,
    with_total: bool = False,
    **values: Any,
) -> Page:
    """Select the rows that match the filters; a list of values matches any of them."""
    shape, bound = bind_filters(listing, chosen)
    bound |= values
    nulls = None if after is None else tuple(value is None for value in after)
    query = _page_query(
        listing, shape, order, limit + 1, bool(skip), nulls, with_total, is_sqlite()
    )
    cursor = {f"after_{i}": value for i, value in enumerate(after or ()) if value is not None}
    rows = query.all(**bound, **cursor, skip=skip)
    total = None
    if with_total and (rows or not skip):
        total = rows[0].listed_total if rows else 0
    elif with_total:  # after the last page there is no row with the total
        total = _count_query(listing, shape).scalar(**bound)
    return Page(rows[:limit], len(rows) > limit, total)


def position_of(listing: Listing, order: Order, row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, listing.column(key).name) for key in order)


def search(*columns: Any, normalize: Callable[[str], str] = str.casefold) -> Filter:
    """Return the filter for rows with a text in one of the columns, which are normalised."""

    def pattern(text: str) -> str:
        text = normalize(text)
        for special in "\\%_":
            text = text.replace(special, "\\" + special)
        return f"%{text}%"

    return Filter(lambda value: or_(*(c.like(value, escape="\\") for c in columns)), pattern)


def bind_filters(listing: Listing, chosen: Mapping[str, Any]) -> tuple[Shape, dict[str, Any]]:
    """Return the shape of a statement with these filters, and its bind values."""
    shape: list[tuple[str, int | bool]] = []
    bound: dict[str, Any] = {}
    for name, value in chosen.items():
        kind = listing.filters[name]
        if isinstance(kind, Flag):
            shape.append((name, bool(value)))
            continue
        values = value if isinstance(value, list | tuple) else [value]
        shape.append((name, len(values)))
        # SQLAlchemy names constants `status_1`, so our names must differ.
        for i, each in enumerate(values):
            bound[f"asked_{name}_{i}"] = kind.encode(each) if isinstance(kind, Filter) else each
    return tuple(shape), bound


def conditions_of(listing: Listing, shape: Shape) -> list[Any]:
    """Return the conditions of a statement for the values of `bind_filters`."""
    conditions: list[Any] = []
    for name, variant in shape:
        kind = listing.filters[name]
        if isinstance(kind, Flag):
            conditions.append(kind.condition if variant else not_(kind.condition))
        elif isinstance(kind, Groups):
            conditions.append(kind.key.in_(_group_keys(name, kind)))
        else:
            values: list[Any] = [bindparam(f"asked_{name}_{i}") for i in range(variant)]
            is_wanted = kind.condition if isinstance(kind, Filter) else kind.__eq__
            conditions.append(or_(*map(is_wanted, values)))
    return conditions


def _group_keys(name: str, groups: Groups) -> Select[Any]:
    return groups.keys(bindparam(f"asked_{name}_0"))


class _SortKey(NamedTuple):
    column: Any
    is_descending: bool
    after: Any  # the value of the position; None if it is null

    @property
    def direction(self) -> Any:
        return self.column.desc() if self.is_descending else self.column.asc()

    @property
    def is_later(self) -> Any:
        return self.column < self.after if self.is_descending else self.column > self.after


class _Range(NamedTuple):
    """A part of the rows that one index scan reads."""

    conditions: list[Any]
    directions: list[Any]


@lru_cache(maxsize=256)
def _count_query(listing: Listing, shape: Shape) -> Statement:
    return Statement(select(func.count(listing.id)).where(*conditions_of(listing, shape)))


@lru_cache(maxsize=512)
def _page_query(
    listing: Listing,
    shape: Shape,
    order: Order,
    limit: int,
    has_skip: bool,
    nulls: tuple[bool, ...] | None,
    with_total: bool,
    on_sqlite: bool,
) -> Statement:
    keys = []
    for i, key in enumerate(order):
        column, is_null = listing.column(key), nulls is not None and nulls[i]
        after = None if is_null else bindparam(f"after_{i}", type_=column.type)
        keys.append(_SortKey(column, key.is_descending, after))
    columns = list(listing.columns)
    columns += [key.column for key in keys if key.column not in set(columns)]
    total = select(func.count(listing.id)).where(*conditions_of(listing, shape))
    extra = [total.scalar_subquery().label("listed_total")] if with_total else []
    # Literal and not bound, so that the planner knows that few rows are needed.
    number: Any = literal_column(str(limit))
    skip: Any = bindparam("skip") if has_skip else None

    first = keys[0].column
    if first.nullable or (nulls is not None and isinstance(first.type, Choice)):
        ranges = _ranges(keys, nulls is not None)
    else:
        ranges = [_Range([] if nulls is None else [_comes_after(keys)], _directions(keys))]
    grouped = next((name for name, _ in shape if isinstance(listing.filters[name], Groups)), None)
    conditions = conditions_of(listing, tuple(each for each in shape if each[0] != grouped))
    found = [
        select(*columns).where(*conditions, *each.conditions).order_by(*each.directions)
        for each in ranges
    ]
    if grouped is None and len(found) == 1:
        return Statement(found[0].add_columns(*extra).limit(number).offset(skip))
    parts = []
    for i, query in enumerate(found):
        query = query.limit(number if skip is None else number + skip)
        if grouped is not None:
            query = _of_each_group(listing, grouped, query, on_sqlite)
        parts.append(select(query.subquery(), literal_column(str(i)).label("part")))
    rows = union_all(*parts).subquery()
    directions = _directions([key._replace(column=rows.c[key.column.name]) for key in keys])
    together = select(*(rows.c[column.name] for column in columns), *extra)
    return Statement(together.order_by(rows.c.part, *directions).limit(number).offset(skip))


def _of_each_group(listing: Listing, name: str, query: Select[Any], on_sqlite: bool) -> Select[Any]:
    """Run a query with a limit for each group."""
    groups: Any = listing.filters[name]
    keys = _group_keys(name, groups).subquery("groups")
    query = query.where(groups.key == keys.c[0]).correlate(keys)
    found: Any
    if on_sqlite:  # SQLite has no LATERAL
        found = listing.id.table.alias("found")
        joined = keys.join(found, found.c.id.in_(query.with_only_columns(listing.id)))
    else:
        found = query.lateral("found")
        joined = keys.join(found, true())
    return select(*(found.c[column.name] for column in query.selected_columns)).select_from(joined)


def _ranges(keys: list[_SortKey], has_position: bool) -> list[_Range]:
    """Return the ranges after the position.

    Each is one index scan: rows with the same value of the first key, rows with a later value, rows
    with null. NULLS LAST, and SQLite's row comparison, which reads all rows with the first value,
    would need more. The first key stays in the order even if it is null, because otherwise
    PostgreSQL does not use the index.
    """
    first, *rest = keys
    by_rest = _directions(rest)
    by_all = [first.direction, *by_rest]
    with_null = _Range([first.column.is_(None)], by_all)
    if not has_position:
        return [_Range([first.column.is_not(None)], by_all), with_null]
    if first.after is None:
        return [_Range([*with_null.conditions, _comes_after(rest)], by_all)]
    same = _Range([first.column == first.after, _comes_after(rest)], by_rest)
    later = _Range([first.is_later], by_all)
    return [same, later, with_null] if first.column.nullable else [same, later]


def _directions(keys: list[_SortKey]) -> list[Any]:
    directions = []
    for key in keys:
        if key.column.nullable:
            directions.append(key.column.is_(None))
        directions.append(key.direction)
    return directions


def _comes_after(keys: list[_SortKey]) -> ColumnElement[bool]:
    """Return the condition for rows after the position."""
    is_one_way = len({key.is_descending for key in keys}) == 1
    if is_one_way and not any(key.column.nullable for key in keys):
        left, right = tuple_(*(key.column for key in keys)), tuple_(*(key.after for key in keys))
        return left < right if keys[0].is_descending else left > right
    choices = []
    same: list[Any] = []
    for key in keys:
        later: ColumnElement[bool] = false() if key.after is None else key.is_later
        if key.after is not None and key.column.nullable:
            later = or_(later, key.column.is_(None))
        choices.append(and_(*same, later))
        same.append(key.column == key.after)  # IS NULL for None
    return or_(*choices)
