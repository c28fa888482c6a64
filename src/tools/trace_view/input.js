// SPDX-License-Identifier: MIT
// input.js - pointer, wheel and keys.
function hit(x, y) {
  const row = Math.floor((y - AXIS + view.scroll) / rowHeight());
  if (y < AXIS || row < 0 || row >= rowCount()) return [-1, -1];
  const w = canvas.clientWidth - LEFT, r = rowAt(row);
  const unit = (view.t1 - view.t0) / w, t = view.t0 + (x - LEFT) * unit;
  const i = firstAfter(r.end, r.first, r.last, t - unit);
  return [row, x >= LEFT && i < r.last && r.start[i] <= t + unit ? segmentOf(r, i) : -1];
}

let drag = null;
const hint = byId('hint');

/** What is below the pointer. */
function showHint(e) {
  const [, s] = hit(e.offsetX, e.offsetY);
  hint.hidden = s < 0;
  if (s < 0) return;
  const what = STATES[col.state[s]] + (col.state[s] === WAITING ? `: ${meta.reasons[col.reason[s]]}` : '');
  hint.textContent = `${titleOf(taskOf[s])}\n${what}, ${duration(took(s))}\nfrom ${moment(col.start[s])}`;
  const x = e.offsetX + canvas.offsetLeft, y = e.offsetY + canvas.offsetTop;
  hint.style.left = `${Math.max(0, Math.min(x + 14, canvas.offsetLeft + canvas.clientWidth - hint.offsetWidth - 4))}px`;
  hint.style.top = `${y + 18 + hint.offsetHeight > canvas.offsetTop + canvas.clientHeight ? y - hint.offsetHeight - 10 : y + 18}px`;
}
canvas.addEventListener('pointerleave', () => { hint.hidden = true; });
canvas.addEventListener('pointerdown', (e) => {
  hint.hidden = true;
  drag = {x: e.offsetX, y: e.offsetY, t0: view.t0, scroll: view.scroll, moved: false};
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener('pointermove', (e) => {
  if (!drag) {
    showHint(e);
    return;
  }
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
  hint.hidden = true;
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
  let i = firstAfter(r.start, r.first, r.last, (view.t0 + view.t1) / 2) - 1;
  for (let k = i - 1; k <= i + 1; k++) if (segmentOf(r, k) === view.selected) i = k;
  if (view.selected >= 0 && (view.byTask ? taskOf[view.selected] === r.task : true)) {
    i = firstAfter(r.start, r.first, r.last, col.start[view.selected]) - 1 + direction;
  }
  const s = segmentOf(r, Math.max(r.first, Math.min(r.last - 1, i)));
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
  z: () => { if (view.selected >= 0) show(col.start[view.selected] - took(view.selected) / 2,
                                          col.end[view.selected] + took(view.selected) / 2); },
  Escape: () => select(-1),
  '/': () => { byId('search').focus(); byId('search').select(); },
};
function moveRow(by) {
  view.row = Math.max(0, Math.min(rowCount() - 1, view.row + by));
  const y = view.row * rowHeight(), room = canvas.clientHeight - AXIS - rowHeight();
  if (y < view.scroll) view.scroll = y;
  if (y > view.scroll + room) view.scroll = y - room;
  redraw();
}
document.addEventListener('keydown', (e) => {
  const isOurs = e.target === canvas || e.target === document.body || e.key === '/';
  const act = isOurs && e.target !== byId('search') && !e.ctrlKey && !e.metaKey && !e.altKey &&
    Object.hasOwn(keys, e.key) && keys[e.key];
  if (act) {
    e.preventDefault();
    act();
  }
});
function centre(e) {
  const at = (e.offsetX - LEFT) / (overview.clientWidth - LEFT) * total, half = (view.t1 - view.t0) / 2;
  show(at - half, at + half);
}
overview.addEventListener('pointerdown', (e) => {
  overview.setPointerCapture(e.pointerId);
  centre(e);
});
overview.addEventListener('pointermove', (e) => { if (e.buttons) centre(e); });
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
