# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages are true: evenkeel(1) names exactly the options that each subcommand's --help
names, the example of evenkeel-scenario(5) is a scenario, and none has a fault."""
import re
import subprocess

import pytest

import ek

PAGE = ek.ROOT / "docs" / "evenkeel.1"


def options_in_page(command):
    """Options of the page's synopsis of that command, in all of its forms."""
    text = PAGE.read_text(encoding="utf-8").split(".Sh SYNOPSIS")[1].split(".Sh DESCRIPTION")[0]
    forms = [f.split(".Nm evenkeel")[0] for f in text.split(f".Nm evenkeel {command}\n")[1:]]
    assert forms, f"no synopsis of {command}"
    return set(re.findall(r"Fl -([a-z-]+)", "".join(forms)))


@pytest.mark.parametrize("command", ["run", "plan", "judge", "seeds", "search", "info",
                                     "replay", "pcap"])
def test_page_and_help_name_the_same_options(command):
    done = subprocess.run([ek.program("evenkeel"), command, "--help"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=20)
    if "not built yet" in done.stderr:
        pytest.skip(f"evenkeel {command} isn't built yet")
    assert done.returncode == 0
    in_help = set(re.findall(r"--([a-z][a-z-]+)", done.stdout)) - {"help"}
    assert in_help == options_in_page(command)


@pytest.mark.parametrize("path", sorted(PAGE.parent.glob("*.[15]")), ids=lambda p: p.name)
def test_pages_have_no_faults(path):
    done = subprocess.run([ek.tool("mandoc"), "-Tlint", "-Wwarning", str(path)],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout == ""


def test_the_scenario_page_s_example_is_a_scenario(tmp_path):
    text = (ek.ROOT / "docs" / "evenkeel-scenario.5").read_text(encoding="utf-8")
    example = text.split(".Bd -literal\n")[1].split(".Ed")[0]
    example = example.replace("blog/", f"{ek.SCENARIOS}/blog/")
    path = tmp_path / "example.lua"
    path.write_text(example)
    done = subprocess.run([ek.program("evenkeel"), "plan", str(path)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=20)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
