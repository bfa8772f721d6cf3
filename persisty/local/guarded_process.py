"""Run a program that ends with its parent: `python guarded_process.py PROGRAM ARGUMENT…`.

The program is terminated when standard input closes, which the system does however the parent ends. It is killed if it ignores that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

EXIT_TIMEOUT = 15.0
"""Seconds in which the program has to end."""


def run(command: list[str]) -> int:
    """Run the program until it ends or the parent does. Return its exit code."""
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def end_with_parent() -> None:
        while os.read(0, 4096):
            pass
        program.terminate()
        try:
            program.wait(EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            program.kill()

    threading.Thread(target=end_with_parent, daemon=True).start()
    return program.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(run(sys.argv[1:]))
