"""The command line: everything the dashboard does, without a browser."""

import argparse
import io
import os
import sys
from typing import NoReturn

from core import commands
from core.architectures import ARCHITECTURES
from core.commands import DONE, USERS_FAULT
from core.errors import UserError
from core.images import ImageSpec

OUR_FAULT, INTERRUPTED = 1, 130


class Parser(argparse.ArgumentParser):
    """argparse that answers a mistake with one sentence and one next step."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[0].upper()}{message[1:]}.", fix=f"`{self.prog} --help` shows how it is used.")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 (done), 1 (our fault) or 2 (the user's input)."""
    # A file name may hold bytes that are no text.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        chosen = _parser().parse_args(arguments)
        return chosen.command(chosen) or DONE
    except UserError as error:
        print(f"{error.what}\n{error.fix}", file=sys.stderr)
        return USERS_FAULT
    except BrokenPipeError:
        # Whoever was reading, `head` say, has seen enough.
        sys.stdout = None
        return DONE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("PNEUMOSCOPE_DEBUG"):
            raise
        print(f"This is a fault of ours: {type(error).__name__}: {error}", file=sys.stderr)
        print("Please report it, with what PNEUMOSCOPE_DEBUG=1 prints.", file=sys.stderr)
        return OUR_FAULT


def _parser() -> Parser:
    parser = Parser(prog="python -m core.cli", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def add(name: str, command, help: str) -> Parser:
        sub = subparsers.add_parser(name, help=help, description=help)
        sub.add_argument("--json", action="store_true", help="print JSON and nothing else")
        sub.set_defaults(command=command)
        return sub

    sub = add("prepare", commands.prepare, "decode every film of a data set once")
    sub.add_argument("--data", required=True, help='a folder, or "phantoms"')
    sub.add_argument("--image-size", type=int, default=ImageSpec().size, help="side of the square in pixels")
    sub.add_argument("--job", help=argparse.SUPPRESS)

    sub = add("train", commands.train, "train a network and follow it until it is done")
    sub.add_argument("--data", help='a folder, or "phantoms"')
    sub.add_argument("--architecture", help=f"one of: {', '.join(ARCHITECTURES)}")
    sub.add_argument("--epochs", type=int, help="how many times the network sees every film")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting")
    sub.add_argument("--like", metavar="RUN", help="take every setting not given here from that run")
    sub.add_argument("--run", help=argparse.SUPPRESS)

    sub = add("runs", commands.manage_runs, "list, stop, resume or remove runs")
    sub.add_argument("action", nargs="?", default="list", choices=["list", "stop", "resume", "remove"])
    sub.add_argument("run", nargs="?")

    sub = add("evaluate", commands.evaluate, "judge a model on films it was not trained on")
    sub.add_argument("--model", required=True, help="a promoted model or a run")
    sub.add_argument("--data", required=True, help='a folder, or "phantoms"')
    sub.add_argument(
        "--split", default="test", choices=["test", "validation", "all"], help="which part (default: test)"
    )
    sub.add_argument("--job", help=argparse.SUPPRESS)

    sub = add("predict", commands.predict, "ask a model about films")
    sub.add_argument("--model", required=True, help="a promoted model or a run")
    sub.add_argument("files", nargs="+", metavar="FILE_OR_DIR")

    sub = add("models", commands.manage_models, "list, promote or remove models")
    sub.add_argument("action", nargs="?", default="list", choices=["list", "promote", "remove"])
    sub.add_argument("run", nargs="?", help="the run to promote, or the model to remove")
    sub.add_argument("--name", help="the promoted model's name (default: model-RUN)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
