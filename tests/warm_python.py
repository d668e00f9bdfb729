"""A `python` for many short commands: a server that has imported what they need, and forks for each of them.

A command has its own folder, environment and standard streams, and a memory that is nobody else's; only its imports cost
nothing, and at its end nothing is tidied up but what it printed. `python warm_python.py SOCKET MODULE…` is the server;
`stand_in` writes the program that hands a command to it.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

STREAMS = 3
STAND_IN = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    command = {{"arguments": [*{arguments!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": {{**os.environ, **{environment!r}}}}}
    socket.send_fds(server, [json.dumps(command).encode()], [0, 1, 2])
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16) or 1))
"""


def stand_in(file: Path, address: Path, *arguments: str, **environment: str) -> None:
    """Writes a program that takes the place of `python ARGUMENTS`, with the environment's additions."""
    file.write_text(STAND_IN.format(python=sys.executable, address=str(address), arguments=arguments, environment=environment))
    file.chmod(0o755)


def serve(address: str, modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    # What is never collected is never copied either.
    gc.collect()
    gc.freeze()
    # Nobody waits for those that wait for the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            command, streams = _received(connection)
            if os.fork() == 0:
                break
            connection.close()
            for stream in streams:
                os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    running = os.fork()
    if running:
        _, status = os.waitpid(running, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
        os._exit(0)
    connection.close()
    os._exit(_exit_code(command, streams))


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    text, streams, _, _ = socket.recv_fds(connection, 65_536, STREAMS)
    while part := connection.recv(65_536):
        text += part
    return json.loads(text), streams


def _exit_code(command: dict[str, Any], streams: list[int]) -> int:
    try:
        _run(command, streams)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - Python would print it too, and end
        traceback.print_exc()
        return 1
    finally:
        # Modules as many as these take longer to tidy up than most commands to run.
        sys.stdout.flush()
    return 0


def _run(command: dict[str, Any], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    first, *rest = command["arguments"]
    if first == "-m":
        module, *rest = rest
        sys.argv = [module, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif first == "-":
        sys.argv = ["-", *rest]
        exec(compile(sys.stdin.read(), "<stdin>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    # As `python -m` has it: the commands find the project in the folder where the server was started.
    sys.path[0] = str(Path.cwd())
    serve(sys.argv[1], sys.argv[2:])
