"""What containers and the engine do: stats, processes, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypedDict

from pytest_containers.client.http import segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_containers.client.http import Stream, Transport


class Processes(TypedDict):
    """The processes of a container: the columns' titles, and a row for each."""

    Titles: list[str]
    Processes: list[list[str]]


class Actor(TypedDict):
    """Whom an event is about."""

    ID: str
    Attributes: dict[str, str]


class Event(TypedDict):
    """Something that happened; ``time`` in seconds since 1970, ``timeNano`` in nanoseconds."""

    Type: str
    Action: str
    Actor: Actor
    scope: str
    time: int
    timeNano: int


class StatsStream:
    """A sample a second: iterate for dictionaries as ``Observation.stats`` returns them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield samples until the container is removed or the stream is closed."""
        yield from self._stream.lines()

    def close(self) -> None:
        """End it; a thread that is reading sees the end at once."""
        self._stream.close()


class EventStream:
    """Events as they happen: iterate, and close it from any thread."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Yield events until the time that was asked for, or until the stream is closed."""
        yield from self._stream.lines()

    def close(self) -> None:
        """End it; a thread that is reading sees the end at once."""
        self._stream.close()


class ContainerObservation:
    """The part of ``client.containers`` that looks at running containers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def stats(self, name: str, *, one_shot: bool = False) -> dict[str, Any]:
        """Return one sample of its figures (``ContainerStatsResponse``).

        It takes a second, for the processor's share needs two samples; ``one_shot``: one, without ``precpu_stats``.
        """
        query = {"stream": "false", "one-shot": one_shot}
        return self._transport.request("GET", f"/containers/{segment(name)}/stats", query=query).json()

    def stats_stream(self, name: str) -> StatsStream:
        """Return its figures as a stream, a sample a second."""
        return StatsStream(self._transport.stream("GET", f"/containers/{segment(name)}/stats", query={"stream": True}))

    def top(self, name: str, ps_args: str | None = None) -> Processes:
        """Return its processes, as ``ps`` of the engine's machine shows them (``-ef`` by default)."""
        path = f"/containers/{segment(name)}/top"
        return self._transport.request("GET", path, query={"ps_args": ps_args}).json()
