"""Install the foreign clients that the gateway's tests drive: `python install.py FOLDER`.

They get places of their own, because langchain-openai pins what the gateway's own environment pins differently. Only
the package indexes are asked. When one cannot be reached, FOLDER/missing says so and the tests are skipped with that.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 600


def main(folder: Path) -> None:
    missing = folder / "missing"
    folder.mkdir(parents=True, exist_ok=True)
    missing.unlink(missing_ok=True)
    reasons = [reason for step in (install_python, install_node) if (reason := step(folder))]
    if reasons:
        missing.write_text("\n".join(reasons))
        sys.stderr.write(f"The gateway's client tests will be skipped. {' '.join(reasons)}\n")


def install_python(folder: Path) -> str:
    """The venv `python`; why it could not be made, or nothing."""
    place = folder / "python"
    if not (place / "bin" / "python").exists():
        venv.create(place, with_pip=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    return run("openai, langchain-openai and llm", [*pip, "-r", str(HERE / "requirements.txt")], folder)


def install_node(folder: Path) -> str:
    """The folder `node` with node_modules, and tokenizer data in `tiktoken`; why not, or nothing."""
    npm, place = shutil.which("npm"), folder / "node"
    if npm is None:
        return "npm is not on this machine."
    place.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", "token_data.mjs"):
        shutil.copy(HERE / name, place)
    return run("the npm packages", [npm, "ci", "--no-audit", "--no-fund", "--silent"], place) or run(
        "tokenizer data", ["node", "token_data.mjs", str(folder / "tiktoken")], place
    )


def run(what: str, command: list[str], folder: Path) -> str:
    """What went wrong, or nothing."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"Installing {what} took longer than {SECONDS} seconds."
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return f"Installing {what} failed: {lines[-1]}" if done.returncode else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
