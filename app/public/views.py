"""Pages for everybody: the search, the result of a scanned code, its proof. No login, no cookie."""

import json
from urllib.parse import quote

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from app import demo_views
from app.access.rules import anybody
from app.current import services
from app.problems import asks_for_json
from app.public.present import not_found, present
from app.translate import keep_language, language
from scanners.camera import decode_in_child
from trace.identifiers.uris import path_of
from trace.issuing import LinkMark
from trace.query import Asked, asked_by_code, asked_by_path, mark_of, proof, story
from trace.supervision.verdict import VerdictCode

pages = Blueprint("public", __name__)

PHOTO_TIMEOUT_S = 10
PROOF_MEDIA_TYPE = "application/vnd.suyuan.proof.v1+json"


@pages.get("/")
@anybody
def home() -> str:
    # The demo is open when its story is in and its scanner is attached; whoever waits for it asks here.
    if services().settings.demo_state is not None and demo_views.state() is None:
        abort(503, "the demo is still starting")
    return render_template("public/home.html", links=[])


@pages.get("/search")
@anybody
def search() -> Response | tuple[str, int]:
    """To the page of a printed, scanned or typed code."""
    return _show(request.args.get("code", "")[:500].strip())


@pages.post("/search/photo")
@anybody
def search_photo() -> Response | tuple[str, int]:
    """To the page of the first code on a photo. The photo is not kept."""
    photo = request.files.get("photo")
    if photo is None:
        raise BadRequest("photo: expected an image file")
    try:
        scans = decode_in_child(photo.read(), timeout_s=PHOTO_TIMEOUT_S, at=services().clock.now())
    except ValueError as error:
        raise BadRequest(str(error)) from error
    if not scans:
        if asks_for_json():
            abort(404, "photo: no code was found on it")
        return render_template("public/home.html", links=[], empty_photo=True), 404
    return _show(scans[0].raw.decode("utf-8", "replace"))


def _show(code: str) -> Response | tuple[str, int]:
    here = services()
    now = here.clock.now()
    with here.reading() as session:
        asked = asked_by_code(session, here.log, code, here.day_of(now))
    target = asked.uri or asked.fallback
    if target is None:
        return _nothing(code, asked.error)
    return redirect(keep_language(path_of(target)), 303)


@pages.get("/01/<path:rest>", defaults={"ai": "01"})
@pages.get("/00/<path:rest>", defaults={"ai": "00"})
@pages.get("/id/<path:rest>", defaults={"ai": "id"})
@anybody
def result(ai: str, rest: str) -> Response | tuple[str, int]:
    """What is recorded of a thing, under the address that is printed on it; with `/proof` behind it, the proof."""
    path, wants_proof = f"/{ai}/{rest}", False
    if path.endswith("/proof"):
        path, wants_proof = path.removesuffix("/proof"), True
    here = services()
    now = here.clock.now()
    with here.reading() as session:
        asked = asked_by_path(session, here.log, path)
        mark = mark_of(path, request.query_string.decode("latin-1"), here.link_keys)
        if mark is LinkMark.FALSE:
            # Whatever is recorded under this code, this link to it was invented.
            return _nothing(
                path.rsplit("/", 1)[-1],
                "the mark 's' of this link is not ours: it was never issued",
                VerdictCode.INVENTED,
            )
        if asked.uri is None:
            return _unknown(asked, rest, wants_proof, issued=mark is LinkMark.ISSUED)
        if wants_proof:
            return _proof(asked.uri)
        told = story(session, here.log, asked.uri, now, here.zone_offset)
    return render_template("public/result.html", page=present(told, now, language())), 200


def _proof(uri: str) -> Response:
    here = services()
    with here.reading() as session:
        package = proof(session, here.log, here.tree(), uri, here.clock.now(), here.policy)
    body = json.dumps(package, ensure_ascii=False, indent=1).encode("utf-8")
    name = quote(path_of(uri).strip("/").replace("/", "-"), safe="-")
    return Response(
        body,
        mimetype=PROOF_MEDIA_TYPE,
        headers={"Content-Disposition": f"attachment; filename=proof-{name}.json"},
    )


def _unknown(asked: Asked, code: str, wants_proof: bool, *, issued: bool) -> tuple[str, int]:
    if wants_proof:
        abort(404, asked.error or "nothing is recorded under this code, so there is no proof")
    verdict = VerdictCode.UNUSED if issued else VerdictCode.NOT_FOUND
    return _nothing(code.rsplit("/", 1)[-1], asked.error, verdict)


def _nothing(code: str, error: str | None, verdict: VerdictCode = VerdictCode.NOT_FOUND) -> tuple[str, int]:
    """`error` says why the code cannot be one of any pack, where that is known."""
    if asks_for_json():
        abort(404, error or f"code {code[:200]!r}: nothing is recorded under it")
    page = not_found(code[:200], services().clock.now(), language(), verdict)
    return render_template("public/not_found.html", page=page, detail=(error or "")[:300]), 404
