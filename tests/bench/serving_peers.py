"""Those whom one would serve with otherwise: Gunicorn behind Nginx, and uvicorn, each with two processes."""

import functools
import getpass
import tempfile
from pathlib import Path

import debian
from packages import PYTHON
from peer import DATA
from processes import HERE, Failed
from servers import Server, System, free_port

PEERS = HERE / "peers"
# Each has a process for every core, and small matrices.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PROCESSES = "2"


@functools.cache
def fitted(bench):
    """The folder of the models that peers serve, trained by themselves."""
    folder = bench.folder / "served"
    folder.mkdir()
    bench.finish(bench.start(PYTHON, PEERS / "fitted.py", DATA, folder, env=environment()))
    return folder


def environment(**more):
    return {"PYTHONPATH": str(PEERS), "PYTHONDONTWRITEBYTECODE": "1", **THREADS, **more}


def start(crew, kind, *words):
    if kind in crew.absent:
        raise Failed(crew.absent[kind])
    env = environment(SERVED_MODELS=str(fitted(crew.bench)))
    return crew.bench.start(PYTHON, *words, env=env)


def gunicorn(crew):
    nginx = debian.find("nginx")
    address = crew.bench.sockets / "gunicorn"
    # It is stopped while others are measured, which must not look to its first process as if the others had died.
    workers = ["--workers", PROCESSES, "--preload", "--timeout", "0", "--worker-tmp-dir", "/dev/shm"]
    bind = ["--bind", f"unix:{address}", "--log-level", "warning"]
    farm = start(crew, "Gunicorn", "-m", "gunicorn", "flask_app:app", *workers, *bind)
    crew.bench.wait(farm, address.exists)
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-", dir=crew.bench.folder)), free_port()
    filled = {"user": getpass.getuser(), "folder": folder, "socket": address, "port": port}
    (folder / "nginx.conf").write_text((PEERS / "nginx.conf").read_text().format(**filled))
    before = crew.bench.start(nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr")
    return Server([farm, before], port)


def uvicorn(crew):
    port = free_port()
    return Server([start(crew, "FastAPI", PEERS / "uvicorn_pair.py", str(port))], port)


PEER_SYSTEMS = [
    System("gunicorn", f"Nginx + Gunicorn × {PROCESSES} + Flask + scikit-learn", gunicorn, peer=True),
    System("fastapi", f"FastAPI + uvicorn × {PROCESSES} + numpy", uvicorn, peer=True),
]
