# SPDX-License-Identifier: BSD-3-Clause
"""The front door of evenkeel: help, version, and what it says to a command that it doesn't know."""
import subprocess

import ek


def evenkeel(*args):
    return subprocess.run([ek.program("evenkeel"), *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20)


def test_help_names_every_command():
    done = evenkeel("--help")
    assert done.returncode == 0
    for command in ("run", "plan", "judge", "seeds", "search"):
        assert f"  {command}" in done.stdout


def test_version_is_one_line():
    done = evenkeel("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("evenkeel ") and done.stdout.count("\n") == 1


def test_unknown_command_is_a_usage_error_in_one_line():
    done = evenkeel("rnu")
    assert done.returncode == ek.USAGE
    assert "'rnu'" in done.stderr and done.stderr.count("\n") == 1


def test_output_can_be_awaited_and_the_process_reaped(start):
    p = start("/bin/sh", "-c", "echo ready; exec sleep 60")
    p.wait_line("^ready$")
    p.stop()
    assert p.popen.returncode == -15
