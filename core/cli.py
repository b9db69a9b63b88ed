"""The command line: everything the dashboard does, without a browser."""

import argparse
import io
import os
import sys
from typing import NoReturn

from core.architectures import ARCHITECTURES
from core.calibration import RULES
from core.commands import data, judging, machine, models, runs, training
from core.commands.output import DONE, USERS_FAULT
from core.data.kaggle_hub import CHEST_XRAY
from core.errors import UserError
from core.images import EQUALISATIONS, FRAMINGS, ImageSpec
from core.presets import PRESETS

OUR_FAULT, INTERRUPTED = 1, 130
PARTS = ("test", "validation", "all")
DATA_HELP = 'a folder, a .csv, .npz or .zip file, kaggle:OWNER/NAME, "phantoms", or the name of a remembered data set'


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

    sub = add("prepare", data.prepare, "decode every film of a data set once")
    sub.add_argument("--data", required=True, help=DATA_HELP)
    sub.add_argument("--image-size", type=int, default=ImageSpec().size, help="side of the square in pixels")
    sub.add_argument("--framing", choices=FRAMINGS, default=ImageSpec().framing, help="how a film becomes a square")
    sub.add_argument("--equalise", choices=EQUALISATIONS, default=ImageSpec().equalise, help="evens out the contrast")
    sub.add_argument("--job", help=argparse.SUPPRESS)

    sub = add("audit", data.audit_data, "look a data set over: copies, leaks, shortcuts, damaged files")
    sub.add_argument("--data", required=True, help=DATA_HELP)
    sub.add_argument("--fix", action="append", default=[], metavar="FINDING", help="do what that finding advises")
    sub.add_argument("--undo", type=int, metavar="N", help="take back fix number N")
    sub.add_argument("--html", metavar="FILE", help="write the audit as a page, too")

    sub = add("data", data.manage_data, "list, add or remove remembered data sets")
    sub.add_argument("action", nargs="?", default="list", choices=["list", "add", "remove"])
    sub.add_argument("--data", help=DATA_HELP)
    sub.add_argument("--name", help="the name to remember it by")
    sub.add_argument("--licence", help="its licence, for the data card")
    sub.add_argument(
        "--column",
        dest="columns",
        action="append",
        default=[],
        metavar="KIND=COLUMN",
        help="for a table: file=, label=, patient=, split= or view= a column; normal= or pneumonia= a label",
    )

    sub = add("download", data.download, "fetch a data set from Kaggle")
    sub.add_argument("--data", default=CHEST_XRAY, help=f"kaggle:OWNER/NAME (default: {CHEST_XRAY})")
    sub.add_argument("--job", help=argparse.SUPPRESS)

    def add_settings(sub: Parser) -> None:
        sub.add_argument("--data", help=DATA_HELP)
        sub.add_argument("--architecture", help=f"one of: {', '.join(ARCHITECTURES)}")
        sub.add_argument("--start", metavar="MODEL", help="begin with the weights of that promoted model")
        sub.add_argument("--epochs", type=int, help="how many times the network sees every film")
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any other setting")
        sub.add_argument("--like", metavar="RUN", help="take every setting not given here from that run")
        sub.add_argument("--preset", choices=list(PRESETS), help="take every setting not given here from that preset")

    sub = add("train", training.train, "train a network and follow it until it is done")
    add_settings(sub)
    sub.add_argument("--detach", action="store_true", help="start it, print its name and leave it to itself")
    sub.add_argument("--run", help=argparse.SUPPRESS)

    sub = add("release", training.release, "train in folds, average, calibrate across the folds, and store the model")
    add_settings(sub)
    sub.add_argument("--name", required=True, help="the model's name")
    sub.add_argument("--folds", type=int, default=3, help="blocks of patients, each left out once (default: 3)")
    sub.add_argument("--rule", choices=list(RULES), default="middle", help="how the threshold is found")
    sub.add_argument("--target", type=float, default=0.95, help="what the rule asks for: a rate or a cost ratio")

    sub = add("runs", runs.manage_runs, "list, show, stop, resume, remove, move or note runs")
    sub.add_argument("action", nargs="?", default="list", choices=["list", *runs.ACTIONS])
    sub.add_argument("run", nargs="?")
    sub.add_argument("--to", type=int, metavar="N", help="move: its new place in the queue, 1 is the next")
    sub.add_argument("--tags", metavar="A,B", help="note: words to find it by, in place of those it has")
    sub.add_argument("--note", metavar="TEXT", help="note: what is worth knowing about it")

    sub = add("probe", machine.probe, "measure how fast this machine trains")
    sub.add_argument("--job", help=argparse.SUPPRESS)

    def add_judged(sub: Parser) -> None:
        sub.add_argument("--model", required=True, help="a promoted model or a run")
        sub.add_argument("--data", required=True, help=DATA_HELP)
        sub.add_argument("--split", default="test", choices=PARTS, help="which part (default: test)")
        sub.add_argument("--job", help=argparse.SUPPRESS)

    sub = add("evaluate", judging.evaluate, "judge a model on films it was not trained on")
    add_judged(sub)
    sub.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="FILE",
        help=f"write a report, too; what kind its ending says: {', '.join(judging.ENDINGS)} (may be repeated)",
    )
    sub.add_argument("--robustness", action="store_true", help="judge damaged films, too")
    sub.add_argument(
        "--against", action="append", default=[], metavar="MODEL", help="compare with that model (may be repeated)"
    )

    sub = add("robustness", judging.robustness, "judge a model on films that are damaged more and more")
    add_judged(sub)

    sub = add("predict", models.predict, "ask a model about films")
    sub.add_argument("--model", required=True, help="a promoted model or a run")
    sub.add_argument("files", nargs="+", metavar="FILE_OR_DIR")

    sub = add("gate", models.gate, "teach a stored model to refuse what is no chest film; nothing is trained")
    sub.add_argument("--model", required=True, help="a promoted model or a run")
    sub.add_argument("--data", help=f"the films it was made from (a run knows them): {DATA_HELP}")
    sub.add_argument("--population", default="", metavar="TEXT", help="whose films those are, for the card")

    sub = add("models", models.manage_models, "list, promote or remove models")
    sub.add_argument("action", nargs="?", default="list", choices=["list", "promote", "remove"])
    sub.add_argument("run", nargs="?", help="the run to promote, or the model to remove")
    sub.add_argument("--name", help="the promoted model's name (default: model-RUN)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
