# SPDX-License-Identifier: MIT
"""report.py - what bench/run makes of the figures: the table, the machine, bench/RESULTS.md."""

import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import time

from rows import NOTES
from sides import BENCH, ROOT, SBIN_PATH, go_tool, say

RESULTS = BENCH / "RESULTS.md"
BEGIN, END = "<!-- written by bench/run: begin -->", "<!-- written by bench/run: end -->"
HEADER = ("#", "workload", "workers", "covey", "rival", "", "ratio", "target", "met")


def judge(run, row, workers):
    """One line of the table: row, workers, covey, rival's name and figure, ratio, target, met."""
    ours = run.median(row.contest, row.ours, workers, row.metric)
    rival = run.median(row.contest, row.rival, workers, row.metric) if row.rival else ""
    target = row.targets.get(workers)
    ratio = None
    if isinstance(ours, float) and not row.rival:
        ratio = ours
    elif isinstance(ours, float) and isinstance(rival, float) and rival > 0:
        ratio = ours / rival
    if target is None:
        met = "-"
    elif ratio is not None:
        met = "yes" if ratio <= target else "no"
    else:
        met = "no" if isinstance(ours, str) and ours in ("hung", "failed") else "-"
    unit = run.units.get(row.metric, "")
    return (row.number, row.text, str(workers), show(ours, unit), row.rival, show(rival, unit),
            f"{ratio:.3f}" if ratio is not None else "-",
            f"{target:g}" if target is not None else "-", met)




def show(value, unit):
    if isinstance(value, str):
        return value
    digits = 3 if value < 10 else 1 if value < 1000 else 0
    return f"{value:.{digits}f}" + ("" if unit == "ratio" else f" {unit}")


def print_table(lines):
    widths = [max(len(line[i]) for line in [HEADER, *lines]) for i in range(len(HEADER))]
    for line in [HEADER, tuple("-" * w for w in widths), *lines]:
        cells = [cell.ljust(w) if i in (0, 1, 4) else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def markdown_table(header, lines):
    yield "| " + " | ".join(header) + " |"
    yield "|" + " --- |" * len(header)
    for line in lines:
        yield "| " + " | ".join(line) + " |"


def sample_lines(run, rows):
    """Every figure of the contests that ran: median, least and most, number of runs."""
    contests = {row.contest for row in rows}
    for (contest, side, workers, name), values in run.samples.items():
        if contest in contests:
            unit = run.units[name]
            yield (contest, side, str(workers), name, show(statistics.median(values), unit),
                   show(min(values), unit), show(max(values), unit), str(len(values)))


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        return (done.stdout or done.stderr).splitlines()[0].strip()
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "not installed"


def cpu_ticks():
    """Of all processors: total, idle, stolen by the host."""
    ticks = [int(word) for word in open("/proc/stat").readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4], ticks[7]


def busy_percent(seconds):
    total, idle, _ = cpu_ticks()
    time.sleep(seconds)
    total_after, idle_after, _ = cpu_ticks()
    return 100 * (1 - (idle_after - idle) / max(1, total_after - total))


def describe_machine(build_dir):
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    pages = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    cache = build_dir / "CMakeCache.txt"
    cache = cache.read_text() if cache.exists() else ""
    compiler = re.search(r"CMAKE_C_COMPILER:\w+=(.*)", cache)
    kind = re.search(r"CMAKE_BUILD_TYPE:\w+=(.*)", cache)
    kind = kind.group(1) if kind else "no build type"
    flags = re.findall(rf"CMAKE_C_FLAGS(?:_{kind.upper()})?:\w+=(.*)", cache)
    lines = [
        ("Machine", f"{model.group(1) if model else platform.machine()}, "
                    f"{len(os.sched_getaffinity(0))} CPUs, "
                    f"{int(memory.group(1)) / 2**20:.1f} GiB"),
        ("System", f"Linux {platform.release()}, huge pages "
                   f"{pages.read_text().strip() if pages.exists() else 'none'}"),
        ("Compiler", f"{first_line([compiler.group(1) if compiler else 'cc', '--version'])}, "
                     f"{kind} {' '.join(flags)}".strip()),
        ("Go", first_line([go_tool(), "version"])),
        ("curl", first_line(["curl", "--version"])),
        ("nginx", first_line([shutil.which("nginx", path=SBIN_PATH) or "nginx", "-v"])),
        ("covey", first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])),
    ]
    return lines


def write_results(run, rows, lines, about):
    """Replaces what stands between the two marks; the text around them is people's."""
    part = [BEGIN, ""]
    part += [f"- {name}: {text}" for name, text in about]
    part += ["", *markdown_table(HEADER, lines), ""]
    if run.lost:
        part += ["No figure:", ""]
        part += [f"- {contest}, {side}, {workers} workers: {lost.word}: {lost.reason}"
                 for (contest, side, workers), lost in run.lost.items()] + [""]
    part += ["What each row measures:", "", NOTES, "All figures, each a median of the runs:", ""]
    header = ("contest", "side", "workers", "figure", "median", "least", "most", "runs")
    part += [*markdown_table(header, sample_lines(run, rows)), "", END]
    text = RESULTS.read_text() if RESULTS.exists() else f"# Results\n\n{BEGIN}\n{END}\n"
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    RESULTS.write_text(head + "\n".join(part) + tail)
    say(f"wrote {RESULTS}")
