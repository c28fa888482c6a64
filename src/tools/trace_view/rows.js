// SPDX-License-Identifier: MIT
// rows.js - the rows of the time line, by worker or by task, and what of them is in sight.
//
// A row is [first, last) of segments in order of time, whose starts and ends stand in start and end;
// order: which they are; null: those of the same number. kinds: what its pixels tell of, from below,
// with prefix sums. These have 32 bits and begin anew: of one row they are less.

/** Prefix sums of the time of those segments that are in a state. */
function sumsOf(state, order) {
  const n = order ? order.length : segments, sums = new Uint32Array(n + 1);
  for (let i = 0; i < n; i++) {
    const s = order ? order[i] : i;
    sums[i + 1] = sums[i] + (col.state[s] === state ? took(s) : 0);
  }
  return sums;
}

const workerRows = (() => {
  const order = col.run_order, kinds = [{state: RUNNING, sums: sumsOf(RUNNING, order)}];
  const start = order.map((s) => col.start[s]), end = order.map((s) => col.end[s]);
  return meta.workers.map(([number, first, last]) => (
    {title: `worker ${number}`, isWorker: true, first, last, start, end, order, kinds}));
})();
const taskKinds = [ASTRAY, QUEUED, RUNNING].filter((state) => col.state.includes(state))
  .map((state) => ({state, sums: sumsOf(state, null)}));
const taskRow = (t) => ({title: titleOf(t), task: t, first: col.life_first[t], last: col.life_first[t + 1],
                         start: col.start, end: col.end, order: null, kinds: taskKinds});
const segmentOf = (row, i) => row.order ? row.order[i] : i;

/** How long segments [i, k) of a row were in a state between two moments, which the outer ones may pass. */
function timeBetween(row, {state, sums}, i, k, a, b) {
  if (i >= k) return 0;
  let time = (sums[k] - sums[i]) >>> 0;
  if (col.state[segmentOf(row, i)] === state) time -= Math.max(0, a - row.start[i]);
  if (col.state[segmentOf(row, k - 1)] === state) time -= Math.max(0, row.end[k - 1] - b);
  return time;
}

const view = {t0: 0, t1: total, byTask: false, tasks: null, scroll: 0, selected: -1, row: 0,
              group: 0, path: []};
const allTasks = () => {
  const list = [];
  for (let t = 1; t < lives; t++) if (col.life_first[t + 1] > col.life_first[t]) list.push(t);
  return list;
};
let rowsOf = null; // of each task in view.tasks, + 1
const tasks = () => view.tasks || (view.tasks = allTasks());
function rowOfTask(t) {
  if (!rowsOf || rowsOf.list !== tasks()) {
    rowsOf = {list: tasks(), row: new Uint32Array(lives)};
    rowsOf.list.forEach((task, i) => { rowsOf.row[task] = i + 1; });
  }
  return rowsOf.row[t] - 1;
}
const rowHeight = () => view.byTask ? 18 : Math.max(20, Math.min(44, 400 / workerRows.length | 0));
const rowCount = () => view.byTask ? tasks().length : workerRows.length;
const rowAt = (i) => view.byTask ? taskRow(tasks()[i]) : workerRows[i];
