"""The default profile, and its compiled form."""

import pytest

from container_runtime.errors import InvalidParameter
from container_runtime.oci.seccomp import compile_profile, default_profile


def allowed(profile):
    return {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_namespaces_need_the_capability():
    plain, privileged = default_profile(frozenset()), default_profile(frozenset({"CAP_SYS_ADMIN"}))
    assert "mount" not in allowed(plain)
    assert "mount" in allowed(privileged)
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38} in plain["syscalls"]


def test_compiled_once(tmp_path):
    path = compile_profile(default_profile(frozenset()), tmp_path)
    before = (tmp_path / path).stat()
    assert compile_profile(default_profile(frozenset()), tmp_path) == path
    assert (tmp_path / path).stat().st_mtime_ns == before.st_mtime_ns
    assert before.st_size % 8 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == [path.rpartition("/")[2]]


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "SCMP_ACT_NOTHING"},
        {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]},
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_ERRNO",
                    "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_ODD"}],
                }
            ],
        },
    ],
)
def test_a_wrong_profile_is_refused(profile, tmp_path):
    with pytest.raises(InvalidParameter, match="seccomp profile: unknown"):
        compile_profile(profile, tmp_path)
