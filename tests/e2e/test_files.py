# SPDX-License-Identifier: BSD-3-Clause
"""Files that aren't what the command line says, for every program that reads one: one line that
names the file, the documented exit status, nothing left behind."""
import os
import subprocess

import pytest

import ek

BIG = b"-" * (10 << 20)
CONTENTS = {"empty": b"", "big": BIG, "nul": b"a=1\0b\n", "binary": bytes(range(128, 256)),
            "escape": b"#\n\x1bLJ\x02"}
READERS = {
    "balancer": (["balancer", "--check-config", "-C"], 1),
    "recursor-stub": (["recursor-stub", "--local-address=203.0.113.1", "--socket-dir=",
                       "--local-port=53001", "--config"], 1),
    "plan": (["evenkeel", "plan"], 2),
    "run": (["evenkeel", "run", "--out", "out"], 2),
    "judge": (["evenkeel", "judge"], 2),
}


def read(reader, path, cwd):
    """Runs the program on path. Returns its exit status and everything that it said."""
    argv, _ = READERS[reader]
    done = subprocess.run([ek.program(argv[0]), *argv[1:], path], capture_output=True, cwd=cwd,
                          stdin=subprocess.DEVNULL, timeout=30, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def make(folder, what, name):
    path = folder / name
    if what == "directory":
        path.mkdir()
    elif what != "missing":
        path.write_bytes(CONTENTS[what])


@pytest.mark.parametrize("what", ["missing", "directory", *CONTENTS])
@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_none_is_one_line_and_the_documented_status(reader, what, tmp_path):
    if (reader, what) == ("balancer", "empty"):
        pytest.skip("an empty configuration is one")
    make(tmp_path, what, "f.lua")
    status, said = read(reader, "f.lua", tmp_path)
    assert (status, len(said.splitlines())) == (READERS[reader][1], 1), said
    assert "f.lua" in said or "203.0.113.1" in said
    assert not any(c < " " for c in said.rstrip("\n"))
    assert os.listdir(tmp_path) == ([] if what == "missing" else ["f.lua"])


@pytest.mark.parametrize("what", ["directory", *CONTENTS])
def test_a_run_directory_whose_plan_is_none_is_one_line(what, tmp_path):
    make(tmp_path, what, "plan.json")
    status, said = read("judge", ".", tmp_path)
    assert (status, len(said.splitlines())) == (2, 1), said
    assert "plan.json" in said and os.listdir(tmp_path) == ["plan.json"]


@pytest.mark.parametrize("reader,name", [("balancer", "dnsdist.conf"),
                                         ("recursor-stub", "recursor.conf"),
                                         ("plan", "s.lua")])
def test_line_ends_of_another_system_are_read(reader, name, tmp_path):
    blog = ek.SCENARIOS / "blog"
    for file in blog.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "s.lua").write_bytes((ek.SCENARIOS / "blog.lua").read_bytes()
                                     .replace(b"blog/", b"").replace(b"\n", b"\r\n"))
    if reader == "recursor-stub": # ends at the address, after the file
        (tmp_path / name).write_bytes(b"allow-from=192.0.2.0/24, ::1\r\n# x\r\nthreads=2\r\n")
    status, said = read(reader, name, tmp_path)
    if reader == "recursor-stub":
        assert said.endswith("Cannot assign requested address\n"), said
    else:
        assert status == 0, said


def test_a_file_that_may_not_be_read_is_said_so(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    for reader, (_, status) in READERS.items():
        path = tmp_path / reader
        path.write_bytes(b"")
        path.chmod(0)
        assert read(reader, path.name, tmp_path)[0] == status


@pytest.mark.parametrize("argv", [["evenkeel", "run", "--nonsense"], ["evenkeel", "plan"],
                                  ["evenkeel", "plan", "--nonsense"], ["evenkeel", "judge"],
                                  ["evenkeel", "judge", "--nonsense"], ["evenkeel", "nonsense"],
                                  ["evenkeel", "run"], ["evenkeel", "run", "--out"]])
def test_a_wrong_command_line_is_one_line_that_names_the_command(argv):
    done = subprocess.run([ek.program(argv[0]), *argv[1:]], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("evenkeel")
