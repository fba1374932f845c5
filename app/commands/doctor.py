"""`doctor`: which protection is in force, and what an operator should look at."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.examine import Weight, examine
from trace.times import SystemClock


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def doctor(data: Path | None, as_json: bool) -> None:
    """Look at keys, files, database, disk and clock, and say what to do; changes nothing.

    Ends 0 when nothing is dangerous, else 1. May run beside the server.
    """
    os.umask(0o077)  # SQLite makes its own files when the database is looked at
    settings = settings_or_exit(data)
    found = list(examine(settings, SystemClock()))
    dangerous = [each for each in found if each.weight is Weight.DANGER]
    if as_json:
        value = {"data": str(settings.data), "dangerous": len(dangerous), "found": [asdict(each) for each in found]}
        click.echo(json.dumps(value, ensure_ascii=False))
    else:
        for each in found:
            click.echo(f"{each.weight:<7} {each.what}: {each.said}")
            if each.do:
                click.echo(f"        {each.do}")
    sys.exit(1 if dangerous else 0)
