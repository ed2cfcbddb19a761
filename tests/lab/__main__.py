"""Entry point: `python -m tests.lab VERB`."""

from tests.lab.cli import main

raise SystemExit(main())
