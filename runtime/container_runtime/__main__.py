"""``python -m container_runtime``."""

import sys

if sys.argv[1:2] == ["doctor"]:  # it shares nothing with the engine's start, which must stay fast
    from container_runtime.doctor.main import main
else:
    from container_runtime.serve import main

sys.exit(main())
