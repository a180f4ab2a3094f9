"""What serving holds in memory, what an answer takes whose fit is not there yet, and how soon a moved channel answers.

    capacity.py FOLDER_OF_PROGRAMS

Run by `make bench-capacity`; ABOUT says what it does. Exits with 1 when a process holds more than it may, or when an answer is
wrong; writes its part of RESULTS.md. Standard library only.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import statistics
import sys
import threading
import time

sys.dont_write_bytecode = True

from memory import field_bytes  # noqa: E402
from moves import ASKED, moved  # noqa: E402
from ours import Commands, start_gateway, start_nats  # noqa: E402
from processes import ROOT, Bench, Failed, TooLong, as_command, said, say  # noqa: E402
from results import write_part  # noqa: E402
from servers import free_port  # noqa: E402

ABOUT = """\
Written by `make bench-capacity`: 100,000 ridge fits of five numbers are trained from generated rows into a file store and into
Redis; a predictor that has just started is asked for single scopes of all packs, each for the first time, then for all scopes.
Then ten million rows are streamed through the gateway as NDJSON, and 100,000 other fits are promoted and taken back while a client
asks two predictors without a pause. It fails when a process holds more than it may, or when an answer is wrong or of two states."""
LIMIT_S = 10 * 60
MODEL = "users"
FITS = 100_000
ROWS_OF_EACH = 10
FEATURES = "abcde"
COLD = 200  # answers
COLD_AIM_MS = 20
ROWS_OF_A_REQUEST = 2_000
STREAMED = 10_000_000
ROWS_OF_A_CHUNK = 10_000
BLOCK_BYTES = 1 << 20
PREDICTOR_MB, GATEWAY_MB = 300, 1_000
SPEC = """\
name = "users"
[data]
source = "{}"
[scope]
dimensions = ["user"]
[learn]
target = "y"
features = ["a", "b", "c", "d", "e"]
algorithm = "ridge"
min_rows = 5
"""


class Stack(Commands):
    """A broker, a store with all fits, and afterwards a predictor and a gateway that have just started."""

    def __init__(self, bench, name, store, source):
        folder = bench.folder / name
        folder.mkdir()
        self.nats, url = start_nats(bench, folder)
        super().__init__(bench, {"SCOPEFORGE_NATS_URL": url, "SCOPEFORGE_STORE": store})
        spec = folder / "users.toml"
        spec.write_text(SPEC.format(source))
        self.ask("model", "add", spec)
        trainer = bench.start(bench.programs / "worker", "train", env=self.env)
        done = self.ask("train", MODEL, "--scope", "user=*", "--wait")
        if done["outcomes"] != {"trained": FITS}:
            raise Failed(f"the campaign ended with {done}")
        bench.stop(trainer)
        self.predictor = bench.start(bench.programs / "worker", "infer", env=self.env)
        self.gateway, address = start_gateway(bench, self.env)
        host, port = address.split(":")
        self.address = host, int(port)
        self.http = http.client.HTTPConnection(host, int(port), timeout=60)
        bench.wait(self.predictor, lambda: self.get("/readyz")[0] == 200)

    def get(self, path):
        """Status and body."""
        self.http.request("GET", path)
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def answer(self, users):
        """The answer for some users; every row must have the fit of its own scope."""
        rows = [{"user": f"u{user}", **dict.fromkeys(FEATURES, 0.5)} for user in users]
        self.http.request("POST", f"/v1/models/{MODEL}/predict", json.dumps({"rows": rows}), {"content-type": "application/json"})
        answer = json.loads(self.http.getresponse().read())
        if answer.get("errors") or len(answer.get("fits", [])) != len(users):
            raise Failed(f"not answered: {str(answer)[:500]}")
        return answer

    def predict(self, users):
        """Milliseconds that one answer takes."""
        began = time.perf_counter()
        self.answer(users)
        return (time.perf_counter() - began) * 1e3


def held_mb(process):
    """The most memory that a process has had."""
    return field_bytes(process.pid, "status", "VmHWM:") / 1e6


def main():
    signal.signal(signal.SIGALRM, too_long)
    began = time.monotonic()
    with Bench((ROOT / sys.argv[1]).resolve()) as bench:
        signal.alarm(LIMIT_S)
        source = bench.folder / "users.csv"
        generate(source)
        port = free_port()
        server = bench.start(bench.redis_server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", bench.folder)
        bench.wait(server, lambda: answers(port))
        measured = {}
        for name, store in {"file": f"file:{bench.folder / 'store'}", "Redis": f"redis://127.0.0.1:{port}"}.items():
            stack = Stack(bench, name, store, source)
            measured[name] = fits(stack)
            say(f"{name}: measured")
            if name == "file":
                stream = streamed(stack)
                moves = moved(stack, MODEL, FITS)
            bench.stop(stack.gateway, stack.predictor, stack.nats)
        signal.alarm(0)
        about = [said([program, "--version"]) for program in (bench.programs / "worker", bench.nats_server, bench.redis_server)]
    lines = report(measured, stream, moves)
    end = f"{time.monotonic() - began:.0f} s in all; load average {os.getloadavg()[0]:.1f} after"
    text = "\n".join(["# What serving holds", "", ABOUT, "", " · ".join(about), "", *lines, "", f"{end}."])
    say(text)
    write_part("capacity", text)
    heavy = [name for name, (_, held_mb) in measured.items() if held_mb > PREDICTOR_MB]
    if heavy or stream["gateway_mb"] > GATEWAY_MB:
        raise Failed(f"more memory than {PREDICTOR_MB} MB for a predictor or {GATEWAY_MB} MB for the gateway")


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def generate(file, fits=FITS):
    chance = random.Random(7)
    with file.open("w") as out:
        out.write(f"user,{','.join(FEATURES)},y\n")
        for _ in range(ROWS_OF_EACH):
            for user in range(fits):
                values = [round(chance.random(), 3) for _ in FEATURES]
                out.write(f"u{user},{','.join(map(str, values))},{sum(values) * (user % 7) + chance.random():.3f}\n")


def fits(stack):
    """Milliseconds of the cold answers, ascending, and the most memory of the predictor, in MB."""
    cold = sorted(stack.predict([user]) for user in range(0, FITS, FITS // COLD))
    for first in range(0, FITS, ROWS_OF_A_REQUEST):
        stack.predict(range(first, first + ROWS_OF_A_REQUEST))
    return cold, held_mb(stack.predictor)


def streamed(stack):
    """Ten million rows in, as many predictions out, while both are under way."""
    row = '{{"user":"u{}","a":0.1,"b":{},"c":0.3,"d":0.4,"e":0.5}}\n'
    chunk = "".join(row.format(number * 7 % FITS, number % 100 / 100) for number in range(ROWS_OF_A_CHUNK)).encode()
    began = time.perf_counter()
    with socket.create_connection(stack.address) as connection:
        head = f"POST /v1/models/{MODEL}/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n"
        connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())

        def send():
            for _ in range(STREAMED // ROWS_OF_A_CHUNK):
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.sendall(b"0\r\n\r\n")

        sender = threading.Thread(target=send)
        sender.start()
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        predicted, tail = 0, b""
        while data := answer.read(BLOCK_BYTES):
            predicted += data.count(b"\n")
            if b'"error":' in tail + data:
                raise Failed(f"a row was not predicted: {(tail + data)[:500]}")
            tail = data[-len('"error":'):]
        sender.join()
    seconds = time.perf_counter() - began
    if answer.status != 200 or predicted != STREAMED:
        raise Failed(f"{predicted:,} of {STREAMED:,} rows were predicted")
    return {"seconds": seconds, "gateway_mb": held_mb(stack.gateway), "predictor_mb": held_mb(stack.predictor)}


def report(measured, stream, moves):
    lines = ["| store | cold answer, median ms | 9 in 10 below | slowest | predictor with 100,000 fits, peak MB |", "| --- | --: | --: | --: | --: |"]
    for name, (cold, held_mb) in measured.items():
        lines.append(f"| {name} | {statistics.median(cold):.1f} | {cold[len(cold) * 9 // 10]:.1f} | {cold[-1]:.1f} | {held_mb:.0f} |")
    late = sum(ms > COLD_AIM_MS for cold, _ in measured.values() for ms in cold)
    rate = STREAMED / stream["seconds"]
    spread = {name: f"{statistics.median(ms):.0f} ms ({ms[0]:.0f} – {ms[-1]:.0f})" for name, ms in moves.items()}
    return [
        *lines, "", f"{late} of {2 * COLD} cold answers took more than {COLD_AIM_MS} ms.", "",
        f"{STREAMED:,} rows as NDJSON: {stream['seconds']:.0f} s, {rate:,.0f} rows/s;"
        f" peak of the gateway {stream['gateway_mb']:.0f} MB, of the predictor {stream['predictor_mb']:.0f} MB.", "",
        f"From the start of the command until {ASKED} scopes of {FITS:,} on two predictors were answered by the moved channel:"
        f" promote {spread['promote']}, rollback {spread['rollback']}.",
    ]


def too_long(*_):
    raise TooLong(f"not done within {LIMIT_S} s; is the machine busy with something else?")


if __name__ == "__main__":
    as_command(main)
