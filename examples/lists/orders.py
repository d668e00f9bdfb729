"""A CSV file of orders, of any length: python -m examples.lists.orders 10000 --failing 1 --seed 7 > orders.csv

The same length, share and seed give the same file. Rows that fail have a unit_price that is not a number, as
`handlers.processes.price_row` finds out; there are as many as the share says, spread by the seed.
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from typing import TextIO

HEADER = ("id", "product", "quantity", "unit_price")
PRODUCTS = ("anchor", "bolt", "crank", "drum", "eyelet", "flange", "gasket", "hinge")


def rows(count: int, *, failing: float = 0, seed: int = 0) -> Iterator[tuple[str, ...]]:
    """`count` rows without the header. failing: percent of them, rounded to whole rows."""
    chance = random.Random(seed)
    left = round(count * failing / 100)
    for number in range(1, count + 1):
        fails = chance.random() * (count - number + 1) < left
        left -= fails
        price = "on request" if fails else f"{chance.randint(1, 99_999) / 100:.2f}"
        yield str(number), chance.choice(PRODUCTS), str(chance.randint(1, 50)), price


def write(file: TextIO, count: int, *, failing: float = 0, seed: int = 0) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows(count, failing=failing, seed=seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("count", type=int)
    parser.add_argument("--failing", type=float, default=0, metavar="PERCENT")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(sys.stdout, options.count, failing=options.failing, seed=options.seed)


if __name__ == "__main__":
    main()
