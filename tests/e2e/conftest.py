# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures and the marker `lab` for the end-to-end tests; what they share otherwise is in ek.py.
A lab test needs network namespaces: where they are refused it is skipped with the reason, or fails
under EK_REQUIRE_LAB=1."""
import functools
import os
import subprocess

import pytest

import ek


def pytest_configure(config):
    config.addinivalue_line("markers", "lab: runs nodes in network namespaces")


@functools.lru_cache(maxsize=None)
def why_no_namespaces():
    """Why there are no namespaces for us here; "" when there are."""
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    try:
        done = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True,
                              timeout=10, stdin=subprocess.DEVNULL)
    except OSError as e:
        return str(e)
    return "" if done.returncode == 0 else done.stderr.strip() or "unshare failed"


def pytest_runtest_setup(item):
    if item.get_closest_marker("lab") and why_no_namespaces():
        ek.cant_lab(why_no_namespaces())


@pytest.fixture
def start():
    """start(program, args..., notify=True) gives an ek.Process that ends with the test."""
    running = []

    def begin(*argv, **more):
        running.append(ek.Process(*argv, **more))
        return running[-1]
    yield begin
    for p in reversed(running):
        p.close()
