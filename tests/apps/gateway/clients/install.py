"""Install the foreign clients that the gateway's tests drive: `python install.py FOLDER`.

They get places of their own, because they pin what the gateway's own environment pins differently, and what each other
pins. Only the package indexes are asked. When a place cannot be filled, its file `missing` says why, and so does
FOLDER/missing; its tests are skipped with that.
"""

import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECONDS = 600
UV = "uv==0.13.9"
"""It installs in seconds what takes pip minutes."""
PYTHON = {"python": "requirements.txt", "agents": "requirements-agents.txt", "older": "requirements-older.txt"}
"""Environments and what is in them: `older` has clients that want the version before of OpenAI's."""


def main(folder: Path) -> None:
    missing = folder / "missing"
    folder.mkdir(parents=True, exist_ok=True)
    missing.unlink(missing_ok=True)
    with ThreadPoolExecutor(2) as both:
        node = both.submit(install_node, folder)
        reasons = install_python(folder) | {"node": node.result()}
    for name, reason in reasons.items():
        note = folder / name / "missing"
        note.unlink(missing_ok=True)
        if reason:
            note.parent.mkdir(exist_ok=True)
            note.write_text(reason)
    found = [reason for reason in reasons.values() if reason]
    if found:
        missing.write_text("\n".join(found))
        sys.stderr.write(f"Some of the gateway's client tests will be skipped. {' '.join(found)}\n")


def install_python(folder: Path) -> dict[str, str]:
    """Each environment, and why it could not be made, or nothing."""
    tools = folder / "tools"
    if not (tools / "bin" / "python").exists():
        venv.create(tools, with_pip=True)
    pip = [str(tools / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", UV]
    failed = run(UV, pip, folder)
    return {name: failed or _fill(folder, name) for name in PYTHON}


def _fill(folder: Path, name: str) -> str:
    uv, python = str(folder / "tools" / "bin" / "uv"), folder / name / "bin" / "python"
    made = "" if python.exists() else run(name, [uv, "venv", "--quiet", "--python", sys.executable, name], folder)
    packages = ["-r", str(HERE / PYTHON[name])]
    return made or run(PYTHON[name], [uv, "pip", "install", "--quiet", "--python", str(python), *packages], folder)


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
