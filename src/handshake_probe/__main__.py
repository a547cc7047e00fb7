"""`python -m handshake_probe`."""

import sys

from handshake_probe.cli import main

sys.exit(main())
