"""`audit`: recompute the whole ledger from the stored rows, or what came since the last audit.

After an audit without a finding the newest checkpoint is kept in `audited.checkpoint`, as the log key signed it; with
`--since-last` the next one goes on from there. The module `trace.audit` says what is then looked at again and what not.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.database import DamagedError, Database
from app.services import load_secrets
from app.signing import pinned
from trace.audit import Audit, Finding
from trace.errors import TraceError
from trace.files import replace_file
from trace.ledger.checkpoint import verifier_key

SHOWN = 50
"""Contradictions printed one a line; of the rest the leaves are named."""


@click.command()
@data_option
@click.option("--log-key", help="Verifier key that checkpoints must be signed by [default: the platform's own].")
@click.option("--since-last", is_flag=True, help="Go on from the checkpoint that the last audit in order ended with.")
@click.option(
    "--audited",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where that checkpoint is kept [default: audited.checkpoint in the data folder].",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def audit(data: Path | None, log_key: str | None, since_last: bool, audited: Path | None, as_json: bool) -> None:
    """Recompute every hash, chain, signature and tree head from the stored rows; name each bad entry.

    Ends 0 when everything agrees and 1 when something does not. May run beside the server.

    With --since-last, entries before the last audited checkpoint are hashed again (records, envelopes, chains, root),
    but their signatures are not checked again, and changes of their disclosures and index rows are not seen.
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
    state = audited or settings.data / "audited.checkpoint"
    if since_last:
        _resume(run, state)
    database = Database(settings.database)
    found: list[Finding] = []
    try:
        with database.examining() as session, _progress(run.size(session)) as run.on_progress:
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
                    "since": 0 if run.since is None else run.since.size,
                    "checkpoints": run.checkpoints,
                    "erased": run.erased,
                    "bad": [{"leaf": each.leaf_index, "what": each.what} for each in found],
                },
                ensure_ascii=False,
            )
        )
    else:
        _print(run, found)
    if not found and run.audited is not None:
        _keep(state, run.audited.note)
    sys.exit(1 if found else 0)


def _print(run: Audit, found: Sequence[Finding]) -> None:
    for each in found[:SHOWN]:
        where = "log" if each.leaf_index is None else f"leaf {each.leaf_index}"
        click.echo(f"BAD  {where}: {each.what}")
    if len(found) > SHOWN:
        rest = {each.leaf_index for each in found[SHOWN:] if each.leaf_index is not None}
        where = f", leaves {_ranges(sorted(rest))}" if rest else ""
        click.echo(f"BAD  and {len(found) - SHOWN} more{where}; --json has them all")
    verdict = f"{len(found)} contradictions" if found else "everything agrees"
    since = "" if run.since is None else f" (those before {run.since.size} were audited before)"
    click.echo(f"{run.leaves} leaves{since}, {run.checkpoints} checkpoints, {run.erased} disclosures erased: {verdict}")


def _ranges(numbers: Sequence[int]) -> str:
    """`3-5, 9` for sorted numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


@contextmanager
def _progress(leaves: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, when somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with click.progressbar(length=leaves, label="audit", file=sys.stderr) as bar:
        yield lambda done: bar.update(done - bar.pos)


def _resume(run: Audit, state: Path) -> None:
    try:
        run.resume(state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        click.echo(f"{state.name}: nothing was audited yet, so everything is", err=True)
    except (OSError, UnicodeDecodeError, TraceError) as error:
        raise click.ClickException(f"{state}: {error}; delete it to audit everything") from error


def _keep(state: Path, note: str) -> None:
    try:
        replace_file(state, note.encode("utf-8"), mode=0o666)
    except OSError as error:
        # The verdict stands; the next audit has more to do.
        click.echo(f"{state}: not kept for --since-last: {error.strerror}", err=True)
