"""The command's parser, and what becomes of errors."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from pytest_containers.cli import commands, output
from pytest_containers.client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROGRAM = "pytest-containers"
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""
BAD_FLAG = 125
"""What docker exits with when it does not understand an option; 1 when an argument is missing."""
DESCRIPTION = (
    "Isolated containers without Docker. All commands but `serve`, `doctor` and `clean` speak the Docker Engine API to "
    "the engine that DOCKER_HOST names; `run` starts one for itself where there is none."
)


class Parser(argparse.ArgumentParser):
    """Tells an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and exit as docker does."""
        sys.stderr.write(f"{PROGRAM}: {message} (see '{self.prog} --help')\n")
        sys.exit(1 if message.startswith("the following arguments are required") else BAD_FLAG)


def top_parser() -> Parser:
    """Return the parser of what stands before the command; the command and all after it are in ``words``."""
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [-H URL] COMMAND …",
        description=DESCRIPTION,
        epilog=_listed("commands", commands.COMMANDS.items())
        + _listed("groups of commands", ((name, group) for name, group in commands.GROUPS.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-H", "--host", metavar="URL", help="engine to talk to: unix:///path or tcp://host:port")
    parser.add_argument("-v", "--version", action="store_true", help="print the version of this program")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _listed(title: str, entries: Iterable[tuple[str, tuple[object, ...]]]) -> str:
    """Return the lines of help for things whose first field says what they do."""
    return "\n".join([f"{title}:", *(f"  {name:<12}{entry[0]}" for name, entry in entries), "", ""])


def command_parser(words: Sequence[str]) -> tuple[Parser, Sequence[str]]:
    """Return the parser of the command that ``words`` begin with, and the words after it."""
    name, rest = words[0], words[1:]
    program = f"{PROGRAM} {name}"
    command = commands.COMMANDS.get(name)
    if name in commands.GROUPS:
        group = _group_parser(program, *commands.GROUPS[name])
        if not rest or rest[0].startswith("-"):
            group.parse_args(rest)  # --help ends here
            group.error("the following arguments are required: COMMAND")
        word, rest = commands.ALIASES.get(rest[0], rest[0]), rest[1:]
        command = commands.GROUPS[name][1].get(word)
        program = f"{program} {word}"
    if command is None:
        sys.stderr.write(f"{PROGRAM}: unknown command: {program} (see '{PROGRAM} --help')\n")
        sys.exit(1)
    usage = " ".join(filter(None, (program, "[OPTIONS]", command.usage)))
    parser = Parser(prog=program, usage=usage, description=f"{command.help}.", allow_abbrev=False,
                    conflict_handler="resolve")  # fmt: skip  # -h is the host name for `run`
    command.prepare(parser)
    parser.set_defaults(parser=parser)
    return parser, rest


def _group_parser(program: str, about: str, group: dict[str, commands.Command]) -> Parser:
    return Parser(
        prog=program,
        usage=f"{program} COMMAND …",
        description=f"About {about}.",
        epilog=_listed("commands", group.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command, with its ``handler`` and the engine's address in ``host``."""
    top = top_parser()
    before = top.parse_args(words)
    if before.version:
        from importlib.metadata import version

        output.line(f"{PROGRAM} version {version(PROGRAM)}")
        sys.exit(0)
    if not before.words:
        top.print_help()
        sys.exit(0)
    parser, rest = command_parser(before.words)
    args = parser.parse_args(rest)
    args.host = before.host
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        status: int = args.handler(args)
        sys.stdout.flush()
    except ClientError as error:
        output.error(str(error))
        return 1
    except BrokenPipeError:  # `… logs | head` is no error
        output.silence()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
