// SPDX-License-Identifier: MIT
// details.js - what is known of one segment, and the selection.
const firstRunAfter = (s) => {
  const last = col.life_first[taskOf[s] + 1];
  while (s < last - 1 && col.state[s] !== RUNNING) s++;
  return s;
};

/** Whether a segment lasted to the end of the trace, and nothing has ended it. */
const isOpen = (s) => col.state[s] !== RUNNING && col.end[s] === total &&
  s === col.life_first[taskOf[s] + 1] - 1;

/** Who ended a wait (or the wait before this segment): {by, task, at, segment}. */
function wakerOf(s) {
  const first = col.life_first[taskOf[s]];
  while (s > first && col.state[s] === RUNNING) s--;
  if (col.state[s] === QUEUED && s > first && col.state[s - 1] === WAITING) s--;
  if (col.state[s] !== WAITING && !(col.state[s] === QUEUED && s === first)) return null;
  if (col.state[s] === WAITING && isOpen(s)) return null;
  const at = col.state[s] === WAITING ? col.end[s] : col.start[s];
  const {by, waker} = moreOf(s);
  return {by, task: waker, at, isStart: col.state[s] !== WAITING, segment: waker ? segmentAt(waker, at) : -1};
}

/** The regions of a task: [first, last). */
function regionsOf(t) {
  const n = col.region_task.length, first = firstAfter(col.region_task, 0, n, t - 1);
  return [first, firstAfter(col.region_task, first, n, t)];
}

/** The regions that overlap with a segment, the outermost first: around it or in it, of many the last 64. */
function regionsOver(s) {
  const [first, last] = regionsOf(taskOf[s]), list = [];
  const i = firstAfter(col.region_start, first, last, col.end[s] - 0.5);
  for (let k = Math.max(first, i - 64); k < i; k++) if (col.region_end[k] > col.start[s]) list.push(k);
  return list;
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
  const own = moreOf(s).object >>> 0;
  let named = null;
  for (const [object, at, text] of meta.peers) {
    if (object !== own) continue;
    if (named !== null && at > col.end[s]) break;
    named = text;
  }
  return named;
}

/** What the workers ran between two moments, by kind of task: {total, longest, segment}. */
function whatRan(a, b) {
  const sums = new Map();
  for (const row of workerRows) {
    for (let i = firstAfter(row.end, row.first, row.last, a); i < row.last && row.start[i] < b; i++) {
      const segment = segmentOf(row, i), kind = kindOf[taskOf[segment]];
      const time = Math.min(b, row.end[i]) - Math.max(a, row.start[i]);
      const sum = sums.get(kind) || {total: 0, longest: 0, segment};
      sum.total += time;
      if (time > sum.longest) Object.assign(sum, {longest: time, segment});
      sums.set(kind, sum);
    }
  }
  return [...sums.values()].sort((x, y) => y.total - x.total);
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
  if (col.life_creator[t]) add('Started by', titleOf(col.life_creator[t]));
  add('State', STATES[col.state[s]] + (col.state[s] === WAITING ? `: ${meta.reasons[col.reason[s]]}` : ''));
  if (col.state[s] === WAITING && moreOf(s).object) {
    add('What for', peerOf(s) || `0x${moreOf(s).object.toString(16)}`);
  }
  if (col.state[s] === RUNNING) add('on', `worker ${meta.rings[col.worker[s]]}`);
  add('From', moment(col.start[s]) + (meta.wall ? `, ${timeOfDay(col.start[s])}` : ''));
  add('Took', duration(took(s)) + (isOpen(s) ? ', until the end of the trace' : ''));
  if (col.state[s] === QUEUED) {
    for (const {total: sum, segment} of whatRan(col.start[s], col.end[s]).slice(0, 5)) {
      add('Meanwhile ran', element('span', '', link(nameOf(taskOf[segment]), () => goTo(segment)),
        `, ${duration(sum)}`));
    }
  }
  const wake = wakerOf(s);
  if (wake) {
    const what = wake.isStart ? 'Queued by' : 'Woken by';
    if (wake.by === BY_TASK && wake.task) {
      const go = link(titleOf(wake.task), () => { if (wake.segment >= 0) { select(wake.segment); reveal(wake.segment); } });
      go.id = 'waker';
      add(what, go);
    } else {
      add(what, BY[wake.by]);
    }
    add('at', moment(wake.at));
  }
  for (const r of regionsOver(s)) {
    add('Region', `${siteName(col.region_site[r])}, ${duration(col.region_end[r] - col.region_start[r])}`);
  }
  if (col.life_group[t]) {
    const g = col.life_group[t];
    add('Group', link(groupTitle(g), () => selectGroup(g)));
  }
  details.append(list);
  redraw();
}

/** Selects a segment and brings it into sight. */
function goTo(s) {
  select(s);
  reveal(s);
}

/** Of a table: a number, then what it is of. */
function row(number, ...what) {
  const cell = element('td', number);
  cell.className = 'n';
  return element('tr', '', cell, element('td', '', ...what));
}
