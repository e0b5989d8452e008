# SPDX-License-Identifier: BSD-3-Clause
"""The manual page is true: it names exactly the options that each subcommand's --help names."""
import re
import subprocess

import pytest

import ek

PAGE = ek.ROOT / "docs" / "evenkeel.1"


def options_in_page(command):
    """Options of the page's synopsis of that command."""
    text = PAGE.read_text(encoding="utf-8").split(".Sh SYNOPSIS")[1].split(".Sh DESCRIPTION")[0]
    part = text.split(f".Nm evenkeel {command}\n")[1].split(".Nm evenkeel")[0]
    return set(re.findall(r"Fl -([a-z-]+)", part))


@pytest.mark.parametrize("command", ["run", "plan", "judge"])
def test_page_and_help_name_the_same_options(command):
    done = subprocess.run([ek.program("evenkeel"), command, "--help"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=20)
    if "not built yet" in done.stderr:
        pytest.skip(f"evenkeel {command} isn't built yet")
    assert done.returncode == 0
    in_help = set(re.findall(r"--([a-z][a-z-]+)", done.stdout)) - {"help"}
    assert in_help == options_in_page(command)


def test_page_has_no_faults():
    done = subprocess.run([ek.tool("mandoc"), "-Tlint", "-Wwarning", str(PAGE)],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout == ""
