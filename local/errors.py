"""What is told to the user in one line, and ends a command with exit code 1."""


class LocalError(Exception):
    """Something the user can understand and act on; the message is for them."""
