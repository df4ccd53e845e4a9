"""Make an environment for the peers: `python install.py FOLDER`. FOLDER/missing names what could not be installed."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 600


def main(folder: Path) -> None:
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    missing = []
    lines = (HERE / "requirements.txt").read_text().splitlines()
    for requirement in (line for line in lines if line and not line.startswith("#")):
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
        try:
            done = subprocess.run([*command, requirement], capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            missing.append(f"{requirement}: not installed within {SECONDS} s")
            continue
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
            missing.append(f"{requirement}: {said[-1]}")
    (folder / "missing").write_text("\n".join(missing))
    sys.stderr.write("".join(f"Not installed, so not measured: {line}\n" for line in missing))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
