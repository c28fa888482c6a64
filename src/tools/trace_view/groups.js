// SPDX-License-Identifier: MIT
// groups.js - the tree of groups, and the critical path of one.
const groupTitle = (g) => `${place(meta.groups[g][0])}`;
const groupEnd = (g) => meta.groups[g][3] < 0 ? total : meta.groups[g][3];

const TURNS = 1e6; // as in trace_ask.c

/** What the end of a group had to wait for, from there backwards: [segment, from, to]; cut: not to its beginning. */
function criticalPath(g, turns) {
  const [, opener, start] = meta.groups[g];
  const path = [];
  let at = groupEnd(g), t = opener;
  for (let turn = 0; at > start; turn++) {
    path.cut = turn === turns;
    if (path.cut) break;
    const s = segmentAt(t, at);
    if (s < 0) {
      if (!col.life_creator[t] || col.life_start[t] < at) break;
      t = col.life_creator[t];
      continue;
    }
    const {by, waker} = moreOf(s);
    if (col.state[s] === WAITING && col.end[s] === at && by === BY_TASK && waker && waker !== t) {
      t = waker;
      continue;
    }
    path.push([s, Math.max(start, col.start[s]), at]);
    at = col.start[s];
  }
  return path;
}

function selectGroup(g, turns = TURNS) {
  view.group = g;
  view.path = criticalPath(g, turns);
  showLegend();
  const sums = new Map(); // {total, longest, segment}
  for (const [s, from, to] of view.path) {
    const what = col.state[s] === WAITING ? meta.reasons[col.reason[s]] : STATES[col.state[s]];
    const key = `${nameOf(taskOf[s])}, ${what}`;
    const sum = sums.get(key) || {total: 0, longest: -1, segment: s};
    sum.total += to - from;
    if (to - from > sum.longest) Object.assign(sum, {longest: to - from, segment: s});
    sums.set(key, sum);
  }
  const table = element('table', '');
  for (const [key, sum] of [...sums].sort((a, b) => b[1].total - a[1].total).slice(0, 12)) {
    table.append(row(duration(sum.total), link(key, () => goTo(sum.segment))));
  }
  select(-1);
  byId('details').replaceChildren(
    element('p', `Critical path of the group opened at ${groupTitle(g)}, ${duration(groupEnd(g) - meta.groups[g][2])}` +
      (meta.groups[g][3] < 0 ? '; it was still open: what its opener did until then:' : ':') +
      (view.path.cut ? ` It is too long; these are its last ${view.path.length.toLocaleString('en')} steps.` : '')),
    table, link('Its tasks', () => {
      const own = new Set(view.path.map(([s]) => taskOf[s]));
      for (let t = 1; t < lives; t++) if (col.life_group[t] === g) own.add(t);
      setRows(true, [...own].sort((a, b) => col.life_start[a] - col.life_start[b]));
    }));
  const span = groupEnd(g) - meta.groups[g][2];
  show(meta.groups[g][2] - span * 0.05, groupEnd(g) + span * 0.05);
}

const children = new Map();
for (let g = 1; g < meta.groups.length; g++) {
  if (meta.groups[g][3] === 0) continue; // it was over before the trace began
  const parent = col.life_group[meta.groups[g][1]] || 0;
  if (!children.has(parent)) children.set(parent, []);
  children.get(parent).push(g);
}

function groupList(parent, depth) {
  const list = element('ul', '');
  const own = (children.get(parent) || []).slice().sort((a, b) =>
    groupEnd(b) - meta.groups[b][2] - (groupEnd(a) - meta.groups[a][2]));
  for (const g of own.slice(0, 100)) {
    const [, opener, start, , members, running, queued, waiting] = meta.groups[g];
    const item = element('li', '');
    item.append(link(`${groupTitle(g)} by ${nameOf(opener)}`, () => selectGroup(g)),
      element('small', `${members.toLocaleString('en')} task${members === 1 ? '' : 's'}, ${duration(groupEnd(g) - start)}; running ${duration(running)}, ` +
        `queue ${duration(queued)}, waiting ${duration(waiting)}`));
    if (children.has(g) && depth < 50) {
      const more = element('details', '', element('summary', `${children.get(g).length} inside`));
      more.addEventListener('toggle', () => {
        if (more.open && more.children.length === 1) more.append(groupList(g, depth + 1));
      });
      item.append(more);
    }
    list.append(item);
  }
  if (own.length > 100) list.append(element('li', `and ${own.length - 100} shorter ones`));
  return list;
}
