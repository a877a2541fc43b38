"""``make bench``: every benchmark here, one after the other."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

for script in sorted(HERE.glob("*.py")):
    if not script.name.startswith("_"):
        print(f"==== {script.name}", flush=True)
        subprocess.run([sys.executable, str(script)], check=False)
