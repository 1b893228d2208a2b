"""The settings of a run, checked before anything runs."""

from __future__ import annotations

import pytest

from pytest_containers.limits import parse_size
from pytest_containers.locate import check as check_engine
from pytest_containers.session import number_setting, setting


def check_settings(config: pytest.Config) -> None:
    """Raise UsageError for a setting that cannot be meant."""
    if refused := check_engine(setting(config, "engine")):
        raise pytest.UsageError(f"containers_engine {refused}")
    missing = setting(config, "missing")
    if missing not in {"fail", "skip"}:
        raise pytest.UsageError(f"containers_missing must be fail or skip, not {missing!r}")
    scope = setting(config, "scope")
    if scope not in {"function", "class", "module", "package", "session"}:
        raise pytest.UsageError(f"containers_scope must be function, class, module, package or session, not {scope!r}")
    limits = setting(config, "limits")
    if limits not in {"enforce", "warn"}:
        raise pytest.UsageError(f"containers_limits must be enforce or warn, not {limits!r}")
    if setting(config, "lookahead") not in {"on", "off"}:
        raise pytest.UsageError(f"containers_lookahead must be on or off, not {setting(config, 'lookahead')!r}")
    if setting(config, "shared") not in {"true", "false"}:
        raise pytest.UsageError(f"containers_shared must be true or false, not {setting(config, 'shared')!r}")
    number_setting(config, "timeout", above=0)
    number_setting(config, "log_lines", above=-1)
    _check_budget(config)


def _check_budget(config: pytest.Config) -> None:
    number_setting(config, "max", above=-1)
    try:
        parse_size("containers_memory", setting(config, "memory"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
