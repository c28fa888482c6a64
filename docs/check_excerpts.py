#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the C code shown in README.md and docs/*.md is code that is compiled.

Every ```c block follows a line <!-- FILE --> and stands in that file of the repository, line by
line. And that the tests that docs/faults.md names exist.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
block = re.compile(r"(?:<!-- (\S+) -->\n)?```c\n(.*?)```", re.DOTALL)


def problems(document):
    text = document.read_text()
    for found in block.finditer(text):
        where = f"{document.relative_to(root)}:{text.count(chr(10), 0, found.start()) + 1}"
        source, code = found.groups()
        if source is None:
            yield f"{where}: no <!-- FILE --> before this code"
        elif not (root / source).is_file():
            yield f"{where}: there is no {source}"
        elif code not in (root / source).read_text():
            yield f"{where}: this code does not stand in {source}"


def missing_tests():
    document = root / "docs/faults.md"
    sources = "".join(path.read_text() for path in (root / "test").glob("*/*_test.c"))
    for row in re.findall(r"^\|.*\|$", document.read_text(), re.MULTILINE):
        for name in re.findall(r"`([a-z0-9_]+)`", row.split("|")[3]):
            if not re.search(rf"TEST\({name}[,)]", sources):
                yield f"{document.relative_to(root)}: there is no test {name}"


def main():
    documents = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    found = [problem for document in documents for problem in problems(document)]
    found += missing_tests()
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
