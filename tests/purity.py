# SPDX-License-Identifier: BSD-3-Clause
"""Pure objects may leave nothing undefined but memory functions, compiler helpers, the assert hook
and each other: a stray time(), malloc() or log() in a core breaks the build."""
import re
import subprocess
import sys

ALLOWED = re.compile(
    r"^(mem(cpy|move|set|cmp)(_chk)?|__mem(cpy|move|set)_chk|__stack_chk_fail|must_fail|bcmp"
    r"|str(len|chr|cmp|ncmp)|_GLOBAL_OFFSET_TABLE_"
    r"|__(u?div|u?mod|mul|ashl|lshr|ashr|popcount|clz|ctz)\w*i\d"
    r"|__(asan|ubsan|tsan)_\w+)$")


def symbols(path):
    """(undefined, defined) names of an object."""
    undefined, defined = set(), set()
    out = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        kind, name = line.split()[-2:]
        (undefined if kind in "Uw" else defined).add(name)
    return undefined, defined


def main():
    tables = {path: symbols(path) for path in sys.argv[1:]}
    ours = set().union(*(defined for _, defined in tables.values())) if tables else set()
    bad = 0
    for path, (undefined, _) in sorted(tables.items()):
        for name in sorted(undefined - ours):
            if not ALLOWED.match(name):
                print(f"{path}: a pure object uses {name}")
                bad += 1
    print(f"purity: {len(tables)} objects, {bad} forbidden symbols")
    return 1 if bad or not tables else 0


sys.exit(main())
