"""What a channel weighs in a file and in an image, and how soon a process that begins with it has answered.

    baked.py FOLDER_OF_PROGRAMS

Run by `make bench-baked`. Ridge fits of five numbers, one and 10,000 of them, are trained from generated rows and exported. Then
`gateway --predict-here --fits FILE`, with no broker and no store, is started again and again, and asked over HTTP until it has
answered one row; where a Docker daemon answers, the same with the image that docker/bake makes. Exits with 1 when an answer is
wrong; writes its part of RESULTS.md. Standard library only.
"""

import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from capacity import FEATURES, MODEL, SPEC, generate, too_long  # noqa: E402
from ours import Commands, start_nats  # noqa: E402
from processes import ROOT, Bench, Failed, as_command, said, say  # noqa: E402
from results import write_part  # noqa: E402
from servers import free_port  # noqa: E402

LIMIT_S = 8 * 60
FITS = [1, 10_000]
ROUNDS = 9
TAG = f"bench-{os.getpid()}"
BODY = {"rows": [{"user": "u0", **dict.fromkeys(FEATURES, 0.5)}]}


def main():
    signal.signal(signal.SIGALRM, too_long)
    with Bench((ROOT / sys.argv[1]).resolve()) as bench:
        signal.alarm(LIMIT_S)
        files = {fits: exported(bench, fits) for fits in FITS}
        measured = {fits: Measured(bench, file) for fits, (file, _) in files.items()}
        if base := images(bench):
            try:
                for each in measured.values():
                    each.bake(bench, base)
            finally:
                quiet("docker", "image", "rm", "--force", *(f"scopeforge/{image}:{TAG}" for image in ["gateway", "predictor", "trainer", "enqueue"]))
        signal.alarm(0)
        about = said([bench.programs / "gateway", "--version"])
    lines = report(files, measured)
    text = "\n".join(["# Channels in a file", "", f"Written by `make bench-baked`: {__doc__.split(chr(10) * 2)[2].split('. ', 1)[1]}", "", f"{about}; medians of {ROUNDS} starts; load average {os.getloadavg()[0]:.1f} after.", "", *lines])
    say(text)
    write_part("baked", text)


def exported(bench, fits):
    """A file with so many fits, and the seconds of the export."""
    folder = bench.folder / str(fits)
    folder.mkdir()
    source, file = folder / "users.csv", folder / "fits.pack"
    generate(source, fits)
    nats, url = start_nats(bench, folder)
    commands = Commands(bench, {"SCOPEFORGE_NATS_URL": url, "SCOPEFORGE_STORE": f"file:{folder / 'store'}"})
    spec = folder / "users.toml"
    spec.write_text(SPEC.format(source))
    commands.ask("model", "add", spec)
    trainer = bench.start(bench.programs / "worker", "train", env=commands.env)
    done = commands.ask("train", MODEL, "--scope", "user=*", "--wait")
    if done["outcomes"] != {"trained": fits}:
        raise Failed(f"the campaign ended with {done}")
    written = commands.ask("channel", "export", "live", "--out", file)
    if written["fits"] != fits or written["bytes"] != file.stat().st_size:
        raise Failed(f"the export says {written}")
    bench.stop(trainer, nats)
    return file, written["seconds"]


class Measured:
    """One file: milliseconds to the first answer of a process, and the weight and the milliseconds of a container."""

    def __init__(self, bench, file):
        self.file = file
        self.file_bytes = file.stat().st_size
        self.process_ms = statistics.median(self.process(bench) for _ in range(ROUNDS))
        self.above_bytes = self.container_ms = None

    def process(self, bench):
        port = free_port()
        began = time.perf_counter()
        gateway = bench.start(bench.programs / "gateway", "--predict-here", "--fits", self.file, "--listen", f"127.0.0.1:{port}")
        first_answer("127.0.0.1", port, lambda: gateway.poll() is None)
        took_ms = (time.perf_counter() - began) * 1e3
        bench.stop(gateway)
        return took_ms

    def bake(self, bench, base):
        image = f"scopeforge/gateway:{TAG}-baked"
        said([ROOT / "docker/bake", "--gateway", "--fits", self.file, "--from", base, "--tag", image, "--binaries", bench.programs])
        size = lambda name: int(said(["docker", "image", "inspect", "--format", "{{.Size}}", name]))
        self.above_bytes = size(image) - size(base)
        try:
            self.container_ms = statistics.median(container(image) for _ in range(ROUNDS))
        finally:
            quiet("docker", "image", "rm", "--force", image)


def container(image):
    began = time.perf_counter()
    name = said(["docker", "run", "--detach", "--read-only", image])
    try:
        address = said(["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", name])
        first_answer(address, 8080, lambda: True)
        return (time.perf_counter() - began) * 1e3
    finally:
        quiet("docker", "rm", "--force", "--volumes", name)


def first_answer(host, port, is_alive):
    """Asks until there is an answer, which must be a prediction."""
    until = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("POST", f"/v1/models/{MODEL}/predict", json.dumps(BODY), {"content-type": "application/json"})
            answer = connection.getresponse()
            predicted = json.loads(answer.read())
        except OSError as error:
            if not is_alive() or time.monotonic() > until:
                raise Failed(f"nobody answers at {host}:{port}: {error}") from None
            time.sleep(0.0005)
            continue
        if answer.status != 200 or predicted["fits"][0]["scope"] != "user=u0":
            raise Failed(f"not answered: {predicted}")
        return


def images(bench):
    """The gateway's image, where a Docker daemon answers; what it stands on is made first."""
    if not shutil.which("docker") or quiet("docker", "version") != 0:
        say("no Docker daemon answers, so no image is baked")
        return None
    built = said([ROOT / "docker/build", "--tag", TAG, "--binaries", bench.programs])
    return re.search(r"^(scopeforge/gateway:\S+)", built, re.MULTILINE)[1]


def quiet(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def report(files, measured):
    lines = ["| fits | file | of which per fit | export | start to first answer, process | image above the gateway's | start to first answer, container |", "| --: | --: | --: | --: | --: | --: | --: |"]
    for fits, each in measured.items():
        _, seconds = files[fits]
        size = each.file_bytes
        container = ["–", "–"] if each.container_ms is None else [f"{each.above_bytes / 1e3:,.1f} kB", f"{each.container_ms:.0f} ms"]
        lines.append(f"| {fits:,} | {size / 1e3:,.1f} kB | {size / fits:,.0f} bytes | {seconds * 1e3:,.0f} ms | {each.process_ms:.1f} ms | {' | '.join(container)} |")
    return lines


if __name__ == "__main__":
    as_command(main)
