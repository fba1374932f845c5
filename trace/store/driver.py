"""Statements below SQLAlchemy, on the connection of its transaction: what the append needs to be fast.

SQLAlchemy costs more than the database does for rows by the thousand (docs/decisions/0007). Table and column names
still come from the rows' own metadata; only the two databases' ways of saying "these many" are written out here.
"""

# ruff: noqa: S608  (statements are put together from names of our own tables; values are always parameters)

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from trace.store.rows import Base

Row = tuple[Any, ...]


class Driver:
    """The driver's side of one session's transaction."""

    def __init__(self, session: Session) -> None:
        self._connection: Connection = session.connection()
        self.postgresql = self._connection.dialect.name == "postgresql"

    def rows_in(
        self, row: type[Base], columns: Sequence[str], by: str, platform: int, values: Iterable[Any]
    ) -> list[Row]:
        """`columns` of the rows whose column `by` is among `values` (text or numbers)."""
        wanted = sorted(values)
        if not wanted:
            return []
        select = f"SELECT {', '.join(columns)} FROM {row.__tablename__} WHERE platform = "
        if self.postgresql:
            return self._fetch(f"{select}%s AND {by} = ANY(%s)", (platform, wanted))
        # One parameter however many there are, so that the statement is prepared once.
        return self._fetch(f"{select}? AND {by} IN (SELECT value FROM json_each(?))", (platform, json.dumps(wanted)))

    def rows_at(
        self,
        row: type[Base],
        columns: Sequence[str],
        by: tuple[str, str],
        platform: int,
        pairs: Iterable[tuple[str, int]],
    ) -> list[Row]:
        """`columns` of the rows whose columns `by` are among these pairs of a text and a number."""
        wanted = sorted(pairs)
        if not wanted:
            return []
        names = ", ".join(f"row_.{name}" for name in columns)
        match = f"row_.platform = {{}} AND row_.{by[0]} = pair.a AND row_.{by[1]} = pair.b"
        if self.postgresql:
            pair = "(SELECT * FROM unnest(%s::text[], %s::bigint[])) AS pair(a, b)"
            texts, numbers = [a for a, _ in wanted], [b for _, b in wanted]
            return self._fetch(
                f"SELECT {names} FROM {pair} JOIN {row.__tablename__} AS row_ ON {match.format('%s')}",
                (texts, numbers, platform),
            )
        pair = "(SELECT json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b FROM json_each(?)) AS pair"
        return self._fetch(
            f"SELECT {names} FROM {pair} CROSS JOIN {row.__tablename__} AS row_ ON {match.format('?')}",
            (json.dumps(wanted), platform),
        )

    def newest(
        self, row: type[Base], columns: Sequence[str], by: str, last: str, platform: int, values: Iterable[str]
    ) -> list[Row]:
        """`columns` of one row for each of `values` of the column `by`: that with the highest `last`."""
        wanted = sorted(values)
        if not wanted:
            return []
        names, table = ", ".join(f"row_.{name}" for name in columns), row.__tablename__
        mark = "%s" if self.postgresql else "?"
        given = "unnest(%s::text[]) AS given(value)" if self.postgresql else "json_each(?) AS given"
        return self._fetch(
            f"SELECT {names} FROM {given} JOIN {table} AS row_ ON row_.platform = {mark} AND row_.{by} = given.value "
            f"AND row_.{last} = (SELECT max({last}) FROM {table} WHERE platform = {mark} AND {by} = given.value)",
            (wanted if self.postgresql else json.dumps(wanted), platform, platform),
        )

    def locked_size(self, head: type[Base], platform: int) -> int | None:
        """The log's size, where others may append too: they wait until this transaction has ended. Else None."""
        if not self.postgresql:
            return None
        sql = f"SELECT size FROM {head.__tablename__} WHERE platform = %s FOR UPDATE"
        return next((row[0] for row in self._fetch(sql, (platform,))), None)

    def insert(self, row: type[Base], rows: list[Row]) -> None:
        """Rows in the order of the table's columns."""
        if not rows:
            return
        if not self.postgresql:
            self._connection.exec_driver_sql(_insert(row, "?"), rows)
            return
        cursor = self._connection.connection.cursor()
        with cursor.copy(_copy(row)) as copy:
            for each in rows:
                copy.write_row(each)

    def insert_missing(self, row: type[Base], rows: list[Row]) -> None:
        """Like `insert`, but what is there already stays as it is."""
        if rows:
            sql = _insert(row, "%s" if self.postgresql else "?") + " ON CONFLICT DO NOTHING"
            self._connection.exec_driver_sql(sql, rows)

    def put(self, row: type[Base], key: tuple[str, ...], rows: list[Row]) -> None:
        """Insert, or change the row that has this key."""
        if not rows:
            return
        names = [column.name for column in row.__table__.columns]
        at = {name: n for n, name in enumerate(names)}
        others = [name for name in names if name not in key]
        self.update(row, others, key, [tuple(each[at[name]] for name in (*others, *key)) for each in rows])
        self.insert_missing(row, rows)

    def update(
        self, row: type[Base], assigned: Sequence[str], where: Sequence[str], rows: list[Row], more: str = ""
    ) -> int:
        """One row each: values of `assigned`, then of `where`; `more` is a further condition. How many rows changed."""
        if not rows:
            return 0
        mark = "%s" if self.postgresql else "?"
        sets = ", ".join(f"{name} = {mark}" for name in assigned)
        conditions = " AND ".join(f"{name} = {mark}" for name in where)
        changed = self._connection.exec_driver_sql(
            f"UPDATE {row.__tablename__} SET {sets} WHERE {conditions}{more and f' AND {more}'}", rows
        )
        return changed.rowcount

    def _fetch(self, sql: str, parameters: Row) -> list[Row]:
        return [tuple(each) for each in self._connection.exec_driver_sql(sql, parameters)]


@cache
def _insert(row: type[Base], mark: str) -> str:
    names = [column.name for column in row.__table__.columns]
    return f"INSERT INTO {row.__tablename__} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"


@cache
def _copy(row: type[Base]) -> str:
    return f"COPY {row.__tablename__} ({', '.join(column.name for column in row.__table__.columns)}) FROM STDIN"
