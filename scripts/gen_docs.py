#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes man pages and docs/api from the comments of the public headers.

usage: gen_docs.py [--man DIR] [--api DIR] [--check]

A header gives covey_<name>(3) and <name>.md; every function in it a man page that refers to that
one. covey.h gives covey(7) and README.md, which list the others. --check writes nothing and fails
if docs/api is not what the headers say.

What is relied on: a header opens with one comment, "covey/chan.h - what it is. More."; after that a
comment at the start of a line belongs to the declarations that follow it up to a blank line, and
"---- words ----" at its beginning are a heading.
"""
import argparse
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INCLUDE = ROOT / 'include'

# Macros that are the headers' own business.
HIDDEN_MACROS = {'COVEY_API', 'COVEY_BEGIN', 'COVEY_END', 'COVEY_PRINTF', 'COVEY_MUST_USE',
                 'COVEY_NORETURN'}
NAME = r'(?:covey|COVEY)_\w+'


@dataclass
class Entry:
    """One comment and what it describes. Either may be empty."""
    text: list = field(default_factory=list)  # paragraphs
    code: list = field(default_factory=list)  # lines

    @property
    def heading(self):
        """What it says between dashes; empty if it is none."""
        match = re.fullmatch(r'-{4} (.*) -{4}', self.text[0] if self.text else '')
        return match.group(1)[0].upper() + match.group(1)[1:] if match else ''


@dataclass
class Page:
    include: str  # covey/chan.h
    title: str    # typed-by-size channels
    text: list
    entries: list

    @property
    def stem(self):
        return Path(self.include).stem

    @property
    def man(self):
        return 'covey' if self.include == 'covey.h' else f'covey_{self.stem}'

    @property
    def section(self):
        return 7 if self.include == 'covey.h' else 3

    def names(self):
        """The functions and function-like macros declared here."""
        found = []
        for entry in self.entries:
            for line in entry.code:
                match = re.match(rf'#define ({NAME})\(|(?:\S.*?[ *])?({NAME})\(', line)
                if match and not line.startswith('typedef'):
                    found.append(match.group(1) or match.group(2))
        return list(dict.fromkeys(found))


# ---- reading ----

def paragraphs(comment):
    """The paragraphs of a /* comment */, each on one line."""
    lines = [re.sub(r'^\s*\* ?', '', line) for line in comment[2:-2].split('\n')]
    text = '\n'.join(line.strip() for line in lines).strip()
    return [' '.join(p.split()) for p in re.split(r'\n\s*\n', text) if p.strip()]


def for_c(text):
    """Leaves out what is for the preprocessor alone, and for C++."""
    kept = []
    branches = []  # for each open #if: whether its lines are kept
    for line in text.split('\n'):
        if re.match(r'#\s*if', line):
            branches.append(not re.match(r'#\s*ifdef __cplusplus', line))
        elif re.match(r'#\s*else', line):
            branches[-1] = not branches[-1]
        elif re.match(r'#\s*endif', line):
            branches.pop()
        elif all(branches) and not re.match(r'#\s*(include|error|undef)|COVEY_(BEGIN|END)$', line):
            kept.append(line)
    return '\n'.join(kept)


def logical_lines(block):
    """Joins macros continued by a backslash, and drops the bodies of inline functions."""
    block = re.sub(r'[ \t]*\\\n\s*', ' ', block)
    block = re.sub(r'^static inline[^;{]*\{.*?^\}\n?', '', block, flags=re.S | re.M)
    return block.split('\n')


def show_macro(line):
    """How a #define is shown; None if it is not."""
    name, args = re.match(r'#define (\w+)(\([^)]*\))?', line).groups()
    if name in HIDDEN_MACROS or re.match(r'COVEY_(\w+_)?H$', name):
        return None
    if name[0].islower():
        return None if args else line
    # A body is worth showing where it is a value.
    return f'#define {name}{args or ""}' if args or 'covey_case_make' in line else line


def show_code(block):
    shown = []
    shift = 0
    for line in logical_lines(block):
        if line.startswith('#define'):
            line = show_macro(line)
            if line is None:
                continue
        elif line.startswith('COVEY_API '):
            shift = len('COVEY_API ')
            line = line[shift:]
        elif shift and line.startswith(' ' * shift):
            line = line[shift:]
        if shift and line.endswith((';', '*/')):
            shift = 0
        line = re.sub(r' COVEY_(PRINTF\([^)]*\)|MUST_USE|NORETURN)', '', line)
        if line.strip():
            shown.append(line.rstrip())
    return shown


def entries_of(text):
    # Blocks end at a blank line outside braces.
    blocks, depth, block = [], 0, []
    for line in text.split('\n') + ['']:
        if not line.strip() and depth == 0:
            blocks.append('\n'.join(block))
            block = []
        else:
            block.append(line)
            depth += line.count('{') - line.count('}')
    found = []
    for block in blocks:
        # Odd parts are comments at the start of a line with nothing after them.
        parts = re.split(r'^(/\*(?:[^*]|\*(?!/))*\*/)$', block, flags=re.M)
        for number, part in enumerate(parts):
            if number % 2:
                found.append(Entry(text=paragraphs(part)))
            elif part.strip():
                if number == 0:
                    found.append(Entry())
                found[-1].code += show_code(part)
    return [e for e in found if e.text or e.code]


def read_page(path):
    text = path.read_text()
    match = re.match(r'/\*.*?\*/', text, flags=re.S)
    first, *rest = paragraphs(match.group().replace('SPDX-License-Identifier: MIT', '', 1))
    include, title = first.split(' - ', 1)
    title, _, more = title.partition('. ')
    return Page(include, title.rstrip('.'), ([more] if more else []) + rest,
                entries_of(for_c(text[match.end():])))


def version():
    return re.search(r'#define COVEY_VERSION "(.*)"', (INCLUDE / 'covey/defs.h').read_text()).group(1)


# ---- Markdown ----

def md_text(text):
    parts = re.split(rf'(`[^`]+`|\*?\b{NAME}(?:\(\))?)', text)
    return ''.join(f'`{part.strip("`")}`' if number % 2 else re.sub(r'([*_`<>])', r'\\\1', part)
                   for number, part in enumerate(parts))


def md_page(page):
    out = ['<!-- Made by ./dev docs from the header. -->', f'# `<{page.include}>`', '',
           md_text(page.title[0].upper() + page.title[1:]) + '.', '']
    for text in page.text:
        out += [md_text(text), '']
    for entry in page.entries:
        if entry.heading:
            out += [f'## {md_text(entry.heading)}', '']
        if entry.code:
            out += ['```c', *entry.code, '```', '']
        for text in entry.text[bool(entry.heading):]:
            out += [md_text(text), '']
    return '\n'.join(out)


def md_index(index, pages):
    out = [md_page(index)]
    for page in pages:
        out.append(f'- [`<{page.include}>`]({page.stem}.md): {md_text(page.title)}')
    return '\n'.join(out) + '\n'


# ---- man pages ----

def man_escape(text):
    text = text.replace('\\', '\\e').replace('-', '\\-')
    return re.sub(r"^([.'])", r'\\&\1', text)


def man_text(text):
    return re.sub(rf'\b({NAME}(?:\(\))?)', r'\\fB\1\\fR', man_escape(text))


def man_page(page, others):
    out = ['.\\" SPDX-License-Identifier: MIT',
           f'.TH {page.man.upper()} {page.section} "" "covey {version()}" "covey"',
           '.SH NAME', f'{page.man} \\- {man_escape(page.title)}',
           '.SH SYNOPSIS', '.nf', f'.B #include <{page.include}>', '.fi']
    if page.text:
        out.append('.SH DESCRIPTION')
        for text in page.text:
            out += ['.PP', man_text(text)]
    if page.entries:
        out.append('.SH INTERFACE')
    for entry in page.entries:
        if entry.heading:
            out += [f'.SS {man_escape(entry.heading)}',
                    *(f'.PP\n{man_text(text)}' for text in entry.text[1:])]
            continue
        if entry.code:
            # Lines that belong together are not torn apart at the end of a page.
            out += ['.PP', '.nf', '.ft B', *(man_escape(line) for line in entry.code), '.ft R', '.fi']
        for number, text in enumerate(entry.text):
            out += ['.RS 4' if number == 0 else '.PP', man_text(text)]
        if entry.text:
            out.append('.RE')
    out += ['.SH SEE ALSO',
            ',\n'.join(f'.BR {other.man} ({other.section})' for other in others
                       if other is not page).replace('),', ') ,').replace(' ,', ',')]
    return '\n'.join(out) + '\n'


# ---- writing ----

def api_files(index, pages):
    files = {f'{page.stem}.md': md_page(page) for page in pages}
    files['README.md'] = md_index(index, pages)
    return files


def man_files(index, pages):
    files = {f'man3/{page.man}.3': man_page(page, [index, *pages]) for page in pages}
    files['man7/covey.7'] = man_page(index, [index, *pages])
    for page in pages:
        for name in page.names():
            files.setdefault(f'man3/{name}.3', f'.so man3/{page.man}.3\n')
    return files


def write(folder, files):
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def differing(folder, files):
    there = {p.name for p in Path(folder).glob('*.md')}
    return sorted(name for name in there | set(files)
                  if name not in files or name not in there
                  or Path(folder, name).read_text() != files[name])


def main():
    options = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    options.add_argument('--man', help='write man3/ and man7/ below this folder')
    options.add_argument('--api', help='write Markdown to this folder')
    options.add_argument('--check', action='store_true', help='is docs/api up to date?')
    options = options.parse_args()
    index = read_page(INCLUDE / 'covey.h')
    pages = [read_page(path) for path in sorted((INCLUDE / 'covey').glob('*.h'))]
    if options.man:
        write(options.man, man_files(index, pages))
    if options.api:
        write(options.api, api_files(index, pages))
    if options.check:
        stale = differing(ROOT / 'docs/api', api_files(index, pages))
        for name in stale:
            print(f'docs/api/{name}: is not what the headers say: run ./dev docs')
        return 1 if stale else 0
    return 0


if __name__ == '__main__':
    sys.exit(main())
