"""Programs that Debian has: wrk, which sends the requests, and Nginx."""

import os
import shutil
import subprocess

from processes import Failed, say

PACKAGES = {"wrk": "wrk", "nginx": "nginx-light"}


def find(name):
    """The path of a program; installed where root runs this on Debian."""
    return located(name) or install(name)


def located(name):
    # Servers are not on everybody's PATH.
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def install(name):
    package = PACKAGES[name]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Failed(f"there is no {name}; install it (Debian's package is {package})")
    say(f"installing Debian's package {package} …")
    # Nobody asked for a service, and there is none at run level 1.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    for words in (command, ["apt-get", "update"], command):
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if found := located(name):
            return found
    raise Failed(f"apt-get cannot install {package}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")


def version(program, flag):
    """The first line that a program says about itself, wherever and however it ends."""
    done = subprocess.run([program, flag], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]
