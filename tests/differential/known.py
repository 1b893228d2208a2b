"""Where this engine differs from Docker 28.5 on purpose: the one list, with the reason and with what ours says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Known:
    """One difference."""

    reason: str
    ours: Any


_EARLIER = "Docker takes it, and fails at the start or never says a word; ours refuses it when it is asked for"
_FAULT = "a wrong value of the request is a fault of the client's: 400, where Docker answers 500"

KNOWN: dict[str, Known] = {
    # Refused when it is asked for.
    **{
        f"create: config[{what}]": Known(_EARLIER, 400)
        for what in (
            "no image",
            "a NUL in the environment",
            "a malformed exposed port",
            "an exposed port out of range",
            "an unknown protocol",
            "a relative volume",
            "a volume on the root",
            "a health check of an unknown kind",
        )
    },
    **{
        f"create: host_config[{what}]": Known(_EARLIER, status)
        for what, status in {
            "an unknown network": 404,
            "the network of an unknown container": 404,
            "a tmpfs with unknown options": 400,
            "a malformed log size": 400,
            "a port binding to a malformed address": 400,
            "a soft limit above the hard one": 400,
            "an unknown limit": 400,
            "a weight out of range": 400,
        }.items()
    },
    # A fault of the client's.
    **{
        f"create: host_config[{what}]": Known(_FAULT, 400)
        for what in (
            "an unknown security option",
            "a bind to a relative path",
            "a bind to the root",
            "a bind with nothing",
            "a bind with unknown options",
        )
    },
    "bad_input: queries[0]": Known(_FAULT, 400),
    "bad_input: queries[2]": Known(_FAULT, 400),
    "names_and_lists: which[limit=nonsense]": Known(
        _FAULT, (400, "invalid value 'nonsense' for limit: a whole number is expected")
    ),
    "names_and_lists: filters[a malformed port]": Known(_FAULT, (400, "")),
    "events: refused[since=nonsense]": Known(_FAULT, 400),
    "events: refused[until=nonsense]": Known(_FAULT, 400),
    "logs: refused[since nonsense]": Known(_FAULT, 400),
    "logs: refused[until nonsense]": Known(_FAULT, 400),
    # Others.
    "create: host_config[an unknown seccomp profile]": Known("profiles of the client's own are not here yet", 501),
    "create: host_config[an unknown kind of user namespace]": Known("user namespaces of choice are not here yet", 501),
    "create: host_config[an unknown runtime]": Known("there is one runtime", 501),
    "create: host_config[the processes of an unknown container]": Known("what is missing is the container", 404),
    "networks: filters[a type of nonsense]": Known("there is none of that type", (200, [])),
    "create: host_config[a link to nobody]": Known("what is missing is the container", 404),
    "bad_input: kinds_of_content[]": Known("a body of no stated type is taken for JSON", 201),
    "bad_input: bodies[/volumes/create-null]": Known("null is no object", 400),
    "bad_input: bodies[/volumes/create-no Unicode]": Known("JSON is UTF-8, as RFC 8259 has it", 400),
    "logs: any_bytes": Known(
        "Docker's json-file replaces what is no UTF-8; here output is bytes",
        {1: b"a\0b\xff\n\xc3\xa4\nno end"},
    ),
    "streams: attached_to_nobody": Known("an error is JSON here too", (404, "No such container: nobody")),
}
