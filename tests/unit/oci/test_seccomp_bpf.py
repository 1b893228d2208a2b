"""Our filters, run by a small BPF machine, against what libseccomp writes and against what the rules say."""

import platform
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_runtime.oci.defaults import DEFAULT_CAPABILITIES
from container_runtime.oci.seccomp import compile_profile, default_profile
from container_runtime.oci.seccomp_bpf import Condition, Rule, Unknown, assemble

ALLOW, DENY, KILL = 0x7FFF0000, 0x00050001, 0x00000000
X86_64, X86 = 0xC000003E, 0x40000003
WORD = 0xFFFFFFFF


def run(program, architecture, number, arguments=()):
    """The answer of a filter (kernel: Documentation/networking/filter.rst)."""
    data = struct.pack("=iIQ6Q", number if number < 1 << 31 else number - (1 << 32), architecture, 0,
                       *arguments, *[0] * (6 - len(arguments)))  # fmt: skip
    code = list(struct.iter_unpack("=HBBI", program))
    position = accumulator = 0
    while True:
        operation, yes, no, operand = code[position]
        position += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, operand)
            case 0x05:
                position += operand
            case 0x15:
                position += yes if accumulator == operand else no
            case 0x25:
                position += yes if accumulator > operand else no
            case 0x35:
                position += yes if accumulator >= operand else no
            case 0x54:
                accumulator &= operand
            case 0x06:
                return operand
            case _:
                pytest.fail(f"unknown instruction {operation:#x}")


def by_libseccomp(profile):
    import pyseccomp as library  # needs libseccomp, as the product does

    actions = {"SCMP_ACT_ALLOW": lambda _: library.ALLOW, "SCMP_ACT_ERRNO": lambda n: library.ERRNO(n or 1)}
    default = actions[profile["defaultAction"]](profile.get("defaultErrnoRet"))
    syscalls = library.SyscallFilter(default)
    for name in profile["architectures"]:
        architecture = getattr(library.Arch, name.removeprefix("SCMP_ARCH_"))
        if not syscalls.exist_arch(architecture):
            syscalls.add_arch(architecture)
    for rule in profile["syscalls"]:
        arguments = [
            library.Arg(
                one["index"], getattr(library, one["op"].removeprefix("SCMP_CMP_")), one["value"], one["valueTwo"]
            )
            for one in rule.get("args", [])
        ]
        for name in rule["names"]:
            try:
                syscalls.add_rule(actions[rule["action"]](rule.get("errnoRet")), name, *arguments)
            except (OSError, ValueError):
                continue
    with tempfile.TemporaryFile() as file:
        syscalls.export_bpf(file)
        file.seek(0)
        return file.read()


@pytest.mark.parametrize("capabilities", [DEFAULT_CAPABILITIES, (), (*DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN")])
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are of x86-64")
def test_docker_default_answers_as_libseccomp(capabilities, tmp_path):
    profile = default_profile(frozenset(capabilities))
    ours = Path(compile_profile(profile, tmp_path)).read_bytes()
    theirs = by_libseccomp(profile)
    assert len(ours) < len(theirs)
    interesting = [(), (40,), (0x8,), (WORD,), (0x7E020000,), (0x20000000,), (1 << 40,), (2,)]
    for architecture in (X86_64, X86, 0xC00000B7):
        for base in (0, 0x40000000):
            for number in range(base, base + 600):
                for arguments in interesting:
                    expected = run(theirs, architecture, number, arguments)
                    if architecture == X86_64 and 456 < number < 0x40000000:
                        expected = 0x00050000 | 38  # ENOSYS for calls newer than the profile
                    assert run(ours, architecture, number, arguments) == expected, (
                        hex(architecture),
                        number,
                        arguments,
                    )


numbers64 = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 5), st.integers((1 << 32) - 2, (1 << 32) + 2))
conditions = st.builds(
    Condition, st.integers(0, 5), st.sampled_from("EQ NE LT LE GE GT MASKED_EQ".split()), numbers64, numbers64
)
rules = st.builds(Rule, st.sampled_from([ALLOW, 0x00050026]), st.lists(conditions, max_size=3).map(tuple))


def holds(condition, arguments, bits):
    mask = (1 << bits) - 1
    value = arguments[condition.argument] & mask
    condition = condition._replace(value=condition.value & mask, two=condition.two & mask)
    match condition.operator:
        case "EQ":
            return value == condition.value
        case "NE":
            return value != condition.value
        case "LT":
            return value < condition.value
        case "LE":
            return value <= condition.value
        case "GE":
            return value >= condition.value
        case "GT":
            return value > condition.value
        case _:
            return value & condition.value == condition.two


def answer(calls, number, arguments):
    found = calls.get(number, [])
    for rule in found:
        if not rule.conditions:
            return rule.action
    for rule in found:
        if all(holds(condition, arguments, 64 if number < 0x40000000 else 32) for condition in rule.conditions):
            return rule.action
    return DENY


@given(
    st.dictionaries(
        st.one_of(st.integers(0, 60), st.integers(0x40000000, 0x40000010)), st.lists(rules, min_size=1, max_size=3)
    ),
    st.lists(numbers64, min_size=6, max_size=6),
    st.data(),
)
def test_rules_mean_what_they_say(calls, arguments, data):
    program = assemble({X86: {}, X86_64: calls}, DENY)
    for number in [*calls, data.draw(st.integers(0, WORD)), 0, WORD]:
        chosen = [one.value for rule in calls.get(number, []) for one in rule.conditions]
        for values in (arguments, [*chosen, *arguments][:6], [chosen[0]] * 6 if chosen else arguments):
            assert run(program, X86_64, number, values) == answer(calls, number, values)
        assert run(program, X86, number, arguments) == DENY
        assert run(program, 0, number, arguments) == KILL


def test_unknown_calls_have_their_own_answer():
    calls = {3: [Rule(ALLOW)], 0x40000000: [Rule(ALLOW)], 0x40000002: [Rule(ALLOW)]}
    program = assemble({X86_64: calls}, DENY, {X86_64: Unknown(100, 0x40000000, 0x00050026)})
    expected = {2: DENY, 3: ALLOW, 99: DENY, 100: 0x00050026, 0x3FFFFFFF: 0x00050026, 0x40000000: ALLOW,
                0x40000001: DENY, 0x40000002: ALLOW, WORD: DENY}  # fmt: skip
    assert {number: run(program, X86_64, number) for number in expected} == expected


def test_thousands_of_calls_need_long_jumps():
    calls = {number: [Rule(ALLOW)] for number in range(0, 2000, 2)}
    program = assemble({X86_64: calls}, DENY)
    assert all(run(program, X86_64, number) == (DENY if number % 2 else ALLOW) for number in range(2000))
