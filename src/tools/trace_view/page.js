// SPDX-License-Identifier: MIT
// page.js - the rest of the page, and its beginning.
byId('title').textContent = meta.title;
document.title = `${meta.title} - covey trace`;
byId('summary').textContent =
  (meta.wall ? `${new Date(meta.wall).toLocaleDateString('sv')} ${timeOfDay(0)}, ` : '') + `${duration(total)}, ${meta.events.toLocaleString('en')} events, ` +
  `${meta.tasks.toLocaleString('en')} tasks` + (meta.lost ? `; ${meta.lost} events were lost` : '') +
  (meta.whole ? '' : '; the file was not finished') +
  (meta.in_ticks ? '; times are in ticks of the processor, shown as ns' : '');
function showLegend() {
  const list = view.byTask
    ? [['running', 'running'], ['queued', 'in the queue'], ['waiting', 'waiting'], ['astray', 'without worker']]
    : [...known.filter((k) => k.ran > 0).map((k) => [`hue${k.hue}`, nameOf(k.task)]),
      ...(kinds.length > known.length ? [['hue0', 'others']] : []), ['queued', 'in the queue']];
  if (view.byTask && col.region_task.length) list.push(['mark', 'region']);
  if (view.path.length) list.push(['path', 'critical path']);
  byId('legend').replaceChildren(...list.map(([name, text]) => {
    const box = element('i', '');
    box.style.background = `var(--${name})`;
    return element('span', '', box, text);
  }));
}
byId('groups').append(meta.groups.length > 1 ? groupList(0, 0) : 'No group was opened.');

showWaits();
showRegions();
showMarks('');
showLegend();
readColours();
draw();

// For tests.
window.coveyTrace = {view, show, select, search, selectGroup, segments, lives, whereIs, col, taskOf, peerOf, wakerOf,
  get lastDraw() { return lastDraw; }, loaded: performance.now() - began,
  rowOf: (s) => rowOfTask(taskOf[s]), nameOf, reason: (s) => meta.reasons[col.reason[s]], regionsOver,
  longest: (name) => meta.groups.reduce((best, g, i) => g && nameOf(g[1]) === name &&
    (!best || groupEnd(i) - g[2] > groupEnd(best) - meta.groups[best][2]) ? i : best, 0)};
