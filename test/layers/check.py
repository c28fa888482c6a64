#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what a compiler does not: the order of the layers (layers.txt) and the house rules.

usage: check.py [ROOT]. Prints one line a violation, file:line: what, and fails if there is any.
check_test.py plants each kind of violation and expects it to be found.
"""
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCE_SUFFIXES = {'.c', '.h', '.S', '.def', '.py', '.sh', '.cmake', '.go', '.cc', '.lua'}
SOURCE_NAMES = {'CMakeLists.txt', 'dev', 'run'}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {'.md', '.txt', '.in', '.map', '.expect', '.pml'}
SKIPPED_FOLDERS = {'build', 'out', 'corpus', 'node_modules', '__pycache__'}

# Written so that this file does not contain them.
UNFINISHED = re.compile(r'\b(' + '|'.join(('TO' 'DO', 'FIX' 'ME', 'X' 'XX', 'HA' 'CK')) + r')\b')
VAGUE_NAME = re.compile(r'^(utils?|helpers?|misc|common|stuff)(_test)?\.[chS]$')
SLEEP = re.compile(r'\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\(')
SLEEP_REASON = 'sleeps:'
ERRNO = re.compile(r'\berrno\b')
THREAD_LOCAL = re.compile(r'\b(_Thread_local|__thread|thread_local)\b')
THREAD_LOCAL_FILES = ('src/os/lock.c',)
HEAP = re.compile(r'\b(malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|strndup)\s*\(')
HEAP_FILE = 'src/base/alloc.h'
HARNESS = {'harness.h', 'task.h', 'tcp_pair.h', 'trace_file.h', 'trace_made.h', 'view.h'}  # what a test in src/ may include of test/harness/
# The headers of libraries above the core.
PUBLIC_HEADERS = {'covey/http.h': 'http', 'covey/http_server.h': 'http', 'covey/tls.h': 'tls',
                  'covey/db.h': 'sql', 'covey/redis.h': 'redis', 'covey/redis_fanout.h': 'redis'}


class Layers:
    """layers.txt: rank of each core folder, and the set of public ones."""

    def __init__(self, text):
        self.rank = {}
        self.public = set()
        for line in text.splitlines():
            line = line.split('#')[0].strip()
            if line.startswith('core:'):
                for rank, part in enumerate(line[5:].split('<')):
                    for name in re.findall(r'\w+', part):
                        self.rank[name] = rank
            elif line.startswith('public:'):
                self.public.update(line[7:].split())

    def why_not(self, folder, other):
        """Why a file of src/<folder> must not include from src/<other>; None if it may."""
        if folder == other:
            return None
        if folder in self.public:
            return f'{folder} sees only <covey/...> and its own folder'
        if other in self.public:
            return f'{folder} is below {other}'
        if other not in self.rank:
            return f'{other} is not in layers.txt'
        if self.rank[other] == self.rank[folder]:
            return f'{folder} and {other} are siblings'
        if self.rank[other] > self.rank[folder]:
            return f'{folder} is below {other}'
        return None


def without_comments(text):
    """C text with comments and strings blanked, line numbers kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r'[^\n]', ' ', m.group()), text, flags=re.S)


def check_includes(path, text, layers):
    folder = path.split('/')[1]
    if folder not in layers.rank and folder not in layers.public:
        yield 1, f'the folder {folder} is not in layers.txt'
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        if quote == '<':
            if folder in layers.rank and name in PUBLIC_HEADERS:
                yield number, f'{folder} is below {PUBLIC_HEADERS[name]}'
            continue
        if name in HARNESS and path.endswith(('_test.c', '/fixture.h')):
            continue
        if '/' not in name:
            yield number, f'write "{folder}/{name}": includes start at src/'
            continue
        reason = layers.why_not(folder, name.split('/')[0])
        if reason:
            yield number, f'#include "{name}": {reason}'


def check_core_code(path, text):
    """Rules of the core's sources that comments and strings may break."""
    folder = path.split('/')[1]
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if INCLUDE.match(line) or line.lstrip().startswith('#'):
            continue
        if folder != 'os' and ERRNO.search(line):
            yield number, 'errno outside src/os: a task may have moved to another thread'
        if path not in THREAD_LOCAL_FILES and THREAD_LOCAL.search(line):
            yield number, f'a thread-local outside {" and ".join(THREAD_LOCAL_FILES)}'
        if path != HEAP_FILE and HEAP.search(line):
            yield number, f'an allocation that does not go through {HEAP_FILE}'


def check_test(text):
    lines = text.splitlines()
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        if SLEEP.search(line) and SLEEP_REASON not in lines[number - 1]:
            yield number, ('a sleep in a test: wait for what is to happen, or say why: '
                           f'/* {SLEEP_REASON} ... */')


def check_text(path, text):
    """Rules for any file."""
    name = path.split('/')[-1]
    if (Path(name).suffix in SOURCE_SUFFIXES or name in SOURCE_NAMES) and text.strip():
        if 'SPDX-License-Identifier: MIT' not in '\n'.join(text.splitlines()[:5]):
            yield 1, 'no line "SPDX-License-Identifier: MIT" in the first five'
    if VAGUE_NAME.match(name):
        yield 1, 'a file is named by what is in it'
    for number, line in enumerate(text.splitlines(), 1):
        match = UNFINISHED.search(line)
        if match:
            yield number, f'{match.group()}: finish it, or open an issue'


def is_test(path):
    return path.endswith('_test.c') or (path.startswith('test/') and path.endswith('.c')
                                        and not path.startswith('test/harness/'))


def check_file(path, text, layers):
    yield from check_text(path, text)
    suffix = Path(path).suffix
    if path.startswith('src/') and suffix in {'.c', '.h', '.S', '.def'}:
        yield from check_includes(path, text, layers)
        if path.split('/')[1] in layers.rank and not is_test(path):
            yield from check_core_code(path, text)
    if is_test(path):
        yield from check_test(text)


def files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders
                            if f not in SKIPPED_FOLDERS
                            and not f.startswith('build-')
                            and (not f.startswith('.') or f == '.ci'))
        for name in sorted(names):
            if Path(name).suffix in TEXT_SUFFIXES or name in SOURCE_NAMES:
                yield Path(folder, name)


def check(root):
    """All violations under root, as (file, line, what)."""
    layers = Layers((HERE / 'layers.txt').read_text())
    found = []
    for file in files(root):
        path = file.relative_to(root).as_posix()
        text = file.read_text(errors='replace')
        found += [(path, line, what) for line, what in check_file(path, text, layers)]
    return found


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent.parent
    found = check(root)
    for path, line, what in found:
        print(f'{path}:{line}: {what}')
    print(f'{len(found)} violations')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
