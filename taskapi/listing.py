"""Lists: filters and orders declared as data, and the statements made of them.

A page by cursor continues at a position: the sort values of the last row seen, its id last. What
follows is found by comparing rows, which an index answers without counting what lies before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """A boolean parameter."""

    true: SQLColumnExpression[bool]
    false: SQLColumnExpression[bool]


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

    columns: tuple[Any, ...]
    filters: Mapping[str, Filter | Flag | Groups]
    sorts: Mapping[str, Column[Any]]

    @property
    def id(self) -> Column[Any]:
        key: Column[Any] = self.columns[0]
        return key


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
    position = None if after is None else tuple(value is None for value in after)
    query = _page_query(
        listing, shape, order, limit + 1, bool(skip), position, with_total, is_sqlite()
    )
    cursor = {f"after_{i}": value for i, value in enumerate(after or ()) if value is not None}
    rows = query.all(**bound, **cursor, **({"skip": skip} if skip else {}))
    total = None
    if with_total:
        # Every row has the total; after the last page there is no row.
        total = (
            rows[0].listed_total if rows else count_rows(listing, chosen, **values) if skip else 0
        )
    return Page(rows[:limit], len(rows) > limit, total)


def count_rows(listing: Listing, chosen: Mapping[str, Any], **values: Any) -> int:
    shape, bound = bind_filters(listing, chosen)
    total: int = _count_query(listing, shape).scalar(**bound, **values)
    return total


def full_order(listing: Listing, keys: Order) -> Order:
    """Append the id to the order, in the direction of its first key."""
    if any(key.name == "id" for key in keys):
        return keys
    return (*keys, Key("id", keys[0].is_descending))


def position_of(listing: Listing, order: Order, row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, _column(listing, key).name) for key in order)


def contains(column: Any) -> Callable[[Any], ColumnElement[bool]]:
    """Return the condition that the column contains a text, encoded by `as_pattern`."""
    return lambda value: column.like(value, escape="\\")


def as_pattern(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


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
        encode = kind.encode if isinstance(kind, Filter) else lambda value: value
        bound.update({f"asked_{name}_{i}": encode(each) for i, each in enumerate(values)})
    return tuple(shape), bound


def conditions_of(listing: Listing, shape: Shape) -> list[Any]:
    """Return the conditions of a statement for the values of `bind_filters`."""
    conditions: list[Any] = []
    for name, variant in shape:
        kind = listing.filters[name]
        if isinstance(kind, Flag):
            conditions.append(kind.true if variant else kind.false)
        elif isinstance(kind, Groups):
            conditions.append(kind.key.in_(_group_keys(name, kind)))
        else:
            conditions.append(
                or_(*(kind.condition(bindparam(f"asked_{name}_{i}")) for i in range(variant)))
            )
    return conditions


def _group_keys(name: str, groups: Groups) -> Select[Any]:
    return groups.keys(bindparam(f"asked_{name}_0"))


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
    conditions = conditions_of(listing, shape)
    columns = list(listing.columns)
    columns += [c for c in (_column(listing, key) for key in order) if c not in set(columns)]
    total = (
        select(func.count(listing.id)).where(*conditions).scalar_subquery().label("listed_total")
    )
    extra = [total] if with_total else []
    # Literal and not bound, so that the planner knows that few rows are needed.
    number: Any = literal_column(str(limit))
    reach: Any = literal_column(str(limit)) + bindparam("skip") if has_skip else number

    def finish(query: Select[Any]) -> Statement:
        query = query.limit(number)
        return Statement(query.offset(bindparam("skip")) if has_skip else query)

    first = _column(listing, order[0])
    after = [] if nulls is None else [_comes_after(listing, order, nulls, 0)]
    stretches = [(after, _directions(listing, order))]
    has_groups = any(isinstance(listing.filters[name], Groups) for name, _ in shape)
    if first.nullable or (nulls is not None and isinstance(first.type, Choice)):
        stretches = _stretches(listing, order, nulls)
    elif not has_groups:
        query = select(*columns, *extra).where(*conditions, *after)
        return finish(query.order_by(*stretches[0][1]))

    parts = [
        _first_rows(
            listing, shape, columns, where, directions, reach, literal_column(str(i)), on_sqlite
        )
        for i, (where, directions) in enumerate(stretches)
    ]
    both = union_all(*(select(part.subquery()) for part in parts)).subquery()
    by_name = [both.c[_column(listing, key).name] for key in order]
    directions = [
        part
        for key, column in zip(order, by_name, strict=True)
        for part in (column.is_(None), column.desc() if key.is_descending else column.asc())
    ]
    wanted = [both.c[column.name] for column in columns]
    return finish(select(*wanted, *extra).order_by(both.c.part, *directions))


def _first_rows(
    listing: Listing,
    shape: Shape,
    columns: list[Any],
    where: list[Any],
    directions: list[Any],
    reach: Any,
    number: Any,
    on_sqlite: bool,
) -> Select[Any]:
    """Select the first rows of a range: of all rows, or of each group."""
    part = number.label("part")
    grouped = next((n for n, _ in shape if isinstance(listing.filters[n], Groups)), None)
    if grouped is None:
        selected = select(*columns, part).where(*conditions_of(listing, shape), *where)
        return selected.order_by(*directions).limit(reach)
    groups: Any = listing.filters[grouped]
    keys = _group_keys(grouped, groups).subquery("groups")
    others = conditions_of(listing, tuple(each for each in shape if each[0] != grouped))

    def first_of_group(*selected: Any) -> Select[Any]:
        query = select(*selected).where(groups.key == keys.c[0], *others, *where)
        return query.order_by(*directions).limit(reach).correlate(keys)

    found: Any
    if on_sqlite:  # SQLite has no LATERAL
        found = listing.id.table.alias("found")
        joined = keys.join(found, found.c.id.in_(first_of_group(listing.id)))
    else:
        found = first_of_group(*columns).lateral("found")
        joined = keys.join(found, true())
    return select(*(found.c[column.name] for column in columns), part).select_from(joined)


def _stretches(
    listing: Listing, order: Order, nulls: tuple[bool, ...] | None
) -> list[tuple[list[ColumnElement[bool]], list[ColumnElement[Any]]]]:
    """Return the conditions and orders of the ranges after the position.

    Each is one index scan: rows with the same value of the first key, rows with a later value, rows
    with null. NULLS LAST, and SQLite's row comparison, which reads all rows with the first value,
    would need more. The first key stays in the order even if it is null, because otherwise
    PostgreSQL does not use the index.
    """
    first = _column(listing, order[0])
    by_all = _directions(listing, order, is_first_present=True)
    by_rest = _directions(listing, order[1:])
    if nulls is None:
        return [([first.is_not(None)], by_all), ([first.is_(None)], by_all)]
    rest_comes_after = _comes_after(listing, order, nulls, 1)
    if nulls[0]:
        return [([first.is_(None), rest_comes_after], by_all)]
    value = bindparam("after_0", type_=first.type)
    is_later = first < value if order[0].is_descending else first > value
    stretches = [([first == value, rest_comes_after], by_rest), ([is_later], by_all)]
    return stretches + ([([first.is_(None)], by_all)] if first.nullable else [])


def _column(listing: Listing, key: Key) -> Column[Any]:
    return listing.id if key.name == "id" else listing.sorts[key.name]


def _directions(
    listing: Listing, order: Order, *, is_first_present: bool = False
) -> list[ColumnElement[Any]]:
    parts: list[ColumnElement[Any]] = []
    for i, key in enumerate(order):
        column = _column(listing, key)
        if column.nullable and not (is_first_present and i == 0):
            parts.append(column.is_(None))
        parts.append(column.desc() if key.is_descending else column.asc())
    return parts


def _comes_after(
    listing: Listing, order: Order, nulls: tuple[bool, ...], start: int
) -> ColumnElement[bool]:
    """Return the condition for rows after the position, by the keys from `start` on."""
    keys = [
        (_column(listing, key), bindparam(f"after_{i}", type_=_column(listing, key).type), i)
        for i, key in enumerate(order)
        if i >= start
    ]
    is_one_way = len({key.is_descending for key in order[start:]}) == 1
    has_gaps = any(column.nullable for column, _, i in keys if i > 0)
    if is_one_way and not has_gaps:
        left = tuple_(*(column for column, _, _ in keys))
        right = tuple_(*(value for _, value, _ in keys))
        return left < right if order[start].is_descending else left > right
    choices = []
    same: list[ColumnElement[bool]] = []
    for column, value, i in keys:
        later: ColumnElement[bool] = false()
        equal: ColumnElement[bool] = column.is_(None)
        if not nulls[i]:
            later = column < value if order[i].is_descending else column > value
            if column.nullable and i > 0:
                later = or_(later, column.is_(None))
            equal = column == value
        choices.append(and_(*same, later))
        same.append(equal)
    return or_(*choices)
