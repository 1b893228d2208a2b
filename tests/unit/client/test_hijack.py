"""Docker's multiplexed framing and raw connections."""

from __future__ import annotations

import select
import socket
import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_containers.client import Client
from pytest_containers.client.hijack import Demultiplexer, RawStream, demultiplex

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)))


def encode(frames: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for stream, data in frames)


def by_stream(frames: Any) -> dict[int, bytes]:
    output = {1: b"", 2: b""}
    for stream, data in frames:
        output[stream] += data
    return output


@given(frames=FRAMES, cuts=st.lists(st.integers(1, 20)))
def test_frames_survive_any_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    wire, pieces = encode(frames), []
    for cut in cuts:
        pieces.append(wire[:cut])
        wire = wire[cut:]
    assert by_stream(demultiplex([*pieces, wire])) == by_stream(frames)


@given(frames=FRAMES.filter(bool), cut=st.integers(1, 7))
def test_a_torn_frame_is_noticed(frames: list[tuple[int, bytes]], cut: int) -> None:
    demultiplexer = Demultiplexer()
    list(demultiplexer.feed(encode(frames)))
    assert demultiplexer.is_complete
    list(demultiplexer.feed(encode(frames)[:cut]))
    assert not demultiplexer.is_complete


def test_a_terminals_output_has_no_frames() -> None:
    assert list(demultiplex([b"a", b"", b"b"], framed=False)) == [(1, b"a"), (1, b"b")]


def test_input_and_output_larger_than_any_buffer_do_not_block_each_other() -> None:
    ours, theirs = socket.socketpair()
    sent = b"x" * 3_000_000

    def echo() -> None:
        with theirs:
            while data := theirs.recv(65536):
                theirs.sendall(encode([(1, data), (2, b".")]))

    program = threading.Thread(target=echo)
    program.start()
    with RawStream(ours, 101, {}) as stream:
        stdout, stderr = stream.communicate(sent)
    program.join()
    assert stdout == sent
    assert set(stderr) == {ord(".")}


def test_a_program_may_close_its_input_early() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(encode([(1, b"enough")]))
    theirs.close()
    with RawStream(ours, 101, {}) as stream:
        assert stream.communicate(b"x" * 3_000_000) == (b"enough", b"")


def test_an_exec_gives_its_output_and_code(wire: Any) -> None:
    def script(connection: socket.socket, request: bytes) -> bool:
        if b"/start" in request:
            assert b"\r\nUpgrade: tcp\r\n" in request
            connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            received = b""
            while data := connection.recv(100):  # up to the client's half-close
                received += data
            connection.sendall(encode([(1, received.upper()), (2, b"bye")]))
            return False
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"ExitCode": 4}')
        return True

    wire.script = script
    with Client(wire.url) as client:
        assert client.execs.start("x", b"words") == (4, b"WORDS", b"bye")


def test_select_tells_when_a_wait_is_over(wire: Any) -> None:
    ended = threading.Event()

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert ended.wait(10)
        connection.sendall(b'11\r\n{"StatusCode": 3}\r\n0\r\n\r\n')
        return True

    wire.script = script
    with Client(wire.url) as client, client.containers.open_wait("x") as waiting:
        assert select.select([waiting], [], [], 0)[0] == []
        ended.set()
        assert select.select([waiting], [], [], 10)[0] == [waiting]
        assert waiting.result() == 3
