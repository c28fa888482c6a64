// SPDX-License-Identifier: MIT
// charts.js - how many tasks were in the queue, and how many workers in use over the whole time.
/**
 * How many tasks were in the queue: starts and ends of these segments, each in order, with prefix
 * sums, give the mean between two moments from two searches, however many there are.
 */
const queue = (() => {
  let n = 0;
  for (let s = 0; s < segments; s++) if (col.state[s] === QUEUED) n++;
  const edges = [new Uint32Array(n), new Uint32Array(n)];
  for (let s = 0, i = 0; s < segments; s++) {
    if (col.state[s] === QUEUED) {
      edges[0][i] = col.start[s];
      edges[1][i++] = col.end[s];
    }
  }
  return edges.map((at) => {
    at.sort();
    const sums = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) sums[i + 1] = sums[i] + at[i];
    return {at, sums};
  });
})();

/** The time that tasks had spent in the queue up to a moment. */
function queuedUntil(t) {
  const [up, down] = queue.map(({at, sums}) => {
    const n = firstAfter(at, 0, at.length, t);
    return n * t - sums[n];
  });
  return up - down;
}

/** A pixel is the mean number of tasks that were in the queue in its time. */
function paintQueue(y, w) {
  const depth = new Float64Array(w), unit = (view.t1 - view.t0) / w;
  let before = queuedUntil(view.t0), most = 0;
  for (let x = 0; x < w; x++) {
    const until = queuedUntil(view.t0 + (x + 1) * unit);
    depth[x] = (until - before) / unit;
    most = Math.max(most, depth[x]);
    before = until;
  }
  for (let x = 0; x < w && most > 0; x++) {
    const part = Math.ceil(depth[x] / most * CHART);
    columns.fill(x, y - AXIS + CHART - part, part, colours.pixels.queued);
  }
  return most;
}

function drawQueueTitle(y, most) {
  context.fillStyle = colours.panel;
  context.fillRect(0, y, LEFT - 4, CHART);
  context.fillStyle = colours.ink;
  drawTitle('tasks in the queue', y + 14);
  context.fillStyle = colours.faint;
  drawTitle(most < 0.005 ? 'none' : `up to ${most < 10 ? most.toFixed(1) : Math.round(most)}`, y + 32);
}

const overview = byId('overview'), small = overview.getContext('2d');
const profile = {columns: new Columns(), colours: null}; // drawn once for a width and its colours

function paintProfile(w, h) {
  profile.columns.begin(w, h);
  profile.colours = colours;
  for (let x = 0; x < w; x++) {
    const a = x / w * total, b = (x + 1) / w * total;
    let time = 0;
    for (const row of workerRows) {
      const i = firstAfter(row.end, row.first, row.last, a);
      time += timeBetween(row, row.kinds[0], i, firstAfter(row.start, i, row.last, b), a, b);
    }
    const part = Math.round(Math.min(1, time / (b - a) / Math.max(1, workerRows.length)) * (h - 4));
    profile.columns.fill(x, h - part, part, colours.pixels.running);
  }
  profile.columns.end();
}

function drawOverview() {
  const [width, h] = fit(overview, small), w = Math.max(1, width - LEFT);
  if (profile.colours !== colours || profile.columns.width !== w) paintProfile(w, h);
  small.fillStyle = colours.ground;
  small.fillRect(0, 0, width, h);
  small.fillStyle = colours.faint;
  small.font = '11px system-ui, sans-serif';
  small.textBaseline = 'middle';
  small.fillText('workers in use', 6, h / 2);
  profile.columns.drawTo(small, LEFT, 0);
  const a = view.t0 / total * w, b = view.t1 / total * w;
  small.fillStyle = colours.mark;
  small.globalAlpha = 0.18;
  small.fillRect(LEFT + a, 0, Math.max(2, b - a), h);
  small.globalAlpha = 1;
  small.strokeStyle = colours.mark;
  small.strokeRect(LEFT + a + 0.5, 0.5, Math.max(2, b - a) - 1, h - 1);
}
