"""Orders of the administrator: a running server carries them out, as it alone appends; without one, the command."""

from collections.abc import Callable
from typing import Any

import click
import httpx

from app.database import AlreadyRunningError
from app.services import Services, load_secrets, open_services
from app.settings import Settings, SettingsError
from app.users import divide
from trace.errors import TraceError
from trace.times import SystemClock

PATIENCE_S = 60

url_option = click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, help="Address of the server, when one is running."
)


def administer(
    settings: Settings,
    url: str,
    address: str,
    order: dict[str, Any],
    carry_out: Callable[[Services, Any], dict[str, Any]],
) -> dict[str, Any]:
    """What came of an order, carried out here or by the server that runs; ends with the reason when it is refused."""
    try:
        divide(settings)
        with open_services(settings, SystemClock()) as services:
            return carry_out(services, order)
    except AlreadyRunningError:
        return _post(settings, f"{url}{address}", order)
    except (TraceError, SettingsError) as error:
        raise click.ClickException(str(error)) from error


def _post(settings: Settings, url: str, order: dict[str, Any]) -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {load_secrets(settings.keys).admin_secret.hex()}",
        "Accept": "application/json",
    }
    try:
        answer = httpx.post(url, json=order, headers=headers, timeout=PATIENCE_S)
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url}: {error or type(error).__name__}; is the server there? see --url") from error
    if answer.status_code != 200:
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"status {answer.status_code}"
        raise click.ClickException(detail)
    told: dict[str, Any] = answer.json()
    return told
