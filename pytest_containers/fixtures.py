"""``container`` and ``network``: definitions that pytest takes for what they become, fixtures.

What they return is pytest's own fixture object around a function that is made here, so that scopes, overriding,
parametrisation, ``--fixtures`` and ``--setup-plan`` need nothing of ours. The function's place is the line of the
definition, and its signature names what it depends on.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

import pytest

from pytest_containers.definition import ContainerSpec, specify
from pytest_containers.errors import ContainerError
from pytest_containers.markers import limits_of
from pytest_containers.networks import Network
from pytest_containers.session import create_network, engine_of, failure, with_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from types import FrameType, FunctionType
    from typing import Unpack

    from pytest_containers.definition import Command, CommonOptions
    from pytest_containers.handle import Container

Scope = Literal["function", "class", "module", "package", "session"]
ENGINE_NETWORKS = frozenset({"bridge", "host", "none"})
OURS = "__pytest_containers__"
"""An attribute of the functions below, by which collection sees that a test needs the engine."""
_HOME = "__pytest_containers_globals__"

T_co = TypeVar("T_co", covariant=True)


class Fixture(Generic[T_co]):
    """A fixture whose value is a ``T_co``, for type checkers; at run time it is pytest's own object."""


def _caller() -> FrameType:
    """The frame that called the function that calls this one: where the user writes a definition."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    if frame is None:
        raise RuntimeError("containers are defined in modules and conftest.py")
    return frame


def _hidden(info: pytest.ExceptionInfo[BaseException]) -> bool:
    """Our frames are hidden, but for a failure in words alone: pytest would remark that it has no frames at all."""
    return not isinstance(info.value, pytest.fail.Exception)


def _function(body: Callable[..., Generator[Any]], dependencies: Iterable[str], frame: FrameType, doc: str) -> Any:
    """A function around ``body`` with a signature of its own, placed at the line that ``frame`` is executing."""

    def define(**values: object) -> Generator[Any]:
        __tracebackhide__ = _hidden
        yield from body(**values)

    function = cast("FunctionType", define)
    function.__code__ = function.__code__.replace(co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno)
    function.__module__ = frame.f_globals.get("__name__", function.__module__)
    function.__doc__ = doc
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = dict.fromkeys(["request", *dependencies])
    cast("Any", function).__signature__ = inspect.Signature([inspect.Parameter(name, positional) for name in names])
    setattr(function, OURS, True)
    return staticmethod(function) if "__qualname__" in frame.f_locals else function  # in a class pytest would bind it


def _fixture(
    function: Callable[..., Any],
    frame: FrameType,
    scope: Scope,
    params: Sequence[object] | None,
    ids: Sequence[str] | None,
    autouse: bool,
) -> Any:
    made = pytest.fixture(scope=scope, params=params, ids=ids, autouse=autouse)(function)
    setattr(made, _HOME, frame.f_globals)
    return made


def _name_of(fixture: object, frame: FrameType) -> str:
    """The name under which a fixture object is known where it is used, or in the module that it was made in."""
    home: Mapping[str, object] = getattr(fixture, _HOME, {})
    for names in (frame.f_locals, frame.f_globals, home):
        for name, value in names.items():
            if value is fixture:
                return name
    raise ValueError(f"network={fixture!r} has no name: assign network(…) to a variable of the module first")


def _dependency(wanted: object, frame: FrameType) -> tuple[list[str], str | None]:
    """The fixture that ``network=`` refers to, or the engine's network that it names."""
    if wanted is None or (isinstance(wanted, str) and wanted in ENGINE_NETWORKS):
        return [], wanted
    if isinstance(wanted, str):
        return [wanted], None
    if hasattr(wanted, _HOME):
        return [_name_of(wanted, frame)], None
    raise TypeError(f"network must be a fixture made by network(), its name, or one of bridge, host, none: {wanted!r}")


def _with_parameter(spec: ContainerSpec, request: pytest.FixtureRequest) -> ContainerSpec:
    """The definition as the fixture's parameter changes it: an image, some fields, or all."""
    if not hasattr(request, "param"):
        return spec
    param: object = request.param
    if isinstance(param, ContainerSpec):
        return param
    try:
        if isinstance(param, str):
            return replace(spec, image=param)
        if isinstance(param, dict):
            return replace(spec, **cast("dict[str, Any]", param))
    except (TypeError, ValueError) as error:
        raise failure(f"container {request.fixturename}: bad parameter {param!r}: {error}") from None
    pytest.fail(f"container {request.fixturename}: a parameter is an image, a dict or a ContainerSpec", pytrace=False)


def _live(request: pytest.FixtureRequest, spec: ContainerSpec) -> Generator[Container]:
    """Start, hand over, remove. What goes wrong is told in its own words, without a traceback through us."""
    __tracebackhide__ = _hidden
    node: pytest.Item | pytest.Collector = request.node
    spec = with_marker(spec, spec.limits, limits_of(node))
    name = request.fixturename or ""
    try:
        engine = engine_of(request.config)
        live = engine.run_container(spec, node=node, name=name)
    except ContainerError as error:
        raise failure(error) from None
    yield live
    try:
        engine.remove(live)
    except ContainerError as error:
        raise failure(error) from None


class _Container:
    """``container(…)`` and ``@container.define``."""

    def __call__(
        self,
        image: str,
        command: Command | None = None,
        *,
        scope: Scope = "function",
        params: Sequence[str | Mapping[str, object] | ContainerSpec] | None = None,
        ids: Sequence[str] | None = None,
        autouse: bool = False,
        network: Fixture[Network] | str | None = None,
        **options: Unpack[CommonOptions],
    ) -> Fixture[Container]:
        """Define a container; assigned to a name of a module or ``conftest.py``, that name is a fixture.

        ``network``: a fixture made by ``network()``, its name, or the engine's ``bridge``, ``host`` or ``none``.
        ``params``: the fixture's parameters, each an image, a dict of fields or a whole ContainerSpec. ``scope``,
        ``ids`` and ``autouse`` are those of ``pytest.fixture``; the other options are ContainerSpec's.
        """
        __tracebackhide__ = True
        frame = _caller()
        dependencies, name = _dependency(network, frame)
        spec = specify(image, command, {"network": name, **options})

        def body(request: pytest.FixtureRequest, **values: object) -> Generator[Container]:
            __tracebackhide__ = _hidden
            wanted = spec
            for dependency in dependencies:
                found = values[dependency]
                if not isinstance(found, Network):
                    pytest.fail(
                        f"container {request.fixturename}: network={dependency!r} is no network fixture, its value is "
                        f"{found!r}",
                        pytrace=False,
                    )
                wanted = replace(spec, network=found)
            return _live(request, _with_parameter(wanted, request))

        words = "" if command is None else f" running {command if isinstance(command, str) else ' '.join(command)}"
        function = _function(body, dependencies, frame, f"A container of image {image}{words}.")
        return _fixture(function, frame, scope, params, ids, autouse)

    @overload
    def define(self, function: Callable[..., ContainerSpec]) -> Fixture[Container]: ...

    @overload
    def define(
        self,
        *,
        scope: Scope = ...,
        params: Sequence[object] | None = ...,
        ids: Sequence[str] | None = ...,
        autouse: bool = ...,
    ) -> Callable[[Callable[..., ContainerSpec]], Fixture[Container]]: ...

    def define(
        self,
        function: Callable[..., ContainerSpec] | None = None,
        *,
        scope: Scope = "function",
        params: Sequence[object] | None = None,
        ids: Sequence[str] | None = None,
        autouse: bool = False,
    ) -> Any:
        """Make a container fixture of a function that returns a ContainerSpec and may use any other fixtures."""
        frame = _caller()

        def decorate(function: Callable[..., ContainerSpec]) -> Any:
            return _fixture(_defined(function), frame, scope, params, ids, autouse)

        return decorate if function is None else decorate(function)


def _defined(function: Callable[..., ContainerSpec]) -> Any:
    signature = inspect.signature(function)
    wants_request = "request" in signature.parameters

    @functools.wraps(function)
    def define(*instance: object, request: pytest.FixtureRequest, **values: object) -> Generator[Container]:
        __tracebackhide__ = _hidden
        if wants_request:
            values["request"] = request
        spec = cast("object", function(*instance, **values))
        if not isinstance(spec, ContainerSpec):
            pytest.fail(
                f"container {request.fixturename}: {function.__name__}() must return a ContainerSpec, not {spec!r}",
                pytrace=False,
            )
        yield from _live(request, spec)

    if not wants_request:
        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        signature = signature.replace(parameters=[*signature.parameters.values(), request])
    cast("Any", define).__signature__ = signature
    setattr(define, OURS, True)
    return define


container: _Container = _Container()


def network(*, scope: Scope = "function", internal: bool = False, autouse: bool = False) -> Fixture[Network]:
    """Define a private network; assigned to a name of a module or ``conftest.py``, that name is a fixture.

    Its containers reach each other by the names of their fixtures. ``internal``: without a way out.
    """
    frame = _caller()

    def body(request: pytest.FixtureRequest) -> Generator[Network]:
        __tracebackhide__ = _hidden
        name = request.fixturename or "network"
        try:
            engine = engine_of(request.config)
            made = create_network(engine, name, internal=internal)
        except ContainerError as error:
            raise failure(error) from None
        yield made
        try:
            engine.remove(made)
        except ContainerError as error:
            raise failure(error) from None

    function = _function(body, (), frame, "A private network.")
    return _fixture(function, frame, scope, None, None, autouse)
