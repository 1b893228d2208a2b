"""The eBPF program for devices, run by a small interpreter of the few instructions that it uses."""

import struct

import pytest

from container_runtime.cgroups.device_filter import assemble

BLOCK, CHARACTER = 1, 2
MKNOD, READ, WRITE = 1, 2, 4
RULES = [
    {"allow": False, "access": "rwm"},
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    {"allow": True, "type": "c", "major": 136, "access": "rw"},
    {"allow": False, "type": "c", "major": 136, "minor": 9, "access": "rwm"},
]


def run(program, kind, access, major, minor):
    context = struct.pack("=III", access << 16 | kind, major, minor)
    code = [struct.unpack("=BBhi", program[index : index + 8]) for index in range(0, len(program), 8)]
    registers, position = [0] * 11, 0
    while True:
        operation, packed, offset, value = code[position]
        target, source = packed & 15, packed >> 4
        position += 1
        value &= 0xFFFFFFFF
        if operation == 0x61:
            registers[target] = struct.unpack_from("=I", context, offset)[0]
        elif operation == 0xB4:
            registers[target] = value
        elif operation == 0xBC:
            registers[target] = registers[source]
        elif operation == 0x54:
            registers[target] &= value
        elif operation == 0x74:
            registers[target] >>= value
        elif operation in {0x56, 0x5E}:
            if registers[target] != (value if operation == 0x56 else registers[source]):
                position += offset
        elif operation == 0x95:
            return bool(registers[0])
        else:
            raise AssertionError(hex(operation))


@pytest.mark.parametrize(
    ("kind", "access", "major", "minor", "allowed"),
    [
        (CHARACTER, READ | WRITE, 1, 3, True),
        (CHARACTER, READ, 10, 229, False),
        (CHARACTER, MKNOD, 10, 229, True),
        (CHARACTER, MKNOD | READ, 10, 229, False),
        (BLOCK, READ, 1, 3, False),
        (CHARACTER, READ | WRITE, 136, 4, True),
        (CHARACTER, READ, 136, 9, False),
        (BLOCK, MKNOD, 8, 0, False),
    ],
)
def test_the_last_matching_rule_decides(kind, access, major, minor, allowed):
    assert run(assemble(RULES), kind, access, major, minor) is allowed


def test_without_rules_nothing_is_allowed():
    assert run(assemble([]), CHARACTER, READ, 1, 3) is False
