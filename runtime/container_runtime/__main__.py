"""``python -m container_runtime``."""

import sys

if sys.argv[1:2] == ["doctor"]:  # it shares nothing with the engine's start, which must stay fast
    from container_runtime.doctor.main import main
elif sys.argv[1:2] == ["clean"]:
    from container_runtime.clean import main
else:
    from container_runtime.serve import main

sys.exit(main())
