# SPDX-License-Identifier: BSD-3-Clause
"""Holds the style that a machine can hold: file and function length, line width, the opening
paragraph, the SPDX line, and which way #include points. Exceptions are listed here and may only
shrink."""
import pathlib
import re
import subprocess
import sys

FILE_MAX, FUNCTION_MAX, WIDTH_MAX, TAB = 600, 60, 100, 8
LONG_FILES = {}      # path: lines it has today
LONG_FUNCTIONS = {}  # "path:function": lines it has today

# What a folder may include, besides itself; the first match counts.
MAY = [
    ("lib/host", ["lib"]),
    ("lib", []),
    ("balancer/core", ["lib"]),
    ("balancer/config", ["balancer/core", "lib", "lib/host"]),
    ("balancer/admin", ["balancer/core", "balancer/config", "lib", "lib/host"]),
    ("balancer/shell", ["balancer/core", "balancer/config", "balancer/admin", "lib", "lib/host"]),
    ("recursor-stub/core", ["lib"]),
    ("recursor-stub/config", ["recursor-stub/core", "lib", "lib/host"]),
    ("recursor-stub/answers", ["recursor-stub/core", "lib", "lib/host", "sim/capture"]),
    ("recursor-stub/shell", ["recursor-stub/core", "recursor-stub/config",
                             "recursor-stub/answers", "lib", "lib/host"]),
    ("sim/load/core", ["lib", "sim/plan", "balancer/core", "sim/trace/core"]),
    ("sim/capture/core", ["lib", "sim/net"]),
    ("sim/info/core", ["lib", "sim/capture/core"]),
    ("sim/trace/core", ["lib"]),
    ("sim/trace", ["lib", "lib/host", "sim/capture", "sim/trace/core"]),
    ("sim/replay/core", ["lib", "sim/trace/core"]),
    ("sim/pcap/core", ["lib", "sim/capture/core", "sim/net"]),
    ("sim/foreign/core", ["lib", "sim/capture/core"]),
    ("sim/plan", ["lib", "lib/host", "balancer/core", "balancer/config", "recursor-stub/core",
                  "recursor-stub/answers", "sim/trace", "sim/trace/core"]),
]


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], check=True,
                         capture_output=True, text=True).stdout
    return [pathlib.Path(p) for p in out.splitlines() if pathlib.Path(p).is_file()]


def width(line):
    return len(line.expandtabs(TAB))


def check_lines(path, lines):
    for n, line in enumerate(lines, 1):
        if width(line) > WIDTH_MAX:
            yield f"{path}:{n}: {width(line)} columns, at most {WIDTH_MAX}"
        if line != line.rstrip():
            yield f"{path}:{n}: white space at the end"
    if len(lines) > LONG_FILES.get(str(path), FILE_MAX):
        yield f"{path}: {len(lines)} lines, at most {FILE_MAX}"
    if "SPDX-License-Identifier: BSD-3-Clause" not in "\n".join(lines[:2]):
        yield f"{path}: no SPDX line on top"
    if path.suffix in (".c", ".h") and (len(lines) < 2 or not lines[1].startswith("/*")):
        yield f"{path}: opens without a paragraph that says what it is"


def check_functions(path, lines):
    name, start = None, 0
    for n, line in enumerate(lines, 1):
        m = re.match(r"^[a-z_].*?([a-z0-9_]+)\(", line)
        if m and not line.rstrip().endswith(";"):
            name = m.group(1)
        if line.startswith("{"):
            start = n
        if line.startswith("}") and start:
            length = n - start + 2
            if length > LONG_FUNCTIONS.get(f"{path}:{name}", FUNCTION_MAX):
                yield f"{path}:{start}: {name} has {length} lines, at most {FUNCTION_MAX}"
            start = 0


def check_includes(path, lines):
    folder = str(path.parent)
    allowed = next((a for f, a in MAY if folder == f), None)
    if allowed is None:
        return
    for n, line in enumerate(lines, 1):
        m = re.match(r'#include "(.*)/[^/]*"', line)
        if m and m.group(1) != folder and m.group(1) not in allowed:
            yield f"{path}:{n}: {folder} may not include {m.group(1)}"


def main():
    bad = []
    for path in tracked("*.c", "*.h", "*.py", "*.lua", "*.def"):
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".lua":
            bad += [e for e in check_lines(path, lines) if "SPDX" not in e]
            continue
        bad += check_lines(path, lines)
        if path.suffix in (".c", ".h"):
            bad += check_functions(path, lines)
            bad += check_includes(path, lines)
    print("\n".join(bad + [f"tidy: {len(bad)} faults"]))
    return 1 if bad else 0


sys.exit(main())
