"""``python -m container_runtime``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def _leave(code: int) -> NoReturn:
    """End the process; what Python would do besides is to take apart some 300 modules, for which pytest would wait."""
    import atexit
    import os

    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if sys.argv[1:2] == ["doctor"]:  # it shares nothing with the engine's start, which must stay fast
    from container_runtime.doctor.main import main

    sys.exit(main())
elif sys.argv[1:2] == ["clean"]:
    from container_runtime.clean import main

    sys.exit(main())
else:
    from container_runtime.serve import main

    _leave(main())
