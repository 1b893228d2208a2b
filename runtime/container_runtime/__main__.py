"""``python -m container_runtime``."""

import sys

from container_runtime.serve import main

sys.exit(main())
