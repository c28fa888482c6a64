// SPDX-License-Identifier: MIT
// tables.js - sums of waits and regions, logs, and the search.
const times = (n) => n === 1 ? 'once' : `${n.toLocaleString('en')} times`;

/** Waits of one kind of task for one reason are a row, the longest total first. */
function showWaits() {
  const sums = new Map(); // {total, count, open, longest: a segment}
  for (let s = 0; s < segments; s++) {
    if (col.state[s] !== WAITING && col.state[s] !== ASTRAY) continue;
    const key = kindOf[taskOf[s]] * 512 + (col.state[s] === ASTRAY ? 256 : col.reason[s]);
    let sum = sums.get(key);
    if (!sum) sums.set(key, sum = {total: 0, count: 0, open: 0, longest: s});
    sum.open += isOpen(s);
    sum.total += took(s);
    sum.count++;
    if (took(s) > took(sum.longest)) sum.longest = s;
  }
  const table = element('table', '');
  for (const {total: sum, count, open, longest: s} of [...sums.values()].sort((a, b) => b.total - a.total).slice(0, 15)) {
    const what = col.state[s] === ASTRAY ? STATES[ASTRAY] : meta.reasons[col.reason[s]];
    table.append(row(duration(sum), link(`${what}, ${nameOf(taskOf[s])}`, () => { setRows(true, null); goTo(s); }),
      element('small', `${times(count)}, the longest ${duration(took(s))}` +
        (open ? `, ${open.toLocaleString('en')} still at the end` : ''))));
  }
  byId('waits').append(sums.size ? table : 'Nobody waited.');
}

function showRegions() {
  const sums = new Map(); // {total, count, longest: a region}
  const length = (i) => col.region_end[i] - col.region_start[i];
  col.region_site.forEach((site, i) => {
    let sum = sums.get(site);
    if (!sum) sums.set(site, sum = {total: 0, count: 0, longest: i});
    sum.total += length(i);
    sum.count++;
    if (length(i) > length(sum.longest)) sum.longest = i;
  });
  const table = element('table', '');
  for (const [site, {total: sum, count, longest: i}] of [...sums].sort((a, b) => b[1].total - a[1].total).slice(0, 50)) {
    table.append(row(duration(sum), link(siteName(site), () => {
      const s = segmentAt(col.region_task[i], (col.region_start[i] + col.region_end[i]) / 2);
      setRows(true, null);
      if (s >= 0) goTo(s);
      show(col.region_start[i] - length(i) / 4, col.region_end[i] + length(i) / 4);
    }), element('small', `${times(count)}, the longest ${duration(length(i))}`)));
  }
  byId('regions').append(sums.size ? table : 'None.');
}

/** Logs and messages that have what is wanted in them. */
function showMarks(wanted) {
  const list = meta.marks.filter(([, t, what]) =>
    !wanted || what.toLowerCase().includes(wanted) || titleOf(t).toLowerCase().includes(wanted));
  const table = element('table', '');
  for (const [at, t, name, value] of list.slice(0, 200)) {
    table.append(row('', link(moment(at), () => {
      const s = t ? segmentAt(t, at) : -1, span = Math.min(view.t1 - view.t0, total / 20);
      if (s >= 0) goTo(s);
      show(at - span / 2, at + span / 2);
    }), ` ${value === null ? name : `${name}: ${value}`}`, element('small', t ? titleOf(t) : '')));
  }
  const rest = list.length - 200 + (wanted ? 0 : meta.mark_count - meta.marks.length);
  byId('marks').replaceChildren(list.length ? table : 'None.',
    rest > 0 ? element('small', `and ${rest.toLocaleString('en')} more${wanted ? '' : '; search'}`) : '');
}
/** Tasks by name, place or number, by the place of their group, by their regions and messages. */
function search(text) {
  const wanted = text.trim().toLowerCase(), found = byId('found');
  showMarks(wanted);
  if (!wanted) {
    found.textContent = '';
    setRows(view.byTask, null);
    return;
  }
  const has = (what) => what.toLowerCase().includes(wanted);
  const bySite = meta.sites.map(([name, where]) => has(name) || has(where));
  const byGroup = meta.groups.map((g) => g !== null && has(place(g[0])));
  const number = /^#?\d+$/.test(wanted) ? Number(wanted.replace('#', '')) : -1;
  const is = new Uint8Array(lives);
  for (let t = 1; t < lives; t++) {
    const own = meta.names[t];
    is[t] = (own ? has(own) : false) || bySite[col.life_site[t]] || byGroup[col.life_group[t]] ||
      col.life_id[t] === number;
  }
  for (let i = 0; i < col.region_site.length; i++) if (bySite[col.region_site[i]]) is[col.region_task[i]] = 1;
  for (const [, t, what] of meta.marks) if (has(what)) is[t] = 1;
  const list = allTasks().filter((t) => is[t]);
  found.textContent = `${list.length.toLocaleString('en')} task${list.length === 1 ? '' : 's'}`;
  setRows(true, list);
}
