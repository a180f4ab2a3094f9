"""Clients that ask for predictions without a pause, and count what is not answered well."""

import http.client
import threading
import time
from collections import Counter

HEADERS = {"content-type": "application/json"}


class Load:
    """`clients` threads with one lasting connection each, until the block ends."""

    def __init__(self, host, port, path, body, clients=4):
        self.host, self.port, self.path, self.body = host, port, path, body
        self.ended = threading.Event()
        self.answered, self.failures = 0, Counter()
        self.slowest_s = 0.0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def ask(self):
        connection = None
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection(self.host, self.port, timeout=15)
                connection.request("POST", self.path, self.body, HEADERS)
                response = connection.getresponse()
                answer = response.read()
                failure = None if response.status == 200 else f"{response.status} {answer[:200]!r}"
                if response.will_close:
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                failure, connection = repr(error), None
            took = time.monotonic() - began
            with self.lock:
                self.slowest_s = max(self.slowest_s, took)
                self.answered += failure is None
                if failure:
                    self.failures[failure] += 1
            if failure:
                time.sleep(0.05)
