"""Who is calling: signing in, staying in, being shown out (controls C07, C09, C13 to C15, C61)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.access.accounts import Account, accounts, add_account, set_password
from app.access.passwords import random_password
from app.access.rules import COOKIE
from app.services import open_services
from tests.served import (
    HTML,
    JSON,
    OPERATOR,
    PASSWORDS,
    REGULATOR,
    START,
    World,
    csrf_token,
    problem,
    settings,
    sign_in,
    world,
)
from trace.errors import ConflictError, ValidationError
from trace.times import SetClock

HOMES = {OPERATOR: "/enterprise/", REGULATOR: "/regulator/blacklist"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("access") / "data") as running:
        yield running


def token_of(browser: FlaskClient) -> str:
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def with_token(here: World, token: str) -> FlaskClient:
    browser = here.visitor()
    browser.set_cookie(COOKIE, token)
    return browser


# ---- signing in -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOMES)
def test_the_right_password_leads_to_the_desk_of_the_role(here: World, name: str) -> None:
    browser = here.visitor()
    answer = sign_in(browser, name, PASSWORDS[name])
    assert (answer.status_code, answer.location) == (303, HOMES[name])
    assert browser.get(HOMES[name], headers=HTML).status_code == 200


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(here: World) -> None:
    pages = []
    for name, password in ((OPERATOR, "wrong"), ("nobody", PASSWORDS[OPERATOR]), (OPERATOR, ""), ("", "")):
        browser = here.visitor()
        answer = sign_in(browser, name, password)
        assert answer.status_code == 401
        assert browser.get_cookie(COOKIE) is None
        pages.append(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(set(pages)) == 1
    assert "账号或密码不对" in pages[0]


def test_a_name_is_only_text(here: World) -> None:
    for name in ("<script>alert(1)</script>", "a" * 10_000, "\x00", "' OR 1=1 --", OPERATOR.upper()):
        answer = sign_in(here.visitor(), name, PASSWORDS[OPERATOR])
        assert answer.status_code == 401
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize("form", [{}, {"csrf_token": ""}, {"csrf_token": "made-up"}], ids=["none", "empty", "foreign"])
def test_a_form_without_its_token_is_refused(here: World, form: dict[str, str]) -> None:
    browser = here.visitor()
    browser.get("/login")
    fields = {"username": OPERATOR, "password": PASSWORDS[OPERATOR], **form}
    answer = browser.post("/login", data=fields, headers=JSON)
    assert answer.status_code == 400
    assert "CSRF" in problem(answer)["detail"]
    assert browser.get_cookie(COOKIE) is None


def test_a_token_of_another_browser_is_refused(here: World) -> None:
    foreign = csrf_token(here.visitor().get("/login"))
    browser = here.visitor()
    browser.get("/login")
    fields = {"username": OPERATOR, "password": PASSWORDS[OPERATOR], "csrf_token": foreign}
    assert browser.post("/login", data=fields).status_code == 400


@pytest.mark.parametrize("path", ["/enterprise/", "/logout"])
def test_every_form_of_the_signed_in_needs_its_token(here: World, path: str) -> None:
    browser = here.signed_in(OPERATOR)
    assert browser.post(path, data={}, headers=HTML).status_code == 400
    assert browser.get("/enterprise/", headers=HTML).status_code == 200


# ---- where signing in leads ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "https://evil.example",
        "http:evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "//[",
        "/\t/[",
        "evil.example",
        "@evil.example",
        " //evil.example",
        "\x00//evil.example",
    ],
)
def test_signing_in_never_leads_off_the_platform(here: World, address: str) -> None:
    answer = sign_in(here.visitor(), OPERATOR, PASSWORDS[OPERATOR], next=address)
    assert (answer.status_code, answer.location) == (303, "/enterprise/")


def test_signing_in_leads_back_to_where_one_was(here: World) -> None:
    browser = here.visitor()
    away = browser.get("/enterprise/?lang=en", headers=HTML)
    assert away.status_code == 302
    assert away.location == "/login?next=/enterprise/?lang%3Den"
    page = browser.get(away.location, headers=HTML)
    assert 'name="next" value="/enterprise/?lang=en"' in page.text
    answer = sign_in(browser, OPERATOR, PASSWORDS[OPERATOR], next="/enterprise/?lang=en")
    assert answer.location == "/enterprise/?lang=en"


# ---- who may go where -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOMES.values())
def test_who_is_not_signed_in_is_sent_to_sign_in_and_a_program_gets_401(here: World, path: str) -> None:
    answer = here.visitor().get(path, headers=HTML)
    assert (answer.status_code, answer.location) == (302, f"/login?next={path}")
    assert problem(here.visitor().get(path, headers=JSON))["status"] == 401


@pytest.mark.parametrize(("name", "path"), [(OPERATOR, HOMES[REGULATOR]), (REGULATOR, HOMES[OPERATOR])])
def test_one_role_does_not_see_the_desk_of_the_other(here: World, name: str, path: str) -> None:
    browser = here.signed_in(name)
    page = browser.get(path, headers=HTML)
    assert page.status_code == 403
    assert "不能看这一页" in page.text
    assert problem(browser.get(path, headers=JSON))["status"] == 403


@pytest.mark.parametrize("token", ["", "x", "a" * 5000, "\x7f", "中", "0" * 43])
def test_a_made_up_token_is_nobody(here: World, token: str) -> None:
    answer = here.visitor().get("/enterprise/", headers={**HTML, "Cookie": f"{COOKIE}={token}"})
    assert answer.status_code == 302


# ---- the cookie -------------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_site_alone_and_not_for_scripts(here: World) -> None:
    answer = sign_in(here.visitor(), OPERATOR, PASSWORDS[OPERATOR])
    (cookie,) = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith(f"{COOKIE}=")]
    parts = set(cookie.split("; ")[1:])
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=28800"} <= parts
    assert not any(part.startswith("Domain=") for part in parts)
    assert "Secure" not in parts, "the demo is served over http on loopback"


def test_over_https_the_cookie_is_secure(here: World) -> None:
    browser = here.visitor()
    page = browser.get("/login", base_url="https://localhost")
    fields = {"username": OPERATOR, "password": PASSWORDS[OPERATOR], "csrf_token": csrf_token(page)}
    answer = browser.post(
        "/login", data=fields, base_url="https://localhost", headers={"Referer": "https://localhost/login"}
    )
    assert answer.status_code == 303
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


def test_each_signing_in_has_a_token_of_its_own_and_ends_the_one_before(here: World) -> None:
    browser = here.signed_in(OPERATOR)
    first = token_of(browser)
    sign_in(browser, OPERATOR, PASSWORDS[OPERATOR])
    second = token_of(browser)
    assert first != second
    assert len(second) >= 43, "256 bits"
    assert with_token(here, first).get("/enterprise/", headers=JSON).status_code == 401
    assert with_token(here, second).get("/enterprise/", headers=JSON).status_code == 200


def test_a_failed_signing_in_ends_nothing(here: World) -> None:
    browser = here.signed_in(OPERATOR)
    assert sign_in(browser, OPERATOR, "wrong").status_code == 401
    assert browser.get("/enterprise/", headers=HTML).status_code == 200


def test_what_the_signed_in_see_is_kept_by_no_cache(here: World) -> None:
    for name, path in HOMES.items():
        assert here.signed_in(name).get(path, headers=HTML).headers["Cache-Control"] == "no-store"


# ---- the end of a session -----------------------------------------------------------------------------------


def test_signing_out_kills_the_token(here: World) -> None:
    browser = here.signed_in(REGULATOR)
    token = token_of(browser)
    page = browser.get(HOMES[REGULATOR], headers=HTML)
    answer = browser.post("/logout", data={"csrf_token": csrf_token(page)}, headers=HTML)
    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["Clear-Site-Data"] == '"cookies"'
    assert browser.get_cookie(COOKIE) is None
    assert with_token(here, token).get(HOMES[REGULATOR], headers=JSON).status_code == 401


def test_half_an_hour_without_a_request_ends_a_session(here: World) -> None:
    browser = here.signed_in(OPERATOR)
    here.clock.advance(minutes=30)
    assert browser.get("/enterprise/", headers=JSON).status_code == 200
    here.clock.advance(minutes=30, seconds=1)
    assert browser.get("/enterprise/", headers=JSON).status_code == 401


def test_eight_hours_end_a_session_however_busy(here: World) -> None:
    browser = here.signed_in(OPERATOR)
    for _ in range(24):
        here.clock.advance(minutes=20)
        assert browser.get("/enterprise/", headers=JSON).status_code == 200
    here.clock.advance(seconds=1)
    assert browser.get("/enterprise/", headers=JSON).status_code == 401


def test_pages_for_everybody_do_not_keep_a_session_alive(here: World) -> None:
    browser = here.signed_in(OPERATOR)
    for _ in range(4):
        here.clock.advance(minutes=10)
        assert browser.get("/", headers=HTML).status_code == 200
    assert browser.get("/enterprise/", headers=JSON).status_code == 401


def test_a_new_password_ends_the_sessions_of_the_old_one(here: World) -> None:
    with here.services.writing() as session:
        add_account(session, 1, Account("leaver", "regulator", None, None, "甲", "A"), "first password")
    browsers = [here.visitor(), here.visitor()]
    for browser in browsers:
        assert sign_in(browser, "leaver", "first password").status_code == 303
    other = here.signed_in(REGULATOR)
    with here.services.writing() as session:
        assert set_password(session, 1, "leaver", "second password")
    for browser in browsers:
        assert browser.get(HOMES[REGULATOR], headers=JSON).status_code == 401
    assert other.get(HOMES[REGULATOR], headers=JSON).status_code == 200
    assert sign_in(here.visitor(), "leaver", "first password").status_code == 401
    assert sign_in(here.visitor(), "leaver", "second password").status_code == 303


# ---- what is kept ----------------------------------------------------------------------------------------------


def test_a_fresh_platform_has_no_account(tmp_path: Path) -> None:
    with open_services(settings(tmp_path), SetClock(START)) as services, services.reading() as session:
        assert accounts(session, 1) == []


def test_passwords_are_kept_as_argon2id_and_tokens_as_hashes(here: World) -> None:
    token = token_of(here.signed_in(OPERATOR))
    with here.services.database.engine.connect() as connection:
        stored = [row[0] for row in connection.exec_driver_sql("SELECT password_hash FROM account")]
    assert len(stored) >= 2
    for each in stored:
        found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$\S+", each)
        assert found, each
        assert int(found[1]) >= 19 * 1024 and int(found[2]) >= 2
    kept = [path for path in here.folder.rglob("*") if path.is_file()]
    assert {"suyuan.sqlite", "suyuan.sqlite-wal"} <= {path.name for path in kept}
    for path in kept:
        content = path.read_bytes()
        for secret in (*PASSWORDS.values(), token):
            assert secret.encode() not in content, path.name


def test_what_is_secret_on_disk_is_for_the_owner_alone(here: World) -> None:
    keys = here.folder / "keys"
    assert keys.stat().st_mode & 0o077 == 0
    assert [path.name for path in keys.iterdir() if path.stat().st_mode & 0o077] == []


def test_random_passwords_are_long_and_never_the_same() -> None:
    made = {random_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", each) for each in made)


def test_a_name_can_be_taken_once(here: World) -> None:
    account = Account(OPERATOR, "regulator", None, None, "乙", "B")
    with pytest.raises(ConflictError) as caught, here.services.writing() as session:
        add_account(session, 1, account, "other")
    assert str(caught.value) == f"account '{OPERATOR}': exists already"
    assert here.signed_in(OPERATOR).get("/enterprise/", headers=HTML).status_code == 200


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "x" * 61])
def test_a_name_that_nobody_could_type_is_refused(here: World, name: str) -> None:
    with pytest.raises(ValidationError) as caught, here.services.writing() as session:
        add_account(session, 1, Account(name, "regulator", None, None, "乙", "B"), "other")
    assert str(caught.value) == f"account {name!r}: expected 1 to 60 characters without spaces around"
