#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Opens the page of a trace in Chromium: loads, zooms, clicks, searches, follows a wait to who ended
it, draws a critical path, in light and dark, without a network, with no error on the console.

view_test.py --screenshots DIR   also writes the pictures of docs/
view_test.py --measure FILE.html loads that page, and times its frames while it is scrolled"""
import os
import socket
import subprocess
import sys
import tempfile
import time

import browser

ENV = os.environ
COMMAND = ENV.get('COVEY_COMMAND', '')
SERVED = os.path.join(ENV.get('COVEY_BUILD_DIR', ''), 'examples/debugging/served')
TOUR = os.path.join(ENV.get('COVEY_BUILD_DIR', ''), 'examples/trace_tour')


def check(held, what):
    print(f'{"ok" if held else "FAILED"}: {what}')
    if not held:
        sys.exit(1)


def make_page(folder):
    subprocess.run([TOUR], cwd=folder, env=dict(ENV, COVEY_WORKERS='2'), check=True,
                   stdout=subprocess.DEVNULL)
    page = os.path.join(folder, 'tour.html')
    subprocess.run([COMMAND, 'trace', '--html', page, f'{folder}/trace_tour.w2.trace'], check=True,
                   stdout=subprocess.DEVNULL)
    return page


def make_page_of_a_server(folder):
    """Of one to which a client connects, who then takes a moment."""
    trace = f'{folder}/served.trace'
    with subprocess.Popen([SERVED, '--port', '0', '--ms', '3000'], cwd=folder, text=True,
                          env=dict(ENV, COVEY_WORKERS='2', COVEY_TRACE=trace),
                          stdout=subprocess.PIPE) as server:
        address = next(line for line in server.stdout if 'listening' in line).rsplit('/', 1)[1].split(':')
        with socket.create_connection((address[0], int(address[1]))) as client:
            time.sleep(0.1)  # sleeps: the moment
            client.sendall(b'GET /debug/covey/ HTTP/1.0\r\n\r\n')
            while client.recv(65536):
                pass
        server.stdout.read()
    page = f'{folder}/served.html'
    subprocess.run([COMMAND, 'trace', '--html', page, trace], check=True, stdout=subprocess.DEVNULL)
    return page


def canvas(b):
    return b.run('(() => { const r = document.getElementById("line").getBoundingClientRect();'
                 'return [r.x, r.y, r.width, r.height]; })()')


def text_of(b, name):
    return b.run(f'document.getElementById("{name}").textContent')


# A wait that a task ended, long enough to be seen: of tasks that have a name to look for.
A_WAIT = '''(() => { const {col, segments} = coveyTrace; let best = -1;
  for (let s = 0; s < segments; s++)
    if (col.state[s] === 3 && coveyTrace.wakerOf(s).by === 0 && coveyTrace.wakerOf(s).task &&
        (best < 0 || col.end[s] - col.start[s] > col.end[best] - col.start[best])) best = s;
  return best; })()'''


# What is in sight, the selected segment and how long it took.
SELECTED = '''(() => { const {col, view} = coveyTrace, s = view.selected;
  return {in: col.start[s] < view.t1 && col.end[s] > view.t0, reason: coveyTrace.reason(s), took: col.end[s] - col.start[s],
          regions: coveyTrace.regionsOver(s).length}; })()'''


# A run before the selected segment, which began before the region did.
BEGUN_IN = '''(() => { const {col, view, taskOf} = coveyTrace; let s = view.selected;
  while (s > 0 && taskOf[s - 1] === taskOf[s]) s--;
  while (col.state[s] !== 2) s++;
  return coveyTrace.regionsOver(s).length; })()'''


def test_tables(b):
    b.run('[...document.querySelectorAll("#waits button")].find((l) => l.textContent.startsWith("mutex")).click()')
    b.frame()
    picked = b.run(SELECTED)
    longest = b.run('(() => { let n = 0; for (let s = 0; s < coveyTrace.segments; s++) '
                    'if (coveyTrace.col.state[s] === 3 && coveyTrace.reason(s) === "mutex") '
                    'n = Math.max(n, coveyTrace.col.end[s] - coveyTrace.col.start[s]); return n; })()')
    check(picked['in'] and picked['reason'] == 'mutex' and picked['took'] == longest,
          'a row of the waits leads to the longest one')
    b.run('document.querySelector("#regions button").click()')
    b.frame()
    check(b.run(SELECTED)['regions'] == 1 and 'Regionrequest' in text_of(b, 'details'),
          'one of the regions into the longest one')
    check(b.run(BEGUN_IN) == 1, 'which is told of a run in which it begins')
    b.run('document.querySelector("#marks button").click()')
    b.frame()
    check('serve' in text_of(b, 'details'), 'one of the logs to the task that wrote it')
    b.key('Escape')
    check(text_of(b, 'details') == 'Nothing is selected.', 'escape selects nothing')


def test_queue(b):
    """Who is in the queue waits for those who run."""
    b.run('''(() => { const {col, segments} = coveyTrace; let best = -1;
      for (let s = 0; s < segments; s++)
        if (col.state[s] === 1 && (best < 0 || col.end[s] - col.start[s] > col.end[best] - col.start[best])) best = s;
      window.stay = [col.start[best], col.end[best]];
      coveyTrace.select(best); })()''')
    check('Meanwhile ran' in text_of(b, 'details'), 'a stay in the queue tells of what ran meanwhile')
    b.run('[...document.querySelectorAll("#details dt")].find((e) => e.textContent === "Meanwhile ran")'
          '.nextSibling.querySelector("button").click()')
    check(b.run('''(() => { const {col, view} = coveyTrace, s = view.selected;
      return col.state[s] === 2 && col.start[s] < stay[1] && col.end[s] > stay[0]; })()'''), 'and leads there')


def test_open_wait(b, folder):
    """A program that is killed: what its tasks waited for has not been ended by anybody."""
    trace, page = f'{folder}/served.cut', f'{folder}/cut.html'
    with open(f'{folder}/served.trace', 'rb') as whole, open(trace, 'wb') as cut:
        cut.write(whole.read()[:os.path.getsize(whole.name) * 3 // 4])
    subprocess.run([COMMAND, 'trace', '--html', page, trace], check=True, stdout=subprocess.DEVNULL)
    b.open(page)
    wait = b.run('''(() => { const {col, segments} = coveyTrace;
      const end = col.end.reduce((a, b) => Math.max(a, b), 0);
      for (let s = 0; s < segments; s++) if (col.state[s] === 3 && col.end[s] === end) return s;
      return -1; })()''')
    check(wait >= 0, 'there is a wait at the end of a trace that was cut off')
    b.run(f'coveyTrace.select({wait})')
    said = text_of(b, 'details')
    check('until the end of the trace' in said and 'Woken by' not in said, 'which nothing has ended')
    check('still at the end' in text_of(b, 'waits'), 'and the table counts those')


def test_axis(b):
    """Labels tell moments apart however far in."""
    b.run('''(() => { const c = CanvasRenderingContext2D.prototype, f = c.fillText;
      window.drawn = []; c.fillText = function (t, x, y) { window.drawn.push(t); f.call(this, t, x, y); }; })()''')
    for span in (1e3, 1e5, 1e7):
        b.run(f'window.drawn.length = 0; coveyTrace.show(5e7, 5e7 + {span})')
        b.frame()
        labels = [t for t in b.run('window.drawn') if t.split(' ')[0].replace('.', '').isdigit()
                  and t.endswith(' ms')]
        check(len(labels) > 2 and len(set(labels)) == len(labels), f'the axis at {span:g}: {labels[:3]}')


# A run of a task that is two or three pixels wide, in sight by task; the pixel in its middle.
NARROW = '''(() => { const {col, view, segments, show, taskOf} = coveyTrace;
  const line = document.getElementById("line"), w = line.clientWidth - 150;
  for (let s = 0; s < segments; s++) {
    const n = col.end[s] - col.start[s];
    if (col.state[s] !== 2 || n < 50 || n * w > view.t1) continue; // all is in sight
    show(col.start[s] - n * w / 6, col.start[s] - n * w / 6 + n * w / 2.5);
    view.scroll = coveyTrace.rowOf(s) * 18 - 100;
    return s;
  } })()'''
PIXEL = '''(() => { const line = document.getElementById("line");
  const [x0, x1, y] = coveyTrace.whereIs(%d, line.clientWidth - 150, 0);
  const p = line.getContext("2d").getImageData(Math.floor((x0 + x1) / 2), y, 1, 1).data;
  return "#" + [...p].slice(0, 3).map((v) => v.toString(16).padStart(2, "0")).join(""); })()'''


def test_columns(b):
    """What is narrow is painted, and not by a rectangle for each."""
    b.run('''(() => { const c = CanvasRenderingContext2D.prototype, f = c.fillRect;
      window.rectangles = 0; c.fillRect = function (...a) { window.rectangles++; f.apply(this, a); }; })()''')
    for rows in ('by-worker', 'by-task'):
        b.run(f'document.getElementById("{rows}").click(); document.getElementById("fit").click()')
        b.frame()
        b.run('window.rectangles = 0; coveyTrace.show(0, 1e12)')
        b.frame()
        drawn, width = b.run('[window.rectangles, document.getElementById("line").clientWidth]')
        check(0 < drawn < width, f'{rows}: {drawn} rectangles in {width} pixels')
    segment = b.run(NARROW)
    b.frame()
    running = b.run('getComputedStyle(document.documentElement).getPropertyValue("--running").trim()')
    check(b.run(PIXEL % segment) == running, f'a narrow run is there in its colour: {running}')
    b.run('document.getElementById("by-worker").click(); document.getElementById("fit").click()')


def test_page(b, page, screenshots):
    b.open(page)
    check(not b.errors, f'loads without an error {b.errors}')
    check('tasks' in text_of(b, 'summary'), text_of(b, 'summary'))
    began = b.run('JSON.parse(document.getElementById("meta").textContent).wall / 1000')
    check(0 <= time.time() - began < 3600 and time.strftime('%F %T', time.localtime(began)) in
          text_of(b, 'summary'), 'which says when that was')
    x, y, width, height = canvas(b)

    before = b.run('coveyTrace.view.t1 - coveyTrace.view.t0')
    b.mouse('mouseWheel', x + width / 2, y + 60, deltaX=0, deltaY=-400)
    b.frame()
    check(b.run('coveyTrace.view.t1 - coveyTrace.view.t0') < before / 2, 'the wheel zooms')
    b.run('document.getElementById("line").focus()')
    t0 = b.run('coveyTrace.view.t0')
    b.key('ArrowRight')
    check(b.run('coveyTrace.view.t0') > t0, 'the arrow keys move')
    b.key('f')
    check(b.run('coveyTrace.view.t0') == 0, 'f shows all')

    b.run('document.getElementById("search").focus()')
    for c in 'price':
        b.key(c)
    check(text_of(b, 'found') == '200 tasks', f'search finds the tasks: {text_of(b, "found")}')
    check(b.run('coveyTrace.view.byTask'), 'and shows their rows')
    b.key('Enter')
    check('work_out_price' in text_of(b, 'details'), 'enter selects the first')

    for wanted, tasks in (('request', 200), ('answered', 200), ('trace_tour.c:114', 200), ('#0', 0)):
        b.run(f'coveyTrace.search("{wanted}")')
        check(text_of(b, 'found') == f'{tasks} tasks', f'"{wanted}" finds {text_of(b, "found")}')
    b.run('document.getElementById("search").value = ""; coveyTrace.search("")')
    test_tables(b)
    test_queue(b)
    test_axis(b)
    test_columns(b)
    wait = b.run(A_WAIT)
    b.run(f'coveyTrace.select({wait}); document.getElementById("by-task").click()')
    b.run('document.getElementById("line").focus()')
    b.run(f'''(() => {{ const {{col, view}} = coveyTrace, s = {wait}, n = col.end[s] - col.start[s];
      coveyTrace.show(col.start[s] - n, col.end[s] + n);
      view.scroll = coveyTrace.rowOf(s) * 18 - 100; coveyTrace.select(-1); }})()''')
    b.frame()
    at = b.run(f'(() => {{ const w = coveyTrace.whereIs({wait}, document.getElementById("line").'
               f'clientWidth - 150, 0); return [(w[0] + w[1]) / 2, w[2]]; }})()')
    b.click(x + at[0], y + at[1])
    check(b.run('coveyTrace.view.selected') == wait, 'a click selects a wait')
    check('Woken by' in text_of(b, 'details'), 'which says who ended it')
    b.frame()
    if screenshots:
        b.screenshot(f'{screenshots}/trace-wait.png')
    waker = b.run(f'coveyTrace.wakerOf({wait}).task')
    b.key('w')
    check(b.run('coveyTrace.taskOf[coveyTrace.view.selected]') == waker, 'w goes to who ended it')

    b.run('document.getElementById("by-worker").click()')
    b.run('''(() => { const buttons = document.querySelectorAll("#groups button");
      buttons[0].click(); })()''')
    check('Critical path' in text_of(b, 'details'), 'a group shows its critical path')
    check(b.run('coveyTrace.view.path.length') > 2, 'of several steps')
    check(b.run(UNEXPLAINED) == 0, 'and each of the 202 tells where all of its time went')
    check('too long' not in text_of(b, 'details'), 'as it is said to')
    b.run('coveyTrace.selectGroup(coveyTrace.longest("serve"), 2)')
    check('It is too long; these are its last ' in text_of(b, 'details'), 'one that is cut is said to be')
    b.frame()
    if screenshots:
        b.run('coveyTrace.selectGroup(coveyTrace.longest("serve"))')
        b.run('document.querySelector("#details > button").click()')
        b.frame()
        b.screenshot(f'{screenshots}/trace-critical-path.png')
        b.run('document.getElementById("by-worker").click(); coveyTrace.selectGroup(1)')
        b.frame()
        b.screenshot(f'{screenshots}/trace-workers.png')
    ground = 'getComputedStyle(document.body).backgroundColor'
    light = b.run(ground)
    b.set_dark(True)
    b.frame()
    check(b.run(ground) != light, 'dark where that is preferred')
    if screenshots:
        b.screenshot(f'{screenshots}/trace-workers-dark.png')
    check(not b.errors, f'no error on the console {b.errors}')


# Of all groups: what of their time is missing on their critical paths.
UNEXPLAINED = """(() => {
  const {groups} = JSON.parse(document.getElementById("meta").textContent);
  let missing = 0;
  for (let g = 1; g < groups.length; g++) {
    coveyTrace.selectGroup(g);
    missing += groups[g][3] - groups[g][2] -
      coveyTrace.view.path.reduce((sum, [, from, to]) => sum + to - from, 0);
  }
  return missing;
})()"""

# As by hand: the wheel zooms in and out, moves in time, and over the names moves in the rows.
FRAMES = '''(async () => {
  const line = document.getElementById("line"), took = [];
  const wheel = (offsetX, deltaY, shiftKey) => {
    const r = line.getBoundingClientRect();
    line.dispatchEvent(new WheelEvent("wheel", {clientX: r.x + offsetX, clientY: r.y + 80, deltaY,
                                                shiftKey, cancelable: true, bubbles: true}));
  };
  let last = performance.now();
  for (let i = 0; i < 240; i++) {
    if (i % 4 === 3) wheel(60, i % 80 < 40 ? 90 : -90, false);
    else if (i % 4 === 2) wheel(600, i % 120 < 60 ? 200 : -200, true);
    else wheel(400 + i, i % 60 < 30 ? -250 : 250, false);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    took.push([now - last, coveyTrace.lastDraw]);
    last = now;
  }
  const sorted = (k) => took.map((t) => t[k]).sort((a, b) => a - b);
  const at = (k, share) => Math.round(sorted(k)[Math.floor(240 * share)] * 10) / 10;
  return {frame50: at(0, 0.5), frame95: at(0, 0.95), draw50: at(1, 0.5), draw95: at(1, 0.95),
          drawMax: at(1, 0.999)};
})()'''


def measure(page):
    b = browser.Browser()
    seconds = b.open(page)
    print(f'{page}: {os.path.getsize(page) >> 20} MB, {b.run("coveyTrace.segments")} segments of '
          f'{b.run("coveyTrace.lives")} tasks')
    print(f'open until drawn: {seconds:.2f} s, of which the script '
          f'{b.run("coveyTrace.loaded") / 1000:.2f} s')
    for name in ('by-worker', 'by-task'):
        b.run(f'document.getElementById("{name}").click(); coveyTrace.show(0, 1e12)')
        b.frame()
        print(f'{name}, 240 frames of panning and zooming, ms: {b.run(FRAMES)}')
    b.close()


def test_peers(b, page):
    b.open(page)
    for end in ('to tcp://127.0.0.1:', 'at tcp://127.0.0.1:'):
        wait = b.run('(() => { for (let s = 0; s < coveyTrace.segments; s++) {'
                     '  const peer = coveyTrace.col.state[s] === 3 ? coveyTrace.peerOf(s) : null;'
                     f'  if (peer && peer.includes("{end}")) return s; '
                     '} return -1; })()')
        check(wait >= 0, f'there is a wait {end}...')
        b.run(f'coveyTrace.select({wait})')
        check(end in text_of(b, 'details'), 'and a click on it says so')
    check(not b.errors, f'no error on the console {b.errors}')


def main():
    if not browser.find():
        print('skipped: no Chromium')
        sys.exit(77)
    if sys.argv[1:2] == ['--measure']:
        measure(sys.argv[2])
        return
    screenshots = sys.argv[2] if sys.argv[1:2] == ['--screenshots'] else None
    with tempfile.TemporaryDirectory() as folder:
        page = make_page(folder)
        b = browser.Browser()
        try:
            test_page(b, page, screenshots)
            test_peers(b, make_page_of_a_server(folder))
            test_open_wait(b, folder)
        finally:
            b.close()


main()
