"""`./suyuan verify FILE`: a downloaded proof, checked offline (docs/formats.md, section 7)."""

import dataclasses
import json
import sys
from typing import BinaryIO

import click

from trace.errors import ParseError
from trace.ledger.verify import Outcome, Report, verify_package
from trace.ledger.verify_policy import MAX_POLICY_BYTES, read_policy
from trace.ledger.verify_reading import MAX_PACKAGE_BYTES

EXIT_CODES = {Outcome.VALID: 0, Outcome.INVALID: 1, Outcome.UNCHECKED: 2}

WORDS = {
    "en": {
        "valid": "VALID. All that can be checked holds.",
        "invalid": "INVALID. This proof contradicts itself or what you expected.",
        "unchecked": "COULD NOT CHECK. This says nothing about whether the proof is true.",
        "format": "The file is a proof package.",
        "checkpoint": "The log signed its checkpoint.",
        "witnessed": "The log signed its checkpoint, and the witnesses that the policy demands cosigned it.",
        "inclusion": "Each record stands in the log under that checkpoint.",
        "envelope": "Each record is that of the signed message beside it.",
        "signature": "Each message is signed by a key that the authority registered.",
        "disclosure": "Each detail shown is what was signed.",
        "subject": "Each step is about the thing it is shown for.",
        "chain": "The hops of the thing itself follow each other without a gap.",
        "summary": "{uri}\n{steps} steps, {attested} of them recorded by the platform for somebody without a device. "
        "Log {origin} of {size} records.",
        "own key": "The log key was taken from the file itself: compare it with the one the platform publishes, "
        "or give --log-key.\n  {log_key}",
        "not proven": "Not proven by this:\n"
        "  that the pack holds what its code says;\n"
        "  that the log's item keys belong to these codes (the operator's word, until version 2);\n"
        "  that the containers, lots and inputs shown belong to this thing;\n"
        "{one_log}"
        "  that no later hop is kept back.",
        "one log": "  that everybody is shown this same log (demand witnesses with --policy);\n",
    },
    "zh": {
        "valid": "有效。能核对的全部成立。",
        "invalid": "无效。此证明自相矛盾，或与您的预期不符。",
        "unchecked": "无法核对。这不说明证明是真是假。",
        "format": "文件是证明包。",
        "checkpoint": "检查点由账本签名。",
        "witnessed": "检查点由账本签名，并由策略所要求的见证方会签。",
        "inclusion": "每条记录都在该检查点之下的账本中。",
        "envelope": "每条记录与所附签名报文一致。",
        "signature": "每份报文都由主管机关登记的密钥签名。",
        "disclosure": "所示每项内容都是签名时的内容。",
        "subject": "每一步说的都是所示之物。",
        "chain": "该物自身的环节前后相接，没有缺漏。",
        "summary": "{uri}\n共 {steps} 步，其中 {attested} 步由平台代无设备的一方记录。账本 {origin}，{size} 条记录。",
        "own key": "账本公钥取自文件本身：请与平台公布的公钥比对，或用 --log-key 给出。\n  {log_key}",
        "not proven": "此核对不能证明：\n"
        "  包装内的东西与编码相符；\n"
        "  账本的物品键属于这些编码（第 2 版之前以运营方所述为准）；\n"
        "  所示的容器、批次和投入物属于此物；\n"
        "{one_log}"
        "  没有扣下更晚的环节。",
        "one log": "  人人看到的是同一账本（请用 --policy 要求见证方会签）；\n",
    },
}


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--log-key", metavar="VKEY", help="The log's verifier key, from a source you trust.")
@click.option(
    "--policy",
    type=click.File("rb"),
    metavar="FILE",
    help="Trusted logs, demanded witnesses (c2sp.org/tlog-policy).",
)
@click.option("--uri", metavar="URI", help="The canonical URI of the thing in your hand.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.option("--lang", type=click.Choice(sorted(WORDS)), default="en", show_default=True)
def verify(
    file: BinaryIO, log_key: str | None, policy: BinaryIO | None, uri: str | None, as_json: bool, lang: str
) -> None:
    """Check a downloaded proof package, offline. FILE may be - for standard input.

    Exit status: 0 valid, 1 invalid, 2 could not check.
    """
    # One byte more than allowed is enough to be refused.
    data = file.read(MAX_PACKAGE_BYTES + 1)
    demanded = None if policy is None else policy.read(MAX_POLICY_BYTES + 1)
    report = verify_package(data, log_key=log_key, expected_uri=uri, policy=demanded)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), ensure_ascii=False, indent=2))
    else:
        own_key = log_key is None and not _lists_logs(demanded)
        click.echo(_in_words(report, WORDS[lang], own_key=own_key, witnessed=demanded is not None))
    sys.exit(EXIT_CODES[report.outcome])


def _lists_logs(policy: bytes | None) -> bool:
    try:
        return policy is not None and bool(read_policy(policy).logs)
    except ParseError:
        return False  # the report says so


def _in_words(report: Report, words: dict[str, str], own_key: bool, witnessed: bool) -> str:
    lines = [words[report.outcome], ""]
    for check in report.checks:
        mark = "ok" if check.ok else "??" if check.detail.startswith("could not check") else "NO"
        name = "witnessed" if witnessed and check.name == "checkpoint" else check.name
        lines.append(f"[{mark}] {words[name]}")
        lines.append(f"     {_printable(check.detail)}")
    if report.uri:
        told = {name: _printable(str(value)) for name, value in dataclasses.asdict(report).items()}
        lines += ["", words["summary"].format(**told)]
        if own_key:
            lines += ["", words["own key"].format(**told)]
    lines += ["", words["not proven"].format(one_log="" if witnessed else words["one log"])]
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Text from the file must not steer the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
