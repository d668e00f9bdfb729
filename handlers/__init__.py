"""The code that runs in Lambda: a pure core (contract, completion, selection, quoting) and one thin adapter per function."""
