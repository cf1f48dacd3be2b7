"""Run one benchmark by name, or all of them; each ends with its figures as a line of JSON.

A benchmark is a module of this package with a `main()`; the others are what they need.
"""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    modules = sorted(Path(__file__).parent.glob("[!_]*.py"))
    known = [module.stem for module in modules if "\ndef main(" in module.read_text()]
    wanted = sys.argv[1:] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    # A process of its own for each: memory and settings of one must not colour the next.
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        for name in wanted
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
