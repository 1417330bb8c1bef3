"""``python -m courtroom.worker --fd N``: the media worker on an inherited socket."""

from __future__ import annotations

import argparse
import sys

from courtroom.worker.main import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="courtroom.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="number of the inherited channel socket")
    return run(parser.parse_args().fd)


if __name__ == "__main__":
    sys.exit(main())
