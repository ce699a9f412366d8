"""Start a command from a small process, and write down what it took: ``launch.py FILE PROGRAM ARGUMENT…``.

The kernel counts as a process's largest memory also what its parent had when it started it. So the one that starts
what is measured must be small itself: this one needs the standard library alone, and is run as a script.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> int:
    """Run the command to its end; give its exit status."""
    out, *command = sys.argv[1:]
    start = time.perf_counter()
    code = subprocess.call(command)
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    with open(out, "w") as file:  # noqa: PTH123 - pathlib takes longer to import than all else here
        json.dump({"seconds": seconds, "peak_mb": peak / 1e6, "code": code}, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
