"""`python -m app`: the command line of the server."""

import click

from app.commands.account import account
from app.commands.audit import audit
from app.commands.bench import bench
from app.commands.conformance import conformance
from app.commands.decode import decode, encode
from app.commands.demo import demo
from app.commands.doctor import doctor
from app.commands.issue import issue, symbol
from app.commands.keys import keys
from app.commands.mirror import mirror
from app.commands.records import correct, erase
from app.commands.serve import serve
from app.commands.signer import signer
from app.commands.verify import verify
from app.commands.witness import witness
from app.commands.work import work


@click.group()
def main() -> None:
    """Suyuan 溯源: food and drug traceability for a city."""


_LEDGER = (audit, correct, erase, verify, conformance, witness, mirror)
for command in (demo, serve, work, signer, doctor, keys, account, *_LEDGER, decode, encode, issue, symbol, bench):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="suyuan")
