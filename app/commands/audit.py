"""`audit`: recompute the whole ledger from the stored rows."""

import json
import sys
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.database import DamagedError, Database
from app.services import load_secrets
from app.signing import pinned
from trace.audit import Audit, Finding
from trace.errors import TraceError
from trace.ledger.checkpoint import verifier_key

SHOWN = 50
"""Contradictions printed one a line; the rest are counted."""


@click.command()
@data_option
@click.option("--log-key", help="Verifier key that checkpoints must be signed by [default: the platform's own].")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def audit(data: Path | None, log_key: str | None, as_json: bool) -> None:
    """Recompute every hash, chain, signature and tree head from the stored rows; name each bad entry.

    Ends 0 when everything agrees and 1 when something does not. May run beside the server.
    """
    settings = settings_or_exit(data)
    file = Path(settings.database.removeprefix("sqlite:///"))
    if not settings.postgresql and not file.exists():
        raise click.ClickException(f"{file}: there is no ledger here; start with ./suyuan demo or serve")
    if not (settings.keys / "item.secret").exists() or not (settings.keys / "platform.pub").exists():
        # Loading would make new ones, and then nothing agrees.
        raise click.ClickException(
            f"{settings.keys}: the keys of this ledger are not here; it cannot be audited without"
        )
    secrets = load_secrets(settings.keys)
    own = pinned(settings)
    run = Audit(
        settings.platform, settings.origin, log_key or verifier_key(settings.origin, own.log), secrets.item_secret
    )
    database = Database(settings.database)
    found: list[Finding] = []
    try:
        with database.examining() as session:
            for finding in run.findings(session):
                found.append(finding)  # one at a time: what was found before a damaged page is worth saying
    except DamagedError as error:
        found.append(Finding(None, str(error)))
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    finally:
        database.close()
    if as_json:
        click.echo(
            json.dumps(
                {
                    "leaves": run.leaves,
                    "checkpoints": run.checkpoints,
                    "erased": run.erased,
                    "bad": [{"leaf": each.leaf_index, "what": each.what} for each in found],
                },
                ensure_ascii=False,
            )
        )
    else:
        for each in found[:SHOWN]:
            where = "log" if each.leaf_index is None else f"leaf {each.leaf_index}"
            click.echo(f"BAD  {where}: {each.what}")
        if len(found) > SHOWN:
            click.echo(f"BAD  and {len(found) - SHOWN} more")
        verdict = f"{len(found)} contradictions" if found else "everything agrees"
        click.echo(f"{run.leaves} leaves, {run.checkpoints} checkpoints, {run.erased} disclosures erased: {verdict}")
    sys.exit(1 if found else 0)
