"""Run `python -m admin`."""

from admin.cli import main

main()
