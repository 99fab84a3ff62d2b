"""``python -m lanewatch``: the command line."""

from lanewatch.cli import main

raise SystemExit(main())
