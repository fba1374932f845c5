"""What granian loads in its worker: the application on services that live as long as the process."""

import atexit
import logging
import os
from contextlib import ExitStack

from app import create_app
from app.services import Role, open_services, spare_the_collector
from app.settings import read_settings
from app.users import become_web_user
from trace.times import SystemClock

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("alembic").setLevel(logging.WARNING)

os.umask(0o077)
_settings = read_settings()
become_web_user(_settings)
_running = ExitStack()
atexit.register(_running.close)
_role = Role.WEB if _settings.postgresql else Role.ALL
application = create_app(_running.enter_context(open_services(_settings, SystemClock(), _role, watched_signer=True)))
spare_the_collector()
