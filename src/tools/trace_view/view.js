// SPDX-License-Identifier: MIT
// view.js - the page of `covey trace --html`: a time line over millions of segments.
//
// A row never looks at more segments than it has pixels: what is wider than a pixel is found by
// binary search and drawn; what is narrower is one pixel whose strength is the share of time, from
// prefix sums. So the cost of a frame does not depend on how much was recorded.
'use strict';
(() => {
const began = performance.now();
const byId = (id) => document.getElementById(id);
const meta = JSON.parse(byId('meta').textContent);
const QUEUED = 1, RUNNING = 2, WAITING = 3, ASTRAY = 4;
const STATES = ['', 'in the queue', 'running', 'waiting', 'without worker'];
const BY_TASK = 0;
const BY = ['a task', 'a timer', 'a descriptor', 'another thread, or unknown', 'a deadline',
            'the end of its blocking call'];
const LEFT = 150, AXIS = 22;

// ---- data ----

function decode() {
  const bytes = new Uint8Array(meta.bytes);
  const values = new Uint8Array(128);
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.split('')
    .forEach((c, i) => { values[c.charCodeAt(0)] = i; });
  let at = 0;
  for (const part of document.querySelectorAll('script[type="text/plain"]')) {
    const text = part.textContent;
    for (let i = 0; i < text.length; i += 4) {
      const n = values[text.charCodeAt(i)] << 18 | values[text.charCodeAt(i + 1)] << 12 |
                values[text.charCodeAt(i + 2)] << 6 | values[text.charCodeAt(i + 3)];
      bytes[at++] = n >> 16;
      bytes[at++] = n >> 8;
      bytes[at++] = n;
    }
    part.remove();
  }
  return bytes.buffer;
}

const buffer = decode();
const types = {u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array};
const col = {};
for (const [name, type, offset, length] of meta.columns) {
  col[name] = new types[type](buffer, offset, length);
}
const segments = col.start.length, lives = col.life_first.length - 1;
const taskOf = new Uint32Array(segments);
for (let t = 0; t < lives; t++) {
  taskOf.fill(t, col.life_first[t], col.life_first[t + 1]);
}
const busy = new Float64Array(col.run_order.length + 1); // prefix sums of running time
for (let i = 0; i < col.run_order.length; i++) {
  const s = col.run_order[i];
  busy[i + 1] = busy[i] + col.end[s] - col.start[s];
}
const total = Math.max(meta.end, 1);

const siteName = (i) => meta.sites[i] ? meta.sites[i][0] : '';
const place = (i) => meta.sites[i] ? meta.sites[i][1] : '?';
const nameOf = (t) => meta.names[t] || siteName(col.life_site[t]) || (t ? 'task' : '-');
const titleOf = (t) => `${nameOf(t)} #${col.life_id[t]}`;

function duration(units) {
  let n = units * meta.unit, i = 0;
  const names = ['ns', 'µs', 'ms', 's'];
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return `${n < 10 && i ? n.toFixed(2) : n < 100 && i ? n.toFixed(1) : Math.round(n)} ${names[i]}`;
}

/** The first index in [low, high) for which key(i) > at. */
function firstAfter(low, high, key, at) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key(middle) > at) high = middle; else low = middle + 1;
  }
  return low;
}

/** The same, where it is likely to be near low. */
function firstAfterNear(low, high, key, at) {
  let step = 1;
  while (low + step < high && key(low + step) <= at) {
    low += step;
    step *= 2;
  }
  return firstAfter(low, Math.min(high, low + step + 1), key, at);
}

/** The segment of a task with start < at <= end, or -1. */
function segmentAt(t, at) {
  const last = col.life_first[t + 1];
  const i = firstAfter(col.life_first[t], last, (s) => col.end[s], at - 0.5);
  return i < last && col.start[i] < at ? i : -1;
}

// ---- rows: {title, first, last, of(i) -> segment, isWorker} ----

const workerRows = meta.workers.map(([number, first, last]) => ({
  title: `worker ${number}`, first, last, of: (i) => col.run_order[i], isWorker: true,
}));
const taskRow = (t) => ({
  title: titleOf(t), task: t, first: col.life_first[t], last: col.life_first[t + 1], of: (i) => i,
});

const view = {t0: 0, t1: total, byTask: false, tasks: null, scroll: 0, selected: -1, row: 0,
              group: 0, path: []};
const allTasks = () => {
  const list = [];
  for (let t = 1; t < lives; t++) if (col.life_first[t + 1] > col.life_first[t]) list.push(t);
  return list;
};
const tasks = () => view.tasks || (view.tasks = allTasks());
const rowHeight = () => view.byTask ? 18 : Math.max(20, Math.min(44, 400 / workerRows.length | 0));
const rowCount = () => view.byTask ? tasks().length : workerRows.length;
const rowAt = (i) => view.byTask ? taskRow(tasks()[i]) : workerRows[i];

// ---- drawing ----

const canvas = byId('line'), overview = byId('overview');
const context = canvas.getContext('2d'), small = overview.getContext('2d');
let colours = {}, isDirty = false, lastDraw = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = {};
  for (const name of ['ground', 'panel', 'ink', 'faint', 'rule', 'running', 'queued', 'waiting',
                      'astray', 'mark', 'path']) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.state = ['', colours.queued, colours.running, colours.waiting, colours.astray];
}

/** Fits a canvas to its place; its width and height in CSS pixels. */
function fit(c, ctx) {
  const scale = window.devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
  if (c.width !== Math.round(w * scale) || c.height !== Math.round(h * scale)) {
    c.width = Math.round(w * scale);
    c.height = Math.round(h * scale);
  }
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  return [w, h];
}

/** Busy time of a worker's row between two moments. */
function busyBetween(row, a, b) {
  const endOf = (i) => col.end[row.of(i)], startOf = (i) => col.start[row.of(i)];
  const i = firstAfter(row.first, row.last, endOf, a);
  const k = firstAfter(i, row.last, startOf, b);
  if (i >= k) return 0;
  const head = Math.max(0, a - startOf(i)), tail = Math.max(0, endOf(k - 1) - b);
  return busy[k] - busy[i] - head - tail;
}

/** The colour of the longest of the first few segments of a task's row. */
function mostly(i, next) {
  let longest = i;
  for (let k = i + 1; k < next && k < i + 8; k++) {
    if (col.end[k] - col.start[k] > col.end[longest] - col.start[longest]) longest = k;
  }
  return colours.state[col.state[longest]];
}

// Neighbouring pixels that look alike are one rectangle: setting a colour costs more than searching.
const bar = {x: 0, to: 0, colour: '', alpha: 1};
function flushBar(y, h) {
  if (bar.to > bar.x) {
    context.fillStyle = bar.colour;
    context.globalAlpha = bar.alpha;
    context.fillRect(LEFT + bar.x, y, bar.to - bar.x, h);
    context.globalAlpha = 1;
  }
  bar.to = bar.x = 0;
}

function addPixel(x, colour, alpha, y, h) {
  if (bar.to !== x || bar.colour !== colour || bar.alpha !== alpha) {
    flushBar(y, h);
    Object.assign(bar, {x, colour, alpha});
  }
  bar.to = x + 1;
}

function drawRow(row, y, h, w) {
  const scale = w / (view.t1 - view.t0);
  const endOf = (i) => col.end[row.of(i)];
  let i = firstAfter(row.first, row.last, endOf, view.t0);
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  while (i < row.last) {
    const s = row.of(i);
    if (col.start[s] >= view.t1) break;
    const x0 = Math.max(0, (col.start[s] - view.t0) * scale);
    const x1 = Math.min(w, (col.end[s] - view.t0) * scale);
    if (x1 - x0 >= 1) {
      flushBar(y, h);
      context.fillStyle = colours.state[col.state[s]];
      const inset = col.state[s] === WAITING ? h * 0.15 : 0;
      context.fillRect(LEFT + x0, y + inset, Math.max(1, x1 - x0 - (x1 - x0 > 4 ? 0.5 : 0)), h - 2 * inset);
      if (x1 - x0 > 60 && col.state[s] !== ASTRAY) {
        const text = row.isWorker ? titleOf(taskOf[s])
          : col.state[s] === WAITING ? meta.reasons[col.reason[s]] : STATES[col.state[s]];
        context.fillStyle = col.state[s] === WAITING ? colours.ink : colours.ground;
        context.save();
        context.beginPath();
        context.rect(LEFT + x0, y, x1 - x0 - 2, h);
        context.clip();
        context.fillText(text, LEFT + x0 + 4, y + h / 2 + 1);
        context.restore();
      }
      i++;
      continue;
    }
    // One pixel for all that begin in it.
    const pixel = Math.floor(x0), until = view.t0 + (pixel + 1) / scale;
    const next = Math.max(i + 1, firstAfterNear(i, row.last, endOf, until));
    if (row.isWorker) {
      const share = busyBetween(row, view.t0 + pixel / scale, until) * scale;
      addPixel(pixel, colours.running, Math.round(Math.min(1, 0.15 + share) * 32) / 32, y, h);
    } else {
      addPixel(pixel, mostly(i, next), 1, y, h);
    }
    i = next;
  }
  flushBar(y, h);
}

function drawAxis(w, h) {
  const span = view.t1 - view.t0;
  let step = 10 ** Math.floor(Math.log10(span / 6 * meta.unit)) / meta.unit;
  while (span / step > 9) step *= span / step > 22 ? 5 : 2;
  context.fillStyle = colours.faint;
  context.strokeStyle = colours.rule;
  context.font = '11px system-ui, sans-serif';
  for (let t = Math.ceil(view.t0 / step) * step; t < view.t1; t += step) {
    const x = Math.round(LEFT + (t - view.t0) / span * w) + 0.5;
    context.beginPath();
    context.moveTo(x, AXIS);
    context.lineTo(x, h);
    context.stroke();
    context.fillText(duration(t), x + 3, AXIS / 2 + 1);
  }
}

/** Where a segment stands: [x0, x1, y middle], or null if its row is out of sight. */
function whereIs(s, w, at) {
  const h = rowHeight();
  let row = -1;
  if (view.byTask) {
    row = tasks().indexOf(taskOf[s]);
  } else if (col.state[s] === RUNNING) {
    row = meta.workers.findIndex(([, , , ring]) => ring === col.worker[s]);
  }
  if (row < 0) return null;
  const x = (t) => LEFT + Math.max(-9, Math.min(w + 9, (t - view.t0) / (view.t1 - view.t0) * w));
  return [x(col.start[s]), x(col.end[s]), AXIS + row * h - view.scroll + h / 2, x(at)];
}

function arrow(x0, y0, x1, y1, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.beginPath();
  context.arc(x1, y1, 3, 0, 7);
  context.fill();
  context.lineWidth = 1;
}

function drawPath(w) {
  context.lineWidth = 2;
  context.strokeStyle = colours.path;
  const h = rowHeight();
  let previous = null, drawn = 0;
  for (const [s, from, to] of view.path) {
    if (to < view.t0 || from > view.t1) { previous = null; continue; }
    if ((to - from) / (view.t1 - view.t0) * w < 0.3) continue;
    const a = whereIs(s, w, from), b = a && whereIs(s, w, to);
    if (!a || ++drawn > 4000) { previous = null; continue; }
    context.strokeStyle = colours.path;
    context.lineWidth = 2;
    context.strokeRect(a[3], a[2] - h / 2 + 2, Math.max(1, b[3] - a[3]), h - 4);
    if (previous) {
      context.beginPath();
      context.moveTo(b[3], b[2]);
      context.lineTo(previous[3], previous[2]);
      context.stroke();
    }
    previous = a;
  }
  context.lineWidth = 1;
}

function drawSelection(w) {
  const s = view.selected;
  if (s < 0) return;
  const h = rowHeight(), own = whereIs(s, w, col.end[s]);
  if (own) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    context.strokeRect(own[0], own[2] - h / 2 + 1, Math.max(2, own[1] - own[0]), h - 2);
    context.lineWidth = 1;
  }
  const wake = wakerOf(s);
  if (wake && wake.segment >= 0) {
    const from = whereIs(wake.segment, w, wake.at);
    const to = whereIs(view.byTask ? s : firstRunAfter(s), w, view.byTask ? wake.at : col.start[firstRunAfter(s)]);
    if (from && to) arrow(from[3], from[2], to[3], to[2], colours.mark);
  }
}

function draw() {
  isDirty = false;
  const start = performance.now();
  const [width, height] = fit(canvas, context), w = Math.max(1, width - LEFT), h = rowHeight();
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, width, height);
  view.scroll = Math.max(0, Math.min(view.scroll, rowCount() * h - (height - AXIS)));
  drawAxis(w, height);
  const first = Math.floor(view.scroll / h);
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  for (let i = first; i < rowCount() && AXIS + i * h - view.scroll < height; i++) {
    const row = rowAt(i), y = AXIS + i * h - view.scroll;
    drawRow(row, y + 1, h - 2, w);
    context.fillStyle = colours.panel;
    context.fillRect(0, y, LEFT - 4, h - 1);
    context.fillStyle = i === view.row ? colours.mark : colours.ink;
    context.font = '12px system-ui, sans-serif';
    context.fillText(row.title.length > 22 ? row.title.slice(0, 21) + '…' : row.title, 6, y + h / 2);
  }
  drawPath(w);
  drawSelection(w);
  context.restore();
  drawOverview();
  lastDraw = performance.now() - start;
}

let profile = null; // of the overview, by pixel
function drawOverview() {
  const [w, h] = fit(overview, small);
  if (!profile || profile.length !== w) {
    profile = new Float64Array(w);
    for (let x = 0; x < w; x++) {
      for (const row of workerRows) {
        profile[x] += busyBetween(row, x / w * total, (x + 1) / w * total) / (total / w);
      }
    }
  }
  small.fillStyle = colours.ground;
  small.fillRect(0, 0, w, h);
  small.fillStyle = colours.running;
  for (let x = 0; x < w; x++) {
    const part = Math.min(1, profile[x] / Math.max(1, workerRows.length)) * (h - 4);
    small.fillRect(x, h - part, 1, part);
  }
  const a = view.t0 / total * w, b = view.t1 / total * w;
  small.fillStyle = colours.mark;
  small.globalAlpha = 0.18;
  small.fillRect(a, 0, Math.max(2, b - a), h);
  small.globalAlpha = 1;
  small.strokeStyle = colours.mark;
  small.strokeRect(a + 0.5, 0.5, Math.max(2, b - a), h - 1);
}

function redraw() {
  if (!isDirty) {
    isDirty = true;
    requestAnimationFrame(draw);
  }
}

// ---- moving about ----

function show(t0, t1) {
  const span = Math.max(20, Math.min(total, t1 - t0));
  view.t0 = Math.max(0, Math.min(total - span, t0));
  view.t1 = view.t0 + span;
  redraw();
}

function zoom(factor, share = 0.5) {
  const span = view.t1 - view.t0, at = view.t0 + span * share;
  show(at - span * factor * share, at + span * factor * (1 - share));
}

function setRows(byTask, list) {
  view.byTask = byTask;
  view.tasks = list || null;
  view.scroll = 0;
  view.row = 0;
  byId('by-worker').setAttribute('aria-pressed', String(!byTask));
  byId('by-task').setAttribute('aria-pressed', String(byTask));
  redraw();
}

/** Brings a segment into sight. */
function reveal(s) {
  const span = view.t1 - view.t0, width = col.end[s] - col.start[s];
  if (col.end[s] < view.t0 || col.start[s] > view.t1 || width > span || width < span / 2000) {
    const wide = Math.max(width * 8, 20);
    show(col.start[s] - wide / 2, col.start[s] + wide);
  }
  if (view.byTask) {
    let row = tasks().indexOf(taskOf[s]);
    if (row < 0) {
      view.tasks = null;
      row = tasks().indexOf(taskOf[s]);
    }
    view.row = row;
    const y = row * rowHeight();
    if (y < view.scroll || y > view.scroll + canvas.clientHeight - AXIS - rowHeight()) view.scroll = y - 60;
  }
}

// ---- what is known of a segment ----

const firstRunAfter = (s) => {
  const last = col.life_first[taskOf[s] + 1];
  while (s < last - 1 && col.state[s] !== RUNNING) s++;
  return s;
};

/** Who ended a wait (or the wait before this segment): {by, task, at, segment}. */
function wakerOf(s) {
  const first = col.life_first[taskOf[s]];
  while (s > first && col.state[s] === RUNNING) s--;
  if (col.state[s] === QUEUED && s > first && col.state[s - 1] === WAITING) s--;
  if (col.state[s] !== WAITING && !(col.state[s] === QUEUED && s === first)) return null;
  const at = col.state[s] === WAITING ? col.end[s] : col.start[s];
  return {by: col.by[s], task: col.waker[s], at, isStart: col.state[s] !== WAITING,
          segment: col.waker[s] ? segmentAt(col.waker[s], at) : -1};
}

function element(tag, text, ...children) {
  const e = document.createElement(tag);
  if (text !== '') e.textContent = text;
  e.append(...children);
  return e;
}

function link(text, act) {
  const b = element('button', text);
  b.className = 'link';
  b.addEventListener('click', act);
  return b;
}

/** What a wait's descriptor is connected to: as last named before the wait's end, else as named later. */
function peerOf(s) {
  if (!['read', 'write', 'accept', 'hang-up'].includes(meta.reasons[col.reason[s]])) return null;
  let named = null;
  for (const [object, at, text] of meta.peers) {
    if (object !== col.object_low[s]) continue;
    if (named !== null && at > col.end[s]) break;
    named = text;
  }
  return named;
}

function select(s) {
  view.selected = s;
  const details = byId('details');
  details.replaceChildren();
  if (s < 0) {
    details.textContent = 'Nothing is selected.';
    redraw();
    return;
  }
  const t = taskOf[s], list = element('dl', '');
  const add = (name, value) => list.append(element('dt', name), typeof value === 'string'
    ? element('dd', value) : element('dd', '', value));
  add('Task', link(titleOf(t), () => { setRows(true, [t]); reveal(s); }));
  add('Started at', place(col.life_site[t]));
  if (col.life_creator[t]) add('by', titleOf(col.life_creator[t]));
  add('State', STATES[col.state[s]] + (col.state[s] === WAITING ? `: ${meta.reasons[col.reason[s]]}` : ''));
  if (col.state[s] === WAITING && (col.object_low[s] || col.object_high[s])) {
    const peer = peerOf(s);
    add('for', peer || `0x${(col.object_high[s] * 2 ** 32 + col.object_low[s]).toString(16)}`);
  }
  if (col.state[s] === RUNNING) add('on', `worker ${meta.rings[col.worker[s]]}`);
  add('From', duration(col.start[s]));
  add('for', duration(col.end[s] - col.start[s]));
  const wake = wakerOf(s);
  if (wake) {
    const what = wake.isStart ? 'Started by' : 'Woken by';
    if (wake.by === BY_TASK && wake.task) {
      const go = link(titleOf(wake.task), () => { if (wake.segment >= 0) { select(wake.segment); reveal(wake.segment); } });
      go.id = 'waker';
      add(what, go);
    } else {
      add(what, BY[wake.by]);
    }
    add('at', duration(wake.at));
  }
  if (col.life_group[t]) {
    const g = col.life_group[t];
    add('Group', link(groupTitle(g), () => selectGroup(g)));
  }
  details.append(list);
  redraw();
}

// ---- groups and the critical path ----

const groupTitle = (g) => `${place(meta.groups[g][0])}`;
const groupEnd = (g) => meta.groups[g][3] < 0 ? total : meta.groups[g][3];

/** What the end of a group had to wait for, from there backwards: [segment, from, to]. */
function criticalPath(g) {
  const [, opener, start] = meta.groups[g];
  const path = [];
  let at = groupEnd(g), t = opener;
  for (let turn = 0; at > start && turn < 1e6; turn++) {
    const s = segmentAt(t, at);
    if (s < 0) {
      if (!col.life_creator[t] || col.life_start[t] < at) break;
      t = col.life_creator[t];
      continue;
    }
    if (col.state[s] === WAITING && col.end[s] === at && col.by[s] === BY_TASK && col.waker[s] &&
        col.waker[s] !== t) {
      t = col.waker[s];
      continue;
    }
    path.push([s, Math.max(start, col.start[s]), at]);
    at = col.start[s];
  }
  return path;
}

function selectGroup(g) {
  view.group = g;
  view.path = criticalPath(g);
  const sums = new Map();
  for (const [s, from, to] of view.path) {
    const what = col.state[s] === WAITING ? meta.reasons[col.reason[s]] : STATES[col.state[s]];
    const key = `${nameOf(taskOf[s])}, ${what}`;
    sums.set(key, (sums.get(key) || 0) + to - from);
  }
  const table = element('table', '');
  for (const [key, n] of [...sums].sort((a, b) => b[1] - a[1]).slice(0, 12)) {
    const cell = element('td', duration(n));
    cell.className = 'n';
    table.append(element('tr', '', cell, element('td', key)));
  }
  select(-1);
  byId('details').replaceChildren(
    element('p', `Critical path of the group opened at ${groupTitle(g)}, ${duration(groupEnd(g) - meta.groups[g][2])}:`),
    table, link('Its tasks', () => {
      const own = new Set(view.path.map(([s]) => taskOf[s]));
      for (let t = 1; t < lives; t++) if (col.life_group[t] === g) own.add(t);
      setRows(true, [...own].sort((a, b) => col.life_start[a] - col.life_start[b]));
    }));
  const span = groupEnd(g) - meta.groups[g][2];
  show(meta.groups[g][2] - span * 0.05, groupEnd(g) + span * 0.05);
}

const children = new Map();
for (let g = 1; g < meta.groups.length; g++) {
  const parent = col.life_group[meta.groups[g][1]] || 0;
  if (!children.has(parent)) children.set(parent, []);
  children.get(parent).push(g);
}

function groupList(parent, depth) {
  const list = element('ul', '');
  const own = (children.get(parent) || []).slice().sort((a, b) =>
    groupEnd(b) - meta.groups[b][2] - (groupEnd(a) - meta.groups[a][2]));
  for (const g of own.slice(0, 100)) {
    const [, opener, start, , members, running, queued, waiting] = meta.groups[g];
    const item = element('li', '');
    item.append(link(`${groupTitle(g)} by ${nameOf(opener)}`, () => selectGroup(g)),
      element('small', `${members} tasks, ${duration(groupEnd(g) - start)}; running ${duration(running)}, ` +
        `queue ${duration(queued)}, waiting ${duration(waiting)}`));
    if (children.has(g) && depth < 50) {
      const more = element('details', '', element('summary', `${children.get(g).length} inside`));
      more.addEventListener('toggle', () => {
        if (more.open && more.children.length === 1) more.append(groupList(g, depth + 1));
      });
      item.append(more);
    }
    list.append(item);
  }
  if (own.length > 100) list.append(element('li', `and ${own.length - 100} shorter ones`));
  return list;
}

// ---- searching ----

function search(text) {
  const wanted = text.trim().toLowerCase(), found = byId('found');
  if (!wanted) {
    found.textContent = '';
    setRows(view.byTask, null);
    return;
  }
  const bySite = meta.sites.map(([name, where]) =>
    name.toLowerCase().includes(wanted) || where.toLowerCase().includes(wanted));
  const list = [];
  for (let t = 1; t < lives; t++) {
    const own = meta.names[t];
    if ((own ? own.toLowerCase().includes(wanted) || bySite[col.life_site[t]] : bySite[col.life_site[t]]) ||
        String(col.life_id[t]) === wanted.replace('#', '')) list.push(t);
  }
  found.textContent = `${list.length} task${list.length === 1 ? '' : 's'}`;
  setRows(true, list);
}

// ---- input ----

function hit(x, y) {
  const row = Math.floor((y - AXIS + view.scroll) / rowHeight());
  if (y < AXIS || row < 0 || row >= rowCount()) return [-1, -1];
  const w = canvas.clientWidth - LEFT, r = rowAt(row);
  const unit = (view.t1 - view.t0) / w, t = view.t0 + (x - LEFT) * unit;
  const i = firstAfter(r.first, r.last, (k) => col.end[r.of(k)], t - unit);
  return [row, x >= LEFT && i < r.last && col.start[r.of(i)] <= t + unit ? r.of(i) : -1];
}

let drag = null;
canvas.addEventListener('pointerdown', (e) => {
  drag = {x: e.offsetX, y: e.offsetY, t0: view.t0, scroll: view.scroll, moved: false};
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener('pointermove', (e) => {
  if (!drag) return;
  const dx = e.offsetX - drag.x, dy = e.offsetY - drag.y;
  if (Math.abs(dx) + Math.abs(dy) > 3) drag.moved = true;
  if (drag.moved) {
    const span = view.t1 - view.t0, t0 = drag.t0 - dx / (canvas.clientWidth - LEFT) * span;
    view.scroll = drag.scroll - dy;
    show(t0, t0 + span);
  }
});
canvas.addEventListener('pointerup', (e) => {
  if (drag && !drag.moved) {
    const [row, s] = hit(e.offsetX, e.offsetY);
    if (row >= 0) view.row = row;
    select(s);
  }
  drag = null;
});
canvas.addEventListener('wheel', (e) => {
  e.preventDefault();
  if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
    const by = (e.deltaX || e.deltaY) / 800 * (view.t1 - view.t0);
    show(view.t0 + by, view.t1 + by);
  } else if (e.offsetX < LEFT) {
    view.scroll += e.deltaY;
    redraw();
  } else {
    zoom(Math.exp(e.deltaY / 400), (e.offsetX - LEFT) / (canvas.clientWidth - LEFT));
  }
}, {passive: false});

function step(direction) {
  const r = rowAt(view.row);
  if (!r || r.last === r.first) return;
  let i = firstAfter(r.first, r.last, (k) => col.start[r.of(k)], (view.t0 + view.t1) / 2) - 1;
  for (let k = i - 1; k <= i + 1; k++) if (r.of(k) === view.selected) i = k;
  if (view.selected >= 0 && (view.byTask ? taskOf[view.selected] === r.task : true)) {
    i = firstAfter(r.first, r.last, (k) => col.start[r.of(k)], col.start[view.selected]) - 1 + direction;
  }
  const s = r.of(Math.max(r.first, Math.min(r.last - 1, i)));
  select(s);
  reveal(s);
}

const keys = {
  ArrowLeft: () => show(view.t0 - (view.t1 - view.t0) / 8, view.t1 - (view.t1 - view.t0) / 8),
  ArrowRight: () => show(view.t0 + (view.t1 - view.t0) / 8, view.t1 + (view.t1 - view.t0) / 8),
  ArrowUp: () => moveRow(-1), ArrowDown: () => moveRow(1),
  '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2),
  f: () => show(0, total), Home: () => show(0, view.t1 - view.t0),
  End: () => show(total - (view.t1 - view.t0), total),
  n: () => step(1), p: () => step(-1),
  w: () => { if (byId('waker')) byId('waker').click(); },
  '/': () => byId('search').focus(),
};
function moveRow(by) {
  view.row = Math.max(0, Math.min(rowCount() - 1, view.row + by));
  const y = view.row * rowHeight(), room = canvas.clientHeight - AXIS - rowHeight();
  if (y < view.scroll) view.scroll = y;
  if (y > view.scroll + room) view.scroll = y - room;
  redraw();
}
canvas.addEventListener('keydown', (e) => {
  const act = !e.ctrlKey && !e.metaKey && !e.altKey && keys[e.key];
  if (act) {
    e.preventDefault();
    act();
  }
});
overview.addEventListener('pointerdown', (e) => {
  const at = e.offsetX / overview.clientWidth * total, half = (view.t1 - view.t0) / 2;
  show(at - half, at + half);
});
byId('by-worker').addEventListener('click', () => setRows(false));
byId('by-task').addEventListener('click', () => setRows(true));
byId('zoom-in').addEventListener('click', () => zoom(0.5));
byId('zoom-out').addEventListener('click', () => zoom(2));
byId('fit').addEventListener('click', () => show(0, total));
byId('search').addEventListener('input', (e) => search(e.target.value));
byId('search').addEventListener('keydown', (e) => {
  if (e.key === 'Enter') {
    canvas.focus();
    step(1);
  } else if (e.key === 'Escape') {
    e.target.value = '';
    search('');
    canvas.focus();
  }
});
new ResizeObserver(redraw).observe(canvas);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readColours(); redraw(); });

// ---- the rest of the page ----

byId('title').textContent = meta.title;
document.title = `${meta.title} - covey trace`;
byId('summary').textContent = `${duration(total)}, ${meta.events.toLocaleString('en')} events, ` +
  `${(lives - 1).toLocaleString('en')} tasks` + (meta.lost ? `; ${meta.lost} events were lost` : '') +
  (meta.whole ? '' : '; the file was not finished');
byId('legend').append(...[['running', 'running'], ['queued', 'in the queue'], ['waiting', 'waiting'],
  ['astray', 'without worker'], ['path', 'critical path']].flatMap(([name, text]) => {
  const box = element('i', '');
  box.style.background = `var(--${name})`;
  return [box, text];
}));
byId('groups').append(meta.groups.length > 1 ? groupList(0, 0) : 'No group was opened.');
const marks = element('table', '');
for (const [at, name, value, t] of meta.marks.slice(0, 500)) {
  const cell = element('td', '', link(duration(at), () => {
    const span = Math.min(view.t1 - view.t0, total / 20);
    show(at - span / 2, at + span / 2);
  }));
  marks.append(element('tr', '', cell, element('td', value === null ? name : `${name}: ${value}`,
    element('small', t ? titleOf(t) : ''))));
}
byId('marks').append(meta.marks.length ? marks : 'None.');
readColours();
draw();

// For tests.
window.coveyTrace = {view, show, select, search, selectGroup, segments, lives, whereIs, col, taskOf, peerOf,
  get lastDraw() { return lastDraw; }, loaded: performance.now() - began,
  rowOf: (s) => tasks().indexOf(taskOf[s]),
  longest: (name) => meta.groups.reduce((best, g, i) => g && nameOf(g[1]) === name &&
    (!best || groupEnd(i) - g[2] > groupEnd(best) - meta.groups[best][2]) ? i : best, 0)};
})();
