"""What granian loads in its worker: the application on services that live as long as the process."""

import atexit
import logging
from contextlib import ExitStack

from app import create_app
from app.services import Role, open_services, spare_the_collector
from app.settings import read_settings
from trace.times import SystemClock

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("alembic").setLevel(logging.WARNING)

_running = ExitStack()
atexit.register(_running.close)
_settings = read_settings()
_role = Role.WEB if _settings.postgresql else Role.ALL
application = create_app(_running.enter_context(open_services(_settings, SystemClock(), _role)))
spare_the_collector()
