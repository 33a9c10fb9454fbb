"""Connections that break at a chosen write of a chosen run, made by triggers in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database

# A sequence counts what was tried, whether or not its transaction came to an end.
_SETUP = """
create table faults (run_id uuid primary key, at bigint not null);
create function count_write() returns trigger language plpgsql as $$
declare
    run uuid := case tg_table_name
                    when 'runs' then to_jsonb(new) ->> 'id'
                    else to_jsonb(new) ->> 'run_id'
                end;
    fault bigint;
begin
    select f.at into fault from faults f where f.run_id = run;
    if found and nextval(cast('writes_' || replace(run::text, '-', '') as regclass)) = fault then
        perform pg_terminate_backend(pg_backend_pid());
    end if;
    return null;
end $$;
"""
_TABLES = ("runs", "calls", "approvals", "audit_log", "steps", "step_writes")


def prepare(database: Database) -> None:
    """Have every write of a run counted, once `break_at` names the run."""
    with database.begin() as conn:
        conn.exec_driver_sql(_SETUP)
        for table in _TABLES:
            conn.exec_driver_sql(
                f"create trigger zz_count_write after insert or update on {table} "
                "for each row execute function count_write()"
            )


def break_at(database: Database, run_id: UUID, write: int) -> None:
    """Break the connection that makes the run's write with this number, counted from now."""
    with database.begin() as conn:
        conn.exec_driver_sql(f"create sequence writes_{run_id.hex}")
        conn.exec_driver_sql(
            "insert into faults values (%(run)s, %(at)s)", {"run": run_id, "at": write}
        )


def writes_of(database: Database, run_id: UUID) -> int:
    """How many writes of the run were tried."""
    with database.begin() as conn:
        query = "select last_value from pg_sequences where sequencename = %(name)s"
        return int(conn.exec_driver_sql(query, {"name": f"writes_{run_id.hex}"}).scalar_one())
