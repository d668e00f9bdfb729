"""try NAME: asks one responder of the configuration alone, in this process, and shows its answer and what would be stored."""

import argparse
import json
import sys

from client import arguments, display, trial
from components.settings import SAMPLE_REQUEST


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("responder", metavar="NAME", help="the responder's name in the configuration of the stack (--stack; local)")
    parser.add_argument("--input", "-i", metavar="FILE", help="the request as JSON, - for standard input; default: the sample")


def run_here(options: argparse.Namespace) -> int:
    body = SAMPLE_REQUEST if options.input is None else arguments.read_json(options.input)
    answer = trial.answer(options.responder, body, options.stack, lambda said: print(display.visible(said), file=sys.stderr))
    if options.json:
        display.print_json(answer)
    else:
        display.print_answer(answer)
        print(f"would be stored: {json.dumps(answer, ensure_ascii=True)}")
    return 0 if answer["status"] in ("QUOTED", "DECLINED") else 1
