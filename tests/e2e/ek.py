# SPDX-License-Identifier: BSD-3-Clause
"""What end-to-end tests share: where the programs are, free ports, conditions to wait for instead
of sleeping, processes that are reaped by pid, and runs of evenkeel with their verdict read."""
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EK_BIN", ROOT / "build" / "bin")).resolve()
DATA = pathlib.Path(__file__).resolve().parent / "data"
SCENARIOS = ROOT / "scenarios"

# For labs that aren't about timing: tests run several at once, on whatever machine there is.
PATIENT = [a for v in ("send_late_p999=300ms", "send_late_max=500ms", "loop_gap=300ms",
                       "slack=200ms") for a in ("--set", "limits." + v)]

# evenkeel's exit statuses
PASS, FAIL, USAGE, INCONCLUSIVE, INVALID, CANT = 0, 1, 2, 3, 4, 77


def program(name):
    """Path of one of our programs; a missing one is a failure, not a skip."""
    path = BIN / name
    assert path.is_file(), f"{path} isn't built (make, or EK_BIN=DIR)"
    return str(path)


def tool(name):
    """Path of somebody else's program; the test is skipped where it isn't installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        pytest.skip(f"{name} isn't installed")
    return path


def cant_lab(reason):
    """No namespaces here: a skip with its reason, or a failure where EK_REQUIRE_LAB=1 asks."""
    if os.environ.get("EK_REQUIRE_LAB") == "1":
        pytest.fail(f"EK_REQUIRE_LAB=1, and no lab can run here: {reason}")
    pytest.skip(f"no lab can run here: {reason}")


def is_free(host, port):
    """Whether nobody has the port, for UDP nor TCP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as s:
            try:
                s.bind((host, port))
            except OSError:
                return False
    return True


def free_port(*hosts):
    """A port that was free a moment ago on every host; below those that the kernel gives to
    clients, of which tests that run beside take many."""
    for _ in range(1000):
        port = random.randrange(10240, 32768)
        if all(is_free(h, port) for h in hosts or ("127.0.0.1",)):
            return port
    raise AssertionError(f"no free port on {hosts}")


@contextlib.contextmanager
def no_descriptor_left(pid):
    """A program may open no file but in the place of one that it closes. Gives a function that
    takes away what it has freed since."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def leave_none():
        used = {int(n) for n in os.listdir(f"/proc/{pid}/fd")}
        limit = min(set(range(len(used) + 1)) - used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    leave_none()
    yield leave_none
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def wait_until(condition, what, timeout=10.0):
    """Waits until condition() is true and returns what it gave; fails after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.005)


def tasks(pid):
    """The threads of a process, as directories of /proc."""
    try:
        return list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def size(path):
    """Bytes of a file, 0 while it isn't there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class Process:
    """A program under test: its output in a file, its readiness by sd_notify, its end by pid."""

    def __init__(self, *argv, notify=False, env=None, **popen):
        self.argv = [str(a) for a in argv]
        self._out = tempfile.NamedTemporaryFile(prefix="ek-e2e-", suffix=".log")
        self._notify = None
        self._dir = None
        env = dict(os.environ if env is None else env)
        if notify:
            self._dir = tempfile.TemporaryDirectory(prefix="ek-e2e-")
            path = os.path.join(self._dir.name, "notify")
            self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._notify.bind(path)
            env["NOTIFY_SOCKET"] = path
        self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self._out,
                                      stderr=subprocess.STDOUT, env=env, **popen)
        self.pid = self.popen.pid

    def output(self):
        return pathlib.Path(self._out.name).read_text(encoding="utf-8", errors="replace")

    def wait_ready(self, timeout=10.0):
        """Until READY=1 has come (needs notify=True)."""
        self._notify.settimeout(0.02)

        def ready():
            assert self.popen.poll() is None, f"{self.argv} ended early:\n{self.output()}"
            try:
                return b"READY=1" in self._notify.recv(4096)
            except socket.timeout:
                return False
        wait_until(ready, f"READY=1 of {self.argv[0]}", timeout)

    def wait_line(self, pattern, timeout=10.0):
        """Until the output has a line that matches; returns the match."""
        return wait_until(lambda: re.search(pattern, self.output(), re.MULTILINE),
                          f"/{pattern}/ in the output of {self.argv[0]}", timeout)

    def wait(self, timeout=30.0):
        return self.popen.wait(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=5.0):
        """Ends it, by SIGKILL when sig isn't enough, and returns its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode

    def close(self):
        self.stop()
        if self._notify is not None:
            self._notify.close()
            self._dir.cleanup()
        self._out.close()


class Run:
    """A run of evenkeel that is over: exit status, what it printed, its directory and verdict."""

    def __init__(self, status, text, directory):
        self.status, self.text, self.dir = status, text, pathlib.Path(directory)
        path = self.dir / "verdict.json"
        self.doc = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def verdict(self):
        return self.doc.get("verdict")

    def expectation(self, kind):
        """The first expectation of that kind."""
        found = [e for e in self.doc.get("expectations", []) if e.get("kind") == kind]
        assert found, f"no expectation '{kind}' in the verdict:\n{self.text}"
        return found[0]

    def reasons(self):
        """All sentences that say why, as one text."""
        bad = [e for e in self.doc.get("expectations", []) if e.get("verdict") != "PASS"]
        return "\n".join(self.doc.get("invalid", []) +
                         [f"{e.get('kind')}: {e.get('why')}" for e in bad])


def run_argv(scenario, out, *args):
    return [program("evenkeel"), "run", "--out", str(out), *map(str, args), str(scenario)]


def run(scenario, out, *args, timeout=60.0):
    """evenkeel run; exit status 77 skips the test."""
    done = subprocess.run(run_argv(scenario, out, *args), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    if done.returncode == CANT:
        cant_lab(done.stdout.strip() or "evenkeel says 77")
    return Run(done.returncode, done.stdout, out)


def run_valid(scenario, out, *args, attempts=4):
    """run, again while it is INVALID: a busy machine isn't what the test is about."""
    for n in range(attempts):
        done = run(scenario, f"{out}-{n}" if n else out, *args)
        if done.status != INVALID:
            break
    return done


def judge(directory, timeout=60.0):
    """evenkeel judge of a run directory."""
    done = subprocess.run([program("evenkeel"), "judge", str(directory)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout)
    return Run(done.returncode, done.stdout, directory)
