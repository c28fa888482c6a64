// SPDX-License-Identifier: MIT
// move.js - moves through time and rows.
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
  showLegend();
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
    let row = rowOfTask(taskOf[s]);
    if (row < 0) {
      view.tasks = null;
      row = rowOfTask(taskOf[s]);
    }
    view.row = row;
    const y = row * rowHeight();
    if (y < view.scroll || y > view.scroll + canvas.clientHeight - AXIS - rowHeight()) view.scroll = y - 60;
  }
}
