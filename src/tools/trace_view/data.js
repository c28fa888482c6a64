// SPDX-License-Identifier: MIT
// data.js - what covey has put into the page, as typed arrays, and names and numbers for people.
//
// Columns have a value for each segment, life or region; times are of meta.unit nanoseconds.
const began = performance.now();
const byId = (id) => document.getElementById(id);
const meta = JSON.parse(byId('meta').textContent);
const QUEUED = 1, RUNNING = 2, WAITING = 3, ASTRAY = 4;
const STATES = ['', 'in the queue', 'running', 'waiting', 'without worker'];
const BY_TASK = 0, BY_OTHER = 3;
const BY = ['a task', 'a timer', 'a descriptor', 'another thread, or unknown', 'a deadline',
            'the end of its blocking call'];

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

// Of segments only what is not plain is in the page: see trace_html.c.
col.end = new Uint32Array(segments);
col.end.set(col.start.subarray(1));
for (let i = 0; i < col.apart.length; i++) col.end[col.apart[i]] = col.apart_end[i];
col.reason = new Uint8Array(segments);
for (let i = 0; i < col.more.length; i++) col.reason[col.more[i]] = col.more_reason[i];
col.worker = new Uint16Array(segments); // its ring
for (const [, first, last, ring] of meta.workers) {
  for (let i = first; i < last; i++) col.worker[col.run_order[i]] = ring;
}

/** What more is known of a segment: {by, waker, object}. */
function moreOf(s) {
  const i = firstAfter(col.more, 0, col.more.length, s) - 1;
  return col.more[i] !== s ? {by: BY_OTHER, waker: 0, object: 0}
    : {by: col.more_by[i], waker: col.more_waker[i], object: col.more_object_high[i] * 2 ** 32 + col.more_object_low[i]};
}

const total = Math.max(meta.end, 1);
const took = (s) => col.end[s] - col.start[s];

// Tasks of one name and place are of one kind; the kinds that ran longest have colours of their own.
const siteName = (i) => meta.sites[i] ? meta.sites[i][0] : '';
const place = (i) => meta.sites[i] ? meta.sites[i][1] : '?';
const nameOf = (t) => meta.names[t] || siteName(col.life_site[t]) || (t ? 'task' : '-');
const titleOf = (t) => `${nameOf(t)} #${col.life_id[t]}`;

const kindOf = new Uint32Array(lives), kinds = []; // of a kind: {task: one of it, ran}
{
  const numbers = new Map();
  for (let t = 1; t < lives; t++) {
    const key = meta.names[t] ? `${col.life_site[t]} ${meta.names[t]}` : col.life_site[t];
    let kind = numbers.get(key);
    if (kind === undefined) {
      numbers.set(key, kind = kinds.length);
      kinds.push({task: t, ran: 0, hue: 0});
    }
    kindOf[t] = kind;
  }
  for (const s of col.run_order) kinds[kindOf[taskOf[s]]].ran += took(s);
}
const HUES = 7; // the first for all others
const known = [...kinds].sort((a, b) => b.ran - a.ran).slice(0, HUES - 1);
known.forEach((kind, i) => { kind.hue = i + 1; });

/** A moment as the terminal tells it, exact to a microsecond or what the page knows. */
const moment = (t) => `${(t * meta.unit / 1e6).toFixed(3)} ms`;

/** The time of day where the page is read; null: unknown. */
function timeOfDay(t) {
  const at = new Date(meta.wall + t * meta.unit / 1e6);
  return meta.wall ? `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}` : null;
}

function duration(units) {
  let n = units * meta.unit, i = 0;
  const names = ['ns', 'µs', 'ms', 's'];
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return `${n < 10 && i ? n.toFixed(2) : n < 100 && i ? n.toFixed(1) : Math.round(n)} ${names[i]}`;
}

/** The first index in [low, high) of a sorted list for which list[i] > at. */
function firstAfter(list, low, high, at) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle] > at) high = middle; else low = middle + 1;
  }
  return low;
}

/** The same, where it is likely to be near low. */
function firstAfterNear(list, low, high, at) {
  let step = 1;
  while (low + step < high && list[low + step] <= at) {
    low += step;
    step *= 2;
  }
  return firstAfter(list, low, Math.min(high, low + step + 1), at);
}

/** The segment of a task with start < at <= end, or -1. */
function segmentAt(t, at) {
  const last = col.life_first[t + 1];
  const i = firstAfter(col.end, col.life_first[t], last, at - 0.5);
  return i < last && col.start[i] < at ? i : -1;
}
