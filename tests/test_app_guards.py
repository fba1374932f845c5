"""What people forget: a mark on every route, a row for every error, a line in the README for every setting."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import problems
from app.access.rules import role, rule_of
from app.settings import Settings
from tests.conftest import ROOT, missing
from tests.served import HTML, JSON, OPERATOR, World, problem, world
from trace import errors


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("guards") / "data") as running:
        yield running


def leaves(of: type[errors.TraceError]) -> list[type[errors.TraceError]]:
    below = of.__subclasses__()
    return [of] if not below else [leaf for each in below for leaf in leaves(each)]


STATUS = {
    errors.ParseError: 400,
    errors.ValidationError: 400,
    errors.LimitError: 413,
    errors.NotFoundError: 404,
    errors.ForkError: 409,
    errors.SignatureError: 403,
    errors.UnknownKeyError: 403,
    errors.RevokedKeyError: 403,
    errors.UnavailableError: 503,
    errors.UncheckedError: 503,
    errors.LedgerError: 500,
}


# ---- routes ---------------------------------------------------------------------------------------


def test_every_route_says_who_may_call_it(here: World) -> None:
    unmarked = [
        str(rule)
        for rule in here.app.url_map.iter_rules()
        if rule.endpoint != "static" and rule_of(here.app.view_functions[rule.endpoint]) is None
    ]
    assert unmarked == []


def test_who_may_call_what_is_what_was_decided(here: World) -> None:
    rules = {
        str(rule): rule_of(here.app.view_functions[rule.endpoint])
        for rule in here.app.url_map.iter_rules()
        if rule.endpoint != "static"
    }
    assert {path for path, rule in rules.items() if rule == "operator"} == {"/enterprise/"}
    assert {path for path, rule in rules.items() if rule == "regulator"} == {"/regulator/blacklist"}
    assert {path for path, rule in rules.items() if rule == "administrator"} == {"/admin/keys", "/admin/records"}
    assert {path for path, rule in rules.items() if rule == "anybody"} == {
        "/",
        "/search",
        "/search/photo",
        "/01/<path:rest>",
        "/00/<path:rest>",
        "/id/<path:rest>",
        "/login",
        "/logout",
        "/capture",
        "/checkpoint",
        "/tile/<path:rest>",  # entry bundles ask for a mirror's token
        "/tlog-proof/<index>",
        "/healthz",
        "/decode",
    }


def test_a_route_without_a_mark_is_refused_even_to_the_signed_in(here: World) -> None:
    app = here.fresh_app()
    app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    browser = here.signed_in(OPERATOR, app)
    answer = browser.get("/forgotten", headers=JSON)
    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_a_role_that_nobody_has_lets_nobody_in(here: World) -> None:
    app = here.fresh_app()
    app.add_url_rule("/later", view_func=role("auditor")(lambda: "secret"), endpoint="later")
    browser = here.signed_in(OPERATOR, app)
    assert browser.get("/later", headers=HTML).status_code == 403


# ---- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", leaves(errors.TraceError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_core_has_its_row_and_status(kind: type[errors.TraceError]) -> None:
    assert kind in [row[0] for row in problems.TABLE], "no row of its own"
    error = kind("what came")
    assert int(problems.row_of(error)[0]) == STATUS[kind]


def test_every_row_names_its_problem_differently() -> None:
    names = [name for _, _, name in problems.TABLE]
    assert len(set(names)) == len(names)


def test_no_row_hides_a_later_one() -> None:
    kinds = [kind for kind, _, _ in problems.TABLE]
    hidden = [later.__name__ for at, later in enumerate(kinds) for earlier in kinds[:at] if issubclass(later, earlier)]
    assert hidden == []


@pytest.mark.parametrize("kind", leaves(errors.TraceError), ids=lambda kind: kind.__name__)
def test_an_error_of_the_core_is_told_to_programs_and_to_people(here: World, kind: type[errors.TraceError]) -> None:
    app = here.fresh_app()

    def fails() -> str:
        raise kind("GTIN '0690': check digit is 3, computed 7.")

    app.add_url_rule("/fails", view_func=role("operator")(fails), endpoint="fails")
    browser = here.signed_in(OPERATOR, app)
    told = problem(browser.get("/fails", headers=JSON))
    assert told["status"] == STATUS[kind]
    assert told["type"] == f"https://localhost/problems/{'incident' if STATUS[kind] == 500 else name_of(kind)}"
    page = browser.get("/fails", headers=HTML)
    assert page.status_code == STATUS[kind]
    assert page.mimetype == "text/html"
    # A ledger that contradicts itself is for the log and for the person who looks, not for the visitor.
    assert ("computed 7" in told["detail"]) == ("computed 7" in page.text) == (STATUS[kind] != 500)
    assert page.headers.get("Retry-After") == ("1" if kind is errors.UnavailableError else None)


def name_of(kind: type[errors.TraceError]) -> str:
    return next(name for row, _, name in problems.TABLE if row is kind)


# ---- settings -------------------------------------------------------------------------------------

NOT_SET_BY_PEOPLE = {"demo_state", "platform"}


def test_every_setting_is_in_the_readme() -> None:
    file: Path = ROOT / "README.md"
    if not file.exists():
        missing("README.md")
    found = re.search(r"^#+ Settings\n(.*?)(?=^#|\Z)", file.read_text(encoding="utf-8"), re.M | re.S)
    assert found, "README.md has no section Settings"
    rows = set(re.findall(r"^\| *`([a-z_]+)`", found[1], re.M))
    assert rows == {each.name for each in dataclasses.fields(Settings)} - NOT_SET_BY_PEOPLE
