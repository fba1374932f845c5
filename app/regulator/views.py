"""The regulator's first list: serious violations, with basis, period and status."""

from collections import Counter

from flask import Blueprint, render_template, request

from app.access.rules import role
from app.current import account, services
from trace.register import blacklist as listings
from trace.supervision.blacklist import Status

pages = Blueprint("regulator", __name__)


@pages.get("/regulator/blacklist")
@role("regulator")
def blacklist() -> str:
    here = services()
    today = here.day_of(here.clock.now())
    with here.reading() as session:
        found = listings(session, here.settings.platform, today)
    status, words = request.args.get("status", ""), request.args.get("q", "")[:100].strip()
    shown = [
        {**vars(each.entry), "status": str(each.status)}
        for each in found
        if (status not in set(Status) or each.status == status)
        and (words.casefold() in each.entry.name.casefold() or words.upper() == each.entry.uscc)
    ]
    return render_template(
        "regulator/blacklist.html",
        account=account(),
        entries=shown,
        filters={"status": status, "q": words},
        counts={str(each): 0 for each in Status} | Counter(str(each.status) for each in found),
    )
