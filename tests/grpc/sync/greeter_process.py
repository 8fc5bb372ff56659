"""A greeter in a process of its own: `greeter_process.py ID PORT` prints the port that it listens at."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[3] / "examples" / "greeter")]

from conftest import start_greeter

if __name__ == "__main__":
    greeter = start_greeter(sys.argv[1], int(sys.argv[2]))
    print(greeter.port, flush=True)
    greeter.server.wait_for_termination()
