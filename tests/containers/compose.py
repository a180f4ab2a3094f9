"""The system of docker/compose.yaml, with images of this machine."""

import json
import os
import shutil
import socket

from sites import Failed, run


class Compose:
    """docker/compose.yaml with images of this machine, under a name of its own."""

    def __init__(self, project, tag, **env):
        self.project = project
        self.words = composer()
        self.port = free_port()
        self.env = {**os.environ, "SCOPEFORGE_TAG": tag, "EDGE_PORT": str(self.port), "SCOPEFORGE_PORTS": "20080-20099",
                    "COMPOSE_PROJECT_NAME": project, **env}
        self.options = ["--env-file", "docker/local.env"]

    def __enter__(self):
        self.down()
        return self

    def __exit__(self, *_):
        self.down()

    def run(self, *words, profile="edge"):
        return run([*self.words, "--file", "docker/compose.yaml", *self.options, "--profile", profile, *words], env=self.env)

    def down(self):
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5")

    def images(self):
        """The tags of the programs that run."""
        label = f"label=com.docker.compose.project={self.project}"
        running = run(["docker", "ps", "--filter", label, "--format", "{{.Image}}"]).splitlines()
        return sorted(image for image in running if image.split(":")[0].split("/")[-1] in ("trainer", "predictor", "gateway"))

    def containers(self, service):
        """The running containers of a service."""
        labels = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}"]
        return run(["docker", "ps", "--quiet", *[word for label in labels for word in ("--filter", label)]]).split()

    def enqueue(self, *words, check=True):
        """A command of `enqueue`; its JSON."""
        command = [*self.words, "--file", "docker/compose.yaml", *self.options, "run", "--rm", "-T", "enqueue", "--json", *words]
        done = run(command, check=check, env=self.env)
        return json.loads(done) if check else done

    def lag(self):
        return self.enqueue("lag")


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def composer():
    """docker compose, by either name; Debian's where there is none."""
    if run(["docker", "compose", "version"], check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise Failed("there is no docker compose; install it (Debian's package is docker-compose)")
        run(["apt-get", "update"], limit_s=300)
        run(["apt-get", "install", "--yes", "--no-install-recommends", "docker-compose"], limit_s=300)
    return ["docker-compose"]
