"""Random names for containers without one, and the rules for names that are given."""

from __future__ import annotations

import re

from container_runtime.errors import InvalidParameter

# Docker's rule; the slash in front is how its clients write a name.
_VALID = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_ADJECTIVES = (
    "agile amber ample azure bold brave breezy bright brisk calm candid cheery clear clever cosy crisp "
    "daring deft eager early easy fair fast fond frank fresh gentle glad golden grand green handy happy "
    "hardy hazel humble jolly keen kind lively loyal lucid lucky mellow merry mild misty modest neat "
    "nimble noble patient plain polite prime proud quick quiet rapid ready robust rosy ruby sharp silent "
    "silver simple sincere smart snowy solid spry steady stout sunny sure swift tidy tranquil trusty "
    "upbeat vivid warm wise witty young zesty"
).split()
_NOUNS = (
    "acorn alder anchor aspen badger bamboo beacon beaver birch bison brook canyon cedar cherry clover "
    "comet condor coral crane creek cypress dolphin dune eagle ember falcon fern finch fjord forest fox "
    "gecko glacier grove harbor hare hawk hazel heron hill ibis iris island ivy jay juniper kite lagoon "
    "lake lark laurel lemur lily linden lotus lynx maple marsh meadow meteor moose moss oak ocean olive "
    "orchid osprey otter owl panda pebble pine plover pond poppy prairie puffin quartz quail raven reef "
    "ridge river robin rowan sage salmon sparrow spruce squid stream swan thistle tiger trout tulip "
    "tundra valley walnut willow wolf wren yew zebra"
).split()


def random_name(taken: object) -> str:
    """A name ``adjective_noun`` that is not in ``taken`` (a container with ``in``); numbered when words run out."""
    import os

    for attempt in range(100):
        drawn = int.from_bytes(os.urandom(6), "big")
        adjective, rest = _ADJECTIVES[drawn % len(_ADJECTIVES)], drawn // len(_ADJECTIVES)
        name = f"{adjective}_{_NOUNS[rest % len(_NOUNS)]}" + (str(rest % 9973) if attempt >= 5 else "")
        if name not in taken:  # type: ignore[operator]
            return name
    return "container_" + os.urandom(6).hex()


def check_name(name: str) -> str:
    """The name without a leading slash.

    Raises:
        InvalidParameter: it breaks Docker's rule.
    """
    if _VALID.fullmatch(name) is None:
        raise InvalidParameter(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, and at least two characters"
        )
    return name.removeprefix("/")
