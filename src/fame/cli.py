"""The command `fame`: one small module a command, with `add` (its arguments) and `run`."""

import argparse
import os
import sys
from importlib import import_module

from fame.runtime import files
from fame.runtime.errors import InputError

# Command -> its module and what it does. A module is imported only when its command runs.
COMMANDS = {
    "init": ("fame.setup.init", "set up your own posts: map their columns, write params.yaml"),
    "check": ("fame.setup.check", "name all that is missing before a run"),
    "predict": ("fame.serving.predict", "score posts of a file with the trained models"),
    "export": ("fame.serving.export", "pack the trained models for another machine"),
    "serve": ("fame.serving.serve", "a page and an API that score drafts"),
}


def main(arguments: list[str] | None = None) -> None:
    """Run a command; what a user can fix ends in its sentence on stderr and status 1."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="fame", description="Popularity of social media posts.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, doc) in COMMANDS.items():
        command = commands.add_parser(name, help=doc, description=doc)
        if given[:1] == [name]:
            import_module(module).add(command)
    chosen = parser.parse_args(given)
    try:
        status = import_module(COMMANDS[chosen.command][0]).run(chosen)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in files.UNWRITABLE:
            raise
        place = error.filename2 or error.filename or "a file"
        sys.exit(f"error: {place}: {os.strerror(error.errno)}; fix this and rerun")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status or 0)


if __name__ == "__main__":
    main()
