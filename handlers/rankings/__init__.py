"""Selections of one's own, by module: `rank(quotes)` says whose quotes are the best, see `handlers.selector`."""
