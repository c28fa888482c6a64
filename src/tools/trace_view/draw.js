// SPDX-License-Identifier: MIT
// draw.js - a frame of the time line.
const AXIS = 22, CHART = 64, REGION = 3;
let LEFT = 150; // where time begins, less on a narrow page
const canvas = byId('line'), context = canvas.getContext('2d');
let colours = {}, isDirty = false, lastDraw = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  colours = {pixels: {}};
  for (const name of ['ground', 'panel', 'ink', 'faint', 'rule', 'running', 'queued', 'waiting',
                      'astray', 'mark', 'path']) {
    colours[name] = value(name);
    colours.pixels[name] = pixelOf(colours[name]);
  }
  colours.hues = Array.from({length: HUES}, (_, i) => value(`hue${i}`));
  colours.pixels.hues = colours.hues.map(pixelOf);
  for (const set of [colours, colours.pixels]) set.state = ['', set.queued, set.running, set.waiting, set.astray];
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

/** A segment that is wide enough to be a rectangle, and to say what it is. */
function drawPiece({row, s, x0, x1, y, h}) {
  const isWaiting = col.state[s] === WAITING, inset = isWaiting ? h * 0.15 : 0;
  context.fillStyle = row.isWorker ? colours.hues[hueOf(s)] : colours.state[col.state[s]];
  context.fillRect(LEFT + x0, y + inset, Math.max(1, x1 - x0 - 0.5), h - 2 * inset);
  if (x1 - x0 <= 60 || col.state[s] === ASTRAY) return;
  const text = row.isWorker ? titleOf(taskOf[s])
    : isWaiting ? meta.reasons[col.reason[s]] : STATES[col.state[s]];
  context.fillStyle = isWaiting ? colours.ink : colours.ground;
  context.save();
  context.beginPath();
  context.rect(LEFT + x0, y, x1 - x0 - 2, h);
  context.clip();
  context.fillText(text, LEFT + x0 + 4, y + h / 2 + 1);
  context.restore();
}

/** The rows in sight: columns first, then pieces over them, then titles. */
function drawRows(w, height) {
  const h = rowHeight(), pieces = [], rows = [];
  const foot = view.byTask && col.region_task.length ? REGION : 0;
  columns.begin(w, height - AXIS);
  for (let i = Math.floor(view.scroll / h); i < rowCount() && AXIS + i * h - view.scroll < height; i++) {
    const row = rowAt(i), y = i * h - view.scroll;
    rows.push({title: row.title, y: AXIS + y, isChosen: i === view.row});
    paintRow(row, y + 1, h - 2 - foot, w, pieces);
    if (foot) paintRegions(row.task, y + h - 1 - REGION, w);
  }
  const below = AXIS + rowCount() * h - view.scroll + 12;
  const most = view.byTask ? 0 : paintQueue(below, w);
  columns.end();
  columns.drawTo(context, LEFT, AXIS);
  context.font = '11px system-ui, sans-serif';
  pieces.forEach(drawPiece);
  for (const {title, y, isChosen} of rows) {
    context.fillStyle = colours.panel;
    context.fillRect(0, y, LEFT - 4, h - 1);
    context.fillStyle = isChosen ? colours.mark : colours.ink;
    drawTitle(title, y + h / 2);
  }
  if (!view.byTask) drawQueueTitle(below, most);
}

/** Labels say as much as tells them apart. */
function drawAxis(w, h) {
  const span = view.t1 - view.t0, end = view.t1 * meta.unit;
  const [name, size] = end >= 1e9 ? ['s', 1e9] : end >= 1e6 ? ['ms', 1e6] : end >= 1e3 ? ['µs', 1e3] : ['ns', 1];
  const label = (t, step) => `${(t * meta.unit / size).toFixed(
    Math.max(0, Math.ceil(-Math.log10(step * meta.unit / size) - 1e-9)))} ${name}`;
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  let step = Math.max(1, 10 ** Math.floor(Math.log10(span / 50 * meta.unit)) / meta.unit);
  for (let turn = 0; span / step * (context.measureText(label(view.t1, step)).width + 16) > w && turn < 60; turn++) {
    step *= [2, 2.5, 2][turn % 3];
  }
  context.fillStyle = colours.faint;
  context.strokeStyle = colours.rule;
  for (let t = Math.ceil(view.t0 / step) * step; t < view.t1; t += step) {
    const x = Math.round(LEFT + (t - view.t0) / span * w) + 0.5;
    context.beginPath();
    context.moveTo(x, AXIS);
    context.lineTo(x, h);
    context.stroke();
    context.fillText(label(t, step), x + 3, AXIS / 2 + 1);
  }
}

/** Where a segment stands: [x0, x1, y middle], or null if its row is out of sight. */
function whereIs(s, w, at) {
  const h = rowHeight();
  let row = -1;
  if (view.byTask) {
    row = rowOfTask(taskOf[s]);
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
  LEFT = Math.min(150, Math.round(canvas.clientWidth / 4));
  const [width, height] = fit(canvas, context), w = Math.max(1, width - LEFT);
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, width, height);
  view.scroll = Math.round(Math.max(0, Math.min(view.scroll, rowCount() * rowHeight() - (height - AXIS))));
  drawAxis(w, height);
  context.save();
  context.beginPath();
  context.rect(0, AXIS, width, height - AXIS);
  context.clip();
  drawRows(w, height);
  drawPath(w);
  drawSelection(w);
  context.restore();
  drawOverview();
  lastDraw = performance.now() - start;
}

/** At the left, cut in the middle: what tells tasks apart is at the end. */
function drawTitle(title, y) {
  const room = LEFT - 14;
  let text = title;
  context.font = '12px system-ui, sans-serif';
  for (let n = title.length - 1; context.measureText(text).width > room && n > 2; n--) {
    text = `${title.slice(0, n >> 1)}…${title.slice(-(n - (n >> 1)))}`;
  }
  context.fillText(text, 6, y);
}

function redraw() {
  byId('hint').hidden = true;
  if (!isDirty) {
    isDirty = true;
    requestAnimationFrame(draw);
  }
}
