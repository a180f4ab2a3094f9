"""The Python that the peers run with, in .cache/bench-venv, installed from PyPI at the first run."""

import json
import shutil
import subprocess
import sys

from processes import CACHE, HERE, ROOT, said

VENV = CACHE / "bench-venv"
PYTHON = VENV / "bin/python"
PINS = HERE / "peers/requirements.txt"
BASE = ["scikit-learn", "pandas", "pyarrow", "joblib"]
TRAINING = {"Celery": ["celery[redis]"], "Ray": ["ray"], "PySpark": ["pyspark"]}
SERVING = {"Gunicorn": ["flask", "gunicorn"], "FastAPI": ["fastapi", "uvicorn"]}
SHOWN = ["scikit-learn", "numpy", "pandas", "pyarrow", "joblib", "celery", "redis", "ray", "pyspark"]
SHOWN_SERVING = ["scikit-learn", "numpy", "Flask", "gunicorn", "fastapi", "uvicorn"]


def make_venv(peers=TRAINING):
    """Installs what is missing. Returns why peers are absent: those of `peers` that could not be installed."""
    state = VENV / "made.json"
    wanted = {"python": sys.version, "pins": PINS.read_text()}
    made = json.loads(state.read_text()) if state.exists() else {}
    if made.get("wanted") != wanted:
        print(f"making {VENV.relative_to(ROOT)} from {PINS.relative_to(ROOT)} …", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        said([sys.executable, "-m", "venv", VENV])
        said(pip_install(BASE))
        made = {"wanted": wanted, "installed": []}
    absent = {}
    for peer in (peer for peer in peers if peer not in made["installed"]):
        done = subprocess.run(pip_install(peers[peer]), capture_output=True, text=True)
        if done.returncode == 0:
            made["installed"].append(peer)
        else:
            absent[peer] = f"pip cannot install it: {last_line(done.stderr)}"
    state.write_text(json.dumps(made))
    return absent


def pip_install(names):
    return [VENV / "bin/pip", "install", "--quiet", "--constraint", PINS, *names]


def versions(shown=SHOWN):
    """Names and versions of the packages that matter."""
    listed = dict(line.split("==", 1) for line in said([VENV / "bin/pip", "freeze"]).splitlines() if "==" in line)
    return [f"{name} {listed[name]}" for name in shown if name in listed]


def last_line(text):
    return (text.strip().splitlines() or ["no output"])[-1]
