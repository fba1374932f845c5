"""Triggers that make the database itself refuse to change what must stay, said in the words of each database."""

from alembic import op

LEDGER = "the ledger is append-only"
ISSUED = "issued codes stay issued"

_ONLY_EMPTIED = (
    "NEW.text = '' AND NEW.platform = OLD.platform AND NEW.leaf_index = OLD.leaf_index "
    "AND NEW.position = OLD.position AND NEW.access = OLD.access"
)


def refuse(table: str, act: str, why: str) -> None:
    """From now on the database refuses `act` (UPDATE, DELETE) on this table."""
    _trigger(table, act, "", f"{why}: no {act} on {table}")


def refuse_but_erasing(table: str) -> None:
    """A disclosure changes in one way alone: its text, which holds the salt too, becomes empty."""
    _trigger(table, "UPDATE", f"WHEN (NOT ({_ONLY_EMPTIED}))", f"{LEDGER}: no UPDATE on {table} but erasing its text")


def allow_again(table: str, act: str) -> None:
    """Take a trigger away, to put another in its place."""
    name = f"{table}_no_{act.lower()}"
    op.execute(f"DROP TRIGGER {name} ON {table}" if _postgresql() else f"DROP TRIGGER {name}")


def _trigger(table: str, act: str, when: str, message: str) -> None:
    name = f"{table}_no_{act.lower()}"
    if not _postgresql():
        op.execute(f"CREATE TRIGGER {name} BEFORE {act} ON {table} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END")
        return
    # integrity_constraint_violation, so that both databases give the same error to who asks.
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{message}' USING ERRCODE = '23000'; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} BEFORE {act} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION {name}()")
    if act == "DELETE":
        # TRUNCATE asks no row trigger.
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION {name}()"
        )


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
