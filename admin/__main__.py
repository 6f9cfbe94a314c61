"""Run `python -m admin`. Its answer alone goes to standard output: the stores log to the other one."""

import sys
from logging import StreamHandler
from typing import TextIO, cast

from admin.cli import main
from fitting_room.observability import logger

cast(StreamHandler[TextIO], logger.registered_handler).setStream(sys.stderr)
main()
