"""What the statements of a drain do, told as the phrases of STEPS that they hold."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

TRANSACTION = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
LOCK, OPEN, DOMAIN = "FROM service_call_record", "INSERT INTO persisted_chunk", "INSERT INTO seedapp_message"
CLOSE, LINK, MARK = "UPDATE persisted_chunk", "INSERT INTO persisted_object", "UPDATE service_call_record"
RELATED, ITEM = "FROM seedapp_simulation", "UPDATE persistence_bulk_item"
STEPS = (LOCK, OPEN, DOMAIN, CLOSE, LINK, MARK, RELATED, ITEM)


def steps_of(captured: CaptureQueriesContext) -> list[str]:
    """One entry a statement, without those of the transaction; in PostgreSQL one statement takes several steps."""
    statements = [query["sql"].replace('"', "") for query in captured]
    return [_steps(sql) for sql in statements if not sql.startswith(TRANSACTION)]


def _steps(sql: str) -> str:
    return " + ".join(sorted((step for step in STEPS if step in sql), key=sql.index))


def reads_of(captured: CaptureQueriesContext, *tables: str) -> list[str]:
    """One entry, the table, for each statement that reads one of these."""
    reads = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    return [table for sql in reads for table in tables if f'FROM "{table}"' in sql]


def persisting() -> list[str]:
    """The steps of one result that becomes one message."""
    if connection.vendor == "postgresql":
        return [f"{LOCK} + {OPEN}", DOMAIN, f"{CLOSE} + {LINK} + {MARK}"]
    return [LOCK, OPEN, DOMAIN, CLOSE, LINK, MARK]
