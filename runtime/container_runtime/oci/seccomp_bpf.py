"""Classic BPF for seccomp(2): system call numbers as ranges, found by binary search.

libseccomp writes a comparison for each call (1,240 instructions for Docker's profile), and the kernel translates them
and runs them once for each call number each time a filter is loaded. What a profile allows is mostly contiguous, so
ranges say the same in half as many. Pure.

Reference: seccomp(2), struct seccomp_data; linux/bpf_common.h for the opcodes.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from container_runtime.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOAD, _JUMP, _EQUAL, _GREATER, _NOT_LESS, _AND, _RETURN = 0x20, 0x05, 0x15, 0x25, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_LOW, _HIGH = (0, 4) if sys.byteorder == "little" else (4, 0)
_LONGEST_JUMP = 255  # jt and jf are bytes
_WORD = 0xFFFFFFFF
X32 = 0x40000000  # __X32_SYSCALL_BIT: the numbers from there on are those of x32, asm/unistd.h
_64BIT = 0x80000000  # __AUDIT_ARCH_64BIT, linux/audit.h
_MOST = 4096  # BPF_MAXINSNS
KILL = 0x00000000  # SECCOMP_RET_KILL_THREAD

PASS, FAIL = "pass", "fail"


class Condition(NamedTuple):
    """A comparison of one argument (64 bits); ``two`` is the value for a masked comparison, whose mask is ``value``."""

    argument: int
    operator: str
    value: int
    two: int = 0


class Rule(NamedTuple):
    """What is answered (``SECCOMP_RET_*``) where all conditions hold."""

    action: int
    conditions: tuple[Condition, ...] = ()


class Unknown(NamedTuple):
    """The call numbers from ``first`` up to ``end``, without it, get an answer of their own."""

    first: int
    end: int
    action: int


class _Step(NamedTuple):
    """One instruction; ``yes`` and ``no`` are PASS, FAIL, or how many instructions to skip."""

    code: int
    operand: int
    yes: str | int = 0
    no: str | int = 0


def _pack(code: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, operand & _WORD)


def _comparison(condition: Condition, *, wide: bool) -> list[_Step]:
    """Falls through, or goes to PASS, where it holds; goes to FAIL where not. The low half is compared last.

    ``wide``: all 64 bits; an ABI with pointers of 32 has arguments of 32, whatever the registers hold beyond.
    """
    offset = _ARGUMENTS + 8 * condition.argument
    high, low = condition.value >> 32, condition.value & _WORD
    load_high, load_low = _Step(_LOAD, offset + _HIGH), _Step(_LOAD, offset + _LOW)
    match condition.operator:
        case "EQ":
            above = [load_high, _Step(_EQUAL, high, 0, FAIL)]
            below = [load_low, _Step(_EQUAL, low, PASS, FAIL)]
        case "NE":
            above = [load_high, _Step(_EQUAL, high, 0, PASS)]
            below = [load_low, _Step(_EQUAL, low, FAIL, PASS)]
        case "MASKED_EQ":
            above = [load_high, _Step(_AND, high), _Step(_EQUAL, condition.two >> 32, 0, FAIL)]
            below = [load_low, _Step(_AND, low), _Step(_EQUAL, condition.two & _WORD, PASS, FAIL)]
        case "GE" | "GT":
            above = [load_high, _Step(_GREATER, high, PASS, 0), _Step(_EQUAL, high, 0, FAIL)]
            below = [load_low, _Step(_NOT_LESS if condition.operator == "GE" else _GREATER, low, PASS, FAIL)]
        case "LT" | "LE":  # not GE, not GT
            above = [load_high, _Step(_GREATER, high, FAIL, 0), _Step(_EQUAL, high, 0, PASS)]
            below = [load_low, _Step(_NOT_LESS if condition.operator == "LT" else _GREATER, low, FAIL, PASS)]
        case _:
            raise InvalidParameter(f"seccomp profile: unknown operator ({condition.operator})")
    return [*above, *below] if wide else below


def _conditional(rules: Sequence[Rule], default: int, *, wide: bool) -> bytes:
    """The rules one after the other; the first that holds answers."""
    parts: list[bytes] = []
    for rule in rules:
        blocks = [_comparison(condition, wide=wide) for condition in rule.conditions]
        total = sum(map(len, blocks))
        position = 0
        for block in blocks:
            end = position + len(block)  # PASS: on to the next condition
            for step in block:
                position += 1
                # FAIL: over the rest of this rule and its answer.
                where = {PASS: end - position, FAIL: total + 1 - position}
                jumps = [where[to] if isinstance(to, str) else to for to in (step.yes, step.no)]
                if max(jumps) > _LONGEST_JUMP:
                    raise InvalidParameter("seccomp profile: a rule has too many conditions")
                parts.append(_pack(step.code, step.operand, *jumps))
        parts.append(_pack(_RETURN, rule.action))
    parts.append(_pack(_RETURN, default))
    return b"".join(parts)


def _leaf(rules: Sequence[Rule], default: int, *, wide: bool) -> bytes:
    for rule in rules:
        if not rule.conditions:  # whatever the conditions of others say
            return _pack(_RETURN, rule.action)
    return _conditional(rules, default, wide=wide)


def _ranges(
    calls: Mapping[int, Sequence[Rule]], default: int, unknown: Unknown | None, *, wide: bool
) -> list[tuple[int, bytes]]:
    """(first number, code) of each range of numbers with the same answer, from 0 up."""
    otherwise = _pack(_RETURN, default)
    found: list[tuple[int, bytes]] = [(0, otherwise)]

    def add(number: int, code: bytes) -> None:
        if found[-1][0] == number:
            found.pop()
        if not found or found[-1][1] != code:
            found.append((number, code))

    for number in sorted(calls):
        add(number, _leaf(calls[number], default, wide=wide and number < X32))
        if number + 1 not in calls and number < _WORD:
            add(number + 1, otherwise)
    if unknown is None:
        return found
    below = [each for each in found if each[0] < unknown.first]
    above = [each for each in found if each[0] > unknown.end]
    at_end = next(code for first, code in reversed(found) if first <= unknown.end)
    return [*below, (unknown.first, _pack(_RETURN, unknown.action)), (unknown.end, at_end), *above]


def _search(ranges: list[tuple[int, bytes]]) -> bytes:
    """A balanced tree of comparisons with the number, which is loaded."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    distance = len(lower) // 8
    if distance <= _LONGEST_JUMP:
        return _pack(_NOT_LESS, ranges[middle][0], distance, 0) + lower + upper
    return _pack(_NOT_LESS, ranges[middle][0], 0, 1) + _pack(_JUMP, distance) + lower + upper


def assemble(
    architectures: Mapping[int, Mapping[int, Sequence[Rule]]],
    default: int,
    unknown: Mapping[int, Unknown] | None = None,
) -> bytes:
    """A filter: for each AUDIT_ARCH_* the rules by call number; another architecture's calls kill the thread.

    ``unknown``: by architecture too, the numbers of calls that the profile could not have known.

    Raises:
        InvalidParameter: an operator that does not exist, or more than the kernel takes.
    """
    program = _pack(_LOAD, _ARCHITECTURE)
    for architecture, calls in architectures.items():
        wide = bool(architecture & _64BIT)
        ranges = _ranges(calls, default, (unknown or {}).get(architecture), wide=wide)
        body = _pack(_LOAD, _NUMBER) + _search(ranges)
        program += _pack(_EQUAL, architecture, 1, 0) + _pack(_JUMP, len(body) // 8) + body
    program += _pack(_RETURN, KILL)
    if len(program) // 8 > _MOST:
        raise InvalidParameter(f"seccomp profile: {len(program) // 8} instructions, and the kernel takes {_MOST}")
    return program
