"""The tools of the fleet-ops agent: what they read, what they can undo, what does not come back."""
# ruff: noqa: ARG001 - undo gets all of (args, result), a preview all arguments

from __future__ import annotations

from datetime import date  # noqa: TC003 - tools describe their arguments from it at run time
from typing import Annotated, Any

from interlock import tool
from interlock.tools import Happened, NotDone, current_call
from pydantic import Field

from . import access, letters, rental
from .home import Home
from .rental import Environment  # noqa: TC001 - as `date`
from .volumes import VolumeStore, size_in_words

Address = Annotated[str, Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")]
Addresses = Annotated[list[Address], Field(min_length=1, max_length=50)]
Subject = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\r\n]*$")]


def _home() -> Home:
    return Home.from_environment()


# What only reads ------------------------------------------------------------------------------


@tool(effect="read")
def list_volumes() -> list[dict[str, Any]]:
    """All volumes with their environment, size and number of backups."""
    store = VolumeStore(_home())
    return [store.describe(volume_id) for volume_id in store.ids()]


@tool(effect="read")
def inspect_volume(volume_id: str) -> dict[str, Any]:
    """One volume; for staging also whether it accepts the configured credential."""
    return VolumeStore(_home()).describe(volume_id)


@tool(effect="read")
def query_bookings(
    environment: Environment, status: str | None = None, limit: int = 10
) -> dict[str, Any]:
    """The first bookings of a status (unconfirmed, confirmed, …), and how many there are."""
    return rental.find_bookings(_home().database_url, environment, status, limit)


@tool(effect="read")
def survey_staging(stale_before: date) -> dict[str, Any]:
    """Staging bookings unchanged since that day, and staging tables that nothing uses."""
    return rental.survey_staging(_home().database_url, stale_before)


@tool(effect="read")
def read_config(name: str) -> str:
    """A configuration file's text, as it is on disk."""
    return access.read_file(_home(), name)


# What can be undone ---------------------------------------------------------------------------


def restore_bookings(args: dict[str, Any], result: dict[str, Any]) -> None:
    """Undo `archive_stale_bookings`."""
    rental.restore_archived(_home().database_url, result["archive"])


@tool(effect="reversible", undo=restore_bookings)
def archive_stale_bookings(stale_before: date) -> dict[str, Any]:
    """Move staging bookings unchanged since that day to the trash schema."""
    archive = f"bookings_{current_call().call_id.hex}"
    moved = rental.archive_stale(_home().database_url, stale_before, archive)
    return {"archived": moved, "archive": archive}


def restore_table(args: dict[str, Any], result: Any) -> None:
    """Undo `trash_staging_table`."""
    rental.move_table(_home().database_url, args["table"], source="trash", target="staging")


@tool(effect="reversible", undo=restore_table)
def trash_staging_table(table: str) -> dict[str, Any]:
    """Move a staging table that nothing uses to the trash schema."""
    rental.move_table(_home().database_url, table, source="staging", target="trash")
    return {"trashed": table}


def attach_volume(args: dict[str, Any], result: Any) -> None:
    """Undo `detach_volume`."""
    VolumeStore(_home()).attach(args["volume_id"])


@tool(effect="reversible", undo=attach_volume)
def detach_volume(volume_id: str) -> dict[str, Any]:
    """Put a volume and its backups in the trash folder."""
    VolumeStore(_home()).detach(volume_id)
    return {"detached": volume_id}


def use_former_token(args: dict[str, Any], result: dict[str, Any]) -> None:
    """Undo `use_token`."""
    access.use_token_of(_home(), result["before"])


@tool(effect="reversible", undo=use_former_token)
def use_token(name: str) -> dict[str, Any]:
    """From now on, use the volume-store token in that configuration file."""
    before = access.token_file(_home())
    return {"scope": access.use_token_of(_home(), name), "before": before}


def restore_credential(args: dict[str, Any], result: dict[str, Any]) -> None:
    """Undo `set_staging_credential`."""
    access.restore_staging(_home(), result["before"])


@tool(effect="reversible", undo=restore_credential)
def set_staging_credential(name: str) -> dict[str, Any]:
    """Write the credential in that configuration file into staging's configuration."""
    return {"credential_from": name, "before": access.set_staging_credential(_home(), name)}


# What does not come back ----------------------------------------------------------------------


def volume_contents(volume_id: str, *, include_backups: bool) -> dict[str, Any]:
    """What a deletion would take."""
    store = VolumeStore(_home())
    backups = len(store.backups(volume_id))
    return {
        "Customer records": store.customer_records(volume_id),
        "Backups": backups if include_backups else f"{backups}, all kept",
        "Data": size_in_words(store.data_bytes(volume_id)),
        "Last backup elsewhere": store.last_backup_elsewhere(volume_id),
    }


def deletion_in_words(volume_id: str, *, include_backups: bool) -> str:
    """Verb, object, extent."""
    backups = len(VolumeStore(_home()).backups(volume_id))
    if backups == 0:
        return f"Delete volume {volume_id}, which has no backups"
    counted = "1 backup" if backups == 1 else f"{backups} backups"
    return f"Delete volume {volume_id} and {'' if include_backups else 'keep '}its {counted}"


def deletion_happened(volume_id: str, *, include_backups: bool) -> Happened | bool | None:
    """The volume goes last, so when it is gone the deletion is complete; its backups go first."""
    store = VolumeStore(_home())
    if not store.exists(volume_id):
        return Happened(store.deletion_of(volume_id))
    return None if include_backups else False


@tool(
    effect="irreversible",
    preview=volume_contents,
    headline=deletion_in_words,
    verify=deletion_happened,
)
def delete_volume(volume_id: str, include_backups: bool) -> dict[str, Any]:  # noqa: FBT001 - a tool's arguments are passed by name
    """Delete a volume's data for good, and its backups too if asked."""
    store = VolumeStore(_home())
    try:
        store.require_deletable(volume_id)
    except (ValueError, PermissionError) as error:
        raise NotDone(str(error)) from None
    return store.delete(volume_id, include_backups=include_backups)


def recipients(to: list[str], subject: str, body: str) -> dict[str, Any]:
    """Whom a message would reach."""
    customers = rental.count_customers_among(_home().database_url, to)
    addresses = len(set(to))
    return {
        "Recipients": addresses,
        "Customers": customers,
        "Not customers": addresses - customers,
        "Text": f"{len(body.split())} words",
    }


def letter_in_words(to: list[str], subject: str, body: str) -> str:
    """Verb, object, extent; nothing that the agent wrote."""
    addresses = len(set(to))
    customers = rental.count_customers_among(_home().database_url, to)
    kind = "customer" if customers == addresses else "recipient"
    return f"Send an email to {addresses} {kind}{'' if addresses == 1 else 's'}"


@tool(effect="irreversible", preview=recipients, headline=letter_in_words)
def send_email(to: Addresses, subject: Subject, body: str) -> dict[str, Any]:
    """Send one email to each address."""
    sent = letters.send(_home(), to, subject, body, current_call().idempotency_key)
    return {"sent": sent, "to": to}


READS = [list_volumes, inspect_volume, query_bookings, survey_staging, read_config]
REVERSIBLE = [
    *(archive_stale_bookings, trash_staging_table, detach_volume),
    *(use_token, set_staging_credential),
]
IRREVERSIBLE = [delete_volume, send_email]
TOOLS = [*READS, *REVERSIBLE, *IRREVERSIBLE]
