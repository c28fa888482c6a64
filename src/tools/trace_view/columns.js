// SPDX-License-Identifier: MIT
// columns.js - the rows of the time line as columns of pixels.
//
// A row never looks at more segments than it has pixels: what is WIDE is found by binary search and
// drawn as a piece; what is narrower fills its pixel's column from below by its share of the time,
// from prefix sums. So the cost of a frame does not depend on how much was recorded. Columns are
// painted by hand: a rectangle for each would cost more than all else.
const WIDE = 4;

class Columns {
  constructor() {
    this.canvas = document.createElement('canvas');
    this.context = this.canvas.getContext('2d');
    this.width = this.height = 0;
  }

  /** Empty; a canvas that is not in sight has no height, but an image must. */
  begin(width, sight) {
    const height = Math.max(1, sight);
    if (this.width === width && this.height === height) {
      this.pixels.fill(0);
      return;
    }
    Object.assign(this, {width, height});
    Object.assign(this.canvas, {width, height});
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  fill(x, y, h, pixel) {
    const end = Math.min(this.height, y + h) * this.width;
    for (let at = Math.max(0, y) * this.width + x; at < end; at += this.width) this.pixels[at] = pixel;
  }

  end() {
    this.context.putImageData(this.image, 0, 0);
  }

  drawTo(target, x, y) {
    target.imageSmoothingEnabled = false;
    target.drawImage(this.canvas, x, y);
  }
}

/** "#rrggbb" as an image has it. */
function pixelOf(colour) {
  const rgb = parseInt(colour.slice(1), 16);
  return (0xff000000 | (rgb & 0xff) << 16 | (rgb & 0xff00) | rgb >> 16) >>> 0;
}

const columns = new Columns(); // of the time line below its axis
const hueOf = (s) => kinds[kindOf[taskOf[s]]].hue;

/** The hue of the longest of the first few segments of a worker's [i, k). */
function mostly(row, i, k) {
  let longest = row.order[i];
  for (let n = i + 1; n < k && n < i + 8; n++) {
    if (took(row.order[n]) > took(longest)) longest = row.order[n];
  }
  return hueOf(longest);
}

/** Segments [i, k) of a row, which has h pixels from y down, in the column x, from a to b. */
function paintColumn(row, i, k, x, a, b, y, h) {
  if (!row.isWorker) columns.fill(x, y, h, colours.pixels.waiting);
  let bottom = y + h;
  for (const kind of row.kinds) {
    const time = timeBetween(row, kind, i, k, a, b);
    if (time <= 0) continue;
    const part = Math.min(bottom - y, Math.max(1, Math.round(time / (b - a) * h)));
    bottom -= part;
    columns.fill(x, bottom, part, row.isWorker ? colours.pixels.hues[mostly(row, i, k)]
      : colours.pixels.state[kind.state]);
  }
}

/** Paints what is narrow of a row; what is wide is added to pieces, where it is on the canvas. */
function paintRow(row, y, h, w, pieces) {
  const scale = w / (view.t1 - view.t0), {start, end, last} = row;
  let i = firstAfter(end, row.first, last, view.t0), x = 0;
  while (i < last && start[i] < view.t1) {
    const x0 = (start[i] - view.t0) * scale, x1 = (end[i] - view.t0) * scale;
    if (x1 - x0 >= WIDE) {
      pieces.push({row, s: segmentOf(row, i), x0: Math.max(0, x0), x1: Math.min(w, x1), y: AXIS + y, h});
      x = Math.floor(x1);
      i++;
      continue;
    }
    x = Math.max(x, Math.floor(x0));
    if (x >= w) return;
    const until = view.t0 + (x + 1) / scale;
    const next = firstAfterNear(end, i, last, until);
    const k = next < last && start[next] < until ? next + 1 : next;
    paintColumn(row, i, k, x, until - 1 / scale, until, y, h);
    i = next;
    x++;
  }
}

/** The regions of a task are a line at the foot of its row. */
function paintRegions(t, y, w) {
  const scale = w / (view.t1 - view.t0), start = col.region_start;
  const [first, last] = regionsOf(t);
  let i = Math.max(first, firstAfter(start, first, last, view.t0) - 64); // what encloses the view
  while (i < last && start[i] < view.t1) {
    const x0 = Math.max(0, Math.floor((start[i] - view.t0) * scale));
    const x1 = Math.min(w, Math.max(x0 + 1, (col.region_end[i] - view.t0) * scale));
    if (col.region_end[i] < view.t0) {
      i++;
      continue;
    }
    for (let x = x0; x < x1; x++) columns.fill(x, y, REGION, colours.pixels.mark);
    i = Math.max(i + 1, firstAfterNear(start, i, last, view.t0 + (x0 + 1) / scale));
  }
}
