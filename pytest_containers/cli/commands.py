"""All commands, in one table: what a command is called and does, and the function that prepares its parser.

Only the chosen command's file is imported, so that one more command costs the others nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable


class Command(NamedTuple):
    """One command: ``place`` is ``module:function`` of this folder, ``usage`` what follows the options."""

    help: str
    place: str
    usage: str = ""

    def prepare(self, parser: ArgumentParser) -> None:
        """Give the parser the command's arguments and its ``handler``."""
        module, _, name = self.place.partition(":")
        function: Callable[[ArgumentParser], None] = getattr(import_module(f"pytest_containers.cli.{module}"), name)
        function(parser)


_ONE, _MORE = "CONTAINER", "CONTAINER [CONTAINER...]"

COMMANDS: dict[str, Command] = {
    "run": Command("create and run a new container from an image", "run:add_run", "IMAGE [COMMAND] [ARG...]"),
    "create": Command("create a container without starting it", "run:add_create", "IMAGE [COMMAND] [ARG...]"),
    "start": Command("start created or stopped containers", "attach:add_start", _MORE),
    "stop": Command("stop running containers", "lifecycle:add_stop", _MORE),
    "restart": Command("stop and start containers", "lifecycle:add_restart", _MORE),
    "kill": Command("send a signal to running containers, by default SIGKILL", "lifecycle:add_kill", _MORE),
    "pause": Command("freeze all processes of containers", "lifecycle:add_pause", _MORE),
    "unpause": Command("let the processes of paused containers go on", "lifecycle:add_unpause", _MORE),
    "wait": Command("wait until containers end, print their exit codes", "lifecycle:add_wait", _MORE),
    "rm": Command("remove containers", "lifecycle:add_rm", _MORE),
    "rename": Command("give a container another name", "lifecycle:add_rename", "CONTAINER NEW_NAME"),
    "update": Command("change the limits and the restart policy of containers", "lifecycle:add_update", _MORE),
    "exec": Command("run a command in a running container", "execs:add_exec", "CONTAINER COMMAND [ARG...]"),
    "attach": Command("show the output of a running container and pass input to it", "attach:add_attach", _ONE),
    "ps": Command("list containers", "listing:add_ps"),
    "port": Command("list where ports are published", "listing:add_port", "CONTAINER [PRIVATE_PORT[/PROTO]]"),
    "logs": Command("print the output of a container", "logs:add_logs", _ONE),
    "top": Command("list the processes of a container", "observe:add_top", "CONTAINER [ps OPTIONS]"),
    "stats": Command("show what containers use", "stats:add_stats", "[CONTAINER...]"),
    "events": Command("print what happens in the engine, as it happens", "observe:add_events"),
    "inspect": Command("print all about objects, as JSON", "inspect:add_inspect", "NAME|ID [NAME|ID...]"),
    "cp": Command("copy files from and to containers", "copy:add_cp",
                  "CONTAINER:SRC_PATH DEST_PATH|- or SRC_PATH|- CONTAINER:DEST_PATH"),
    "diff": Command("list what a container changed in its files", "files:add_diff", _ONE),
    "commit": Command("make an image of a container", "files:add_commit", "CONTAINER [REPOSITORY[:TAG]]"),
    "export": Command("write the files of a container as a tar archive", "files:add_export", _ONE),
    "images": Command("list images", "images:add_images", "[REPOSITORY[:TAG]]"),
    "pull": Command("fetch an image from a registry", "images:add_pull", "NAME[:TAG|@DIGEST]"),
    "import": Command("make an image of the tarball of a root file system", "images:add_import",
                      "FILE|- [REPOSITORY[:TAG]]"),
    "tag": Command("give an image another name", "images:add_tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]"),
    "rmi": Command("remove images", "images:add_rmi", "IMAGE [IMAGE...]"),
    "history": Command("list the steps that made an image", "images:add_history", "IMAGE"),
    "info": Command("print what the engine says about itself and its machine", "system:add_info"),
    "version": Command("print the versions of the client and the engine", "system:add_version"),
    "serve": Command("run an engine that Docker's clients can talk to", "serve:add_serve"),
    "doctor": Command("try what containers need of this machine, and say what helps", "serve:add_doctor"),
    "clean": Command("remove what engines left that were killed", "serve:add_clean"),
}  # fmt: skip

_CONTAINER = (
    "run create start stop restart kill pause unpause wait rm rename update exec attach port logs top stats inspect "
    "cp diff commit export"
)

GROUPS: dict[str, tuple[str, dict[str, Command]]] = {
    "container": ("containers; the same commands as without the word", {
        "ls": COMMANDS["ps"],
        **{name: COMMANDS[name] for name in _CONTAINER.split()},
        "inspect": Command("print all about containers, as JSON", "inspect:add_container", _MORE),
        "prune": Command("remove all stopped containers", "prune:add_containers"),
    }),
    "image": ("images", {
        "ls": COMMANDS["images"],
        **{name: COMMANDS[name] for name in ("pull", "import", "tag", "history")},
        "rm": COMMANDS["rmi"],
        "inspect": Command("print all about images, as JSON", "inspect:add_image", "IMAGE [IMAGE...]"),
        "prune": Command("remove images that nothing uses", "prune:add_images"),
    }),
    "network": ("networks", {
        "ls": Command("list networks", "networks:add_ls"),
        "create": Command("create a network", "networks:add_create", "NETWORK"),
        "inspect": Command("print all about networks, as JSON", "inspect:add_network", "NETWORK [NETWORK...]"),
        "connect": Command("connect a container to a network", "networks:add_connect", "NETWORK CONTAINER"),
        "disconnect": Command("take a container out of a network", "networks:add_disconnect", "NETWORK CONTAINER"),
        "rm": Command("remove networks", "networks:add_rm", "NETWORK [NETWORK...]"),
        "prune": Command("remove networks that no container is in", "prune:add_networks"),
    }),
    "volume": ("volumes", {
        "ls": Command("list volumes", "volumes:add_ls"),
        "create": Command("create a volume", "volumes:add_create", "[VOLUME]"),
        "inspect": Command("print all about volumes, as JSON", "inspect:add_volume", "VOLUME [VOLUME...]"),
        "rm": Command("remove volumes", "volumes:add_rm", "VOLUME [VOLUME...]"),
        "prune": Command("remove volumes that no container uses", "prune:add_volumes"),
    }),
    "system": ("the engine", {
        "df": Command("show what lies on disk", "system:add_df"),
        "info": COMMANDS["info"],
        "events": COMMANDS["events"],
        "prune": Command("remove all that nothing uses", "prune:add_system"),
    }),
}  # fmt: skip
"""Words that are followed by a command: what they are about, and their commands."""

ALIASES = {"list": "ls", "ps": "ls", "remove": "rm"}
"""Docker's other names of the commands of groups."""
