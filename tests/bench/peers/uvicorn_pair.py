"""uvicorn with two processes: `uvicorn_pair.py PORT`.

As `uvicorn --workers 2` runs it, but for the listener: the command's own makes sockets on which an answer's body waits 40 ms
for the client to confirm its head.
"""

import socket
import sys

import uvicorn
from uvicorn.supervisors import Multiprocess

# Both processes are stopped while others are measured, which must not look as if they had died.
HEALTHCHECK_S = 60


def main():
    config = uvicorn.Config(
        "fastapi_app:app", workers=2, access_log=False, log_level="warning", timeout_worker_healthcheck=HEALTHCHECK_S
    )
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=config.backlog)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    Multiprocess(config, sockets=[listener]).run()


if __name__ == "__main__":
    main()
