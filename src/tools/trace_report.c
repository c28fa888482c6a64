/* SPDX-License-Identifier: MIT
 * trace_report.c - a trace as tables in the terminal. */
#include "tools/trace.h"
#include "tools/trace_peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS 1e6

const char *cvy_trace_duration(int64_t ns, char out[16])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double n = (double)ns;
    size_t unit = 0;

    while (n >= 1000 && unit < 3) {
        n /= 1000;
        unit++;
    }
    (void)snprintf(out, 16,
                   unit == 0 ? "%.0f %s"
                   : n < 10  ? "%.2f %s"
                   : n < 100 ? "%.1f %s"
                             : "%.0f %s",
                   n, units[unit]);
    return out;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t percentile(const int64_t *sorted, size_t n, double share)
{
    size_t i = (size_t)((double)n * share);
    return sorted[i < n ? i : n - 1];
}

/* ---- what is alike is added up ---- */

struct sum {
    uint32_t task; /* one of those that are meant */
    uint8_t state, reason;
    uint64_t count;
    int64_t total, max;
};

static const struct cvy_trace_model *sorted_model;

/* By reason, then by what the tasks are called and where they were started. */
static int compare_kinds(const void *a, const void *b)
{
    const struct sum *x = a;
    const struct sum *y = b;
    const struct cvy_trace_life *lives = sorted_model->lives;

    if (x->state != y->state) {
        return x->state - y->state;
    }
    if (x->reason != y->reason) {
        return x->reason - y->reason;
    }
    if (lives[x->task].site != lives[y->task].site) {
        return lives[x->task].site < lives[y->task].site ? -1 : 1;
    }
    return strcmp(cvy_trace_name(sorted_model, x->task), cvy_trace_name(sorted_model, y->task));
}

static int compare_totals(const void *a, const void *b)
{
    const struct sum *x = a;
    const struct sum *y = b;
    return (x->total < y->total) - (x->total > y->total);
}

/* Adds up n items in place, the largest total first; how many kinds. */
static size_t add_up(const struct cvy_trace_model *m, struct sum *items, size_t n)
{
    size_t kinds = 0;

    sorted_model = m;
    qsort(items, n, sizeof(*items), compare_kinds);
    for (size_t i = 0; i < n; i++) {
        if (kinds > 0 && compare_kinds(&items[kinds - 1], &items[i]) == 0) {
            struct sum *s = &items[kinds - 1];
            s->count += items[i].count;
            s->total = cvy_trace_sum(s->total, items[i].total);
            s->max = items[i].max > s->max ? items[i].max : s->max;
        } else {
            items[kinds++] = items[i];
        }
    }
    qsort(items, kinds, sizeof(*items), compare_totals);
    return kinds;
}

static struct sum sum_of(const struct cvy_trace_segment *s, int64_t took)
{
    return (struct sum){.task = s->task,
                        .state = s->state,
                        .reason = s->reason,
                        .count = 1,
                        .total = took,
                        .max = took};
}

/* ---- tables ---- */

static void report_head(const struct cvy_trace_model *m, FILE *out)
{
    const struct cvy_trace *t = m->trace;
    char took[16];
    size_t before = 0;
    size_t alive = 0;

    for (size_t i = 1; i < m->life_count; i++) {
        before += m->lives[i].was_there_before;
        alive += m->lives[i].end < 0;
    }
    (void)fprintf(out, "%s of process %" PRIu32 ": %s, %" PRIu64 " events%s\n",
                  t->header.is_snapshot ? "Snapshot" : "Trace", t->header.pid,
                  cvy_trace_duration(m->end, took), t->events,
                  t->is_whole ? "" : "; the file was not finished, its end is missing");
    if (t->lost > 0) {
        (void)fprintf(out, "LOST: %" PRIu64 " events came faster than they could be written\n",
                      t->lost);
    }
    (void)fprintf(out,
                  "Tasks: %zu (%zu there before, %zu alive at the end); %" PRIu64 " parks, %" PRIu64
                  " wake-ups, %" PRIu64 " yields, %" PRIu64 " steals, %" PRIu64
                  " workers taken over\n",
                  m->life_count - 1, before, alive, m->counts[COVEY_TRACE_park],
                  m->counts[COVEY_TRACE_ready], m->counts[COVEY_TRACE_yield],
                  m->counts[COVEY_TRACE_steal], m->counts[COVEY_TRACE_takeover]);
    if (m->counts[COVEY_TRACE_chan_send] + m->counts[COVEY_TRACE_chan_recv] > 0) {
        (void)fprintf(out,
                      "Channels: %" PRIu64 " sends, %" PRIu64 " receives, %" PRIu64 " closed\n",
                      m->counts[COVEY_TRACE_chan_send], m->counts[COVEY_TRACE_chan_recv],
                      m->counts[COVEY_TRACE_chan_close]);
    }
}

static void report_workers(const struct cvy_trace_model *m, FILE *out)
{
    (void)fprintf(out, "\nWORKERS\n  %-8s %8s %10s %10s %10s %8s\n", "worker", "running",
                  "switches", "steals", "stolen", "sleeps");
    for (size_t i = 0; i < m->trace->ring_count; i++) {
        const struct cvy_trace_worker *w = &m->workers[i];
        if (m->trace->rings[i].number != CVY_TRACE_RING_SHARED) {
            (void)fprintf(out,
                          "  %-8" PRIu32 " %7.1f%% %10" PRIu64 " %10" PRIu64 " %10" PRIu64
                          " %8" PRIu64 "\n",
                          m->trace->rings[i].number,
                          m->end > 0 ? 100.0 * (double)w->running / (double)m->end : 0, w->switches,
                          w->steals, w->stolen, w->idles);
        }
    }
}

static void report_sums(const struct cvy_trace_model *m, const struct sum *sums, size_t n,
                        size_t rows, FILE *out)
{
    char a[16];
    char b[16];
    char c[16];
    char place[64];

    for (size_t i = 0; i < n && i < rows; i++) {
        const char *what = sums[i].state == CVY_TRACE_RUNNING  ? "running"
                           : sums[i].state == CVY_TRACE_QUEUED ? "in the queue"
                           : sums[i].state == CVY_TRACE_ASTRAY ? "without worker"
                                                               : cvy_trace_reason(sums[i].reason);
        (void)fprintf(out, "  %-14s %9s %9" PRIu64 " %9s %9s  %s (%s)\n", what,
                      cvy_trace_duration(sums[i].total, a), sums[i].count,
                      cvy_trace_duration(sums[i].total / (int64_t)sums[i].count, b),
                      cvy_trace_duration(sums[i].max, c), cvy_trace_name(m, sums[i].task),
                      cvy_trace_place(m, m->lives[sums[i].task].site, place, sizeof(place)));
    }
    if (n > rows) {
        (void)fprintf(out, "  ... %zu more (--rows)\n", n - rows);
    }
}

static void report_waits(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    struct sum *sums = malloc((m->segment_count + 1) * sizeof(*sums));
    size_t n = 0;

    if (!sums) {
        return;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if (s->state == CVY_TRACE_WAITING || s->state == CVY_TRACE_ASTRAY) {
            sums[n++] = sum_of(s, s->end - s->start);
        }
    }
    (void)fprintf(out, "\nWHERE TASKS WAITED\n  %-14s %9s %9s %9s %9s  %s\n", "for", "total",
                  "times", "mean", "longest", "task (started at)");
    report_sums(m, sums, add_up(m, sums, n), rows, out);
    free(sums);
}

static void report_latency(const struct cvy_trace_model *m, FILE *out)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999};
    int64_t *times = malloc((m->segment_count + 1) * sizeof(*times));
    size_t n = 0;
    char text[16];

    if (!times) {
        return;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        if (m->segments[i].state == CVY_TRACE_QUEUED) {
            times[n++] = m->segments[i].end - m->segments[i].start;
        }
    }
    (void)fprintf(out, "\nSCHEDULING LATENCY (runnable until it runs), %zu times\n ", n);
    if (n > 0) {
        qsort(times, n, sizeof(*times), compare_times);
        for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
            (void)fprintf(out, " p%g %s ", shares[i] * 100,
                          cvy_trace_duration(percentile(times, n, shares[i]), text));
        }
        (void)fprintf(out, " longest %s\n", cvy_trace_duration(times[n - 1], text));
    }
    free(times);
}

/* The longest segments of a state, by insertion: rows are few. */
static void report_longest(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    const struct cvy_trace_segment **top = calloc(rows + 1, sizeof(struct cvy_trace_segment *));
    size_t n = 0;
    char a[16];
    char place[64];

    if (!top) {
        return;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if ((s->state != CVY_TRACE_RUNNING && s->state != CVY_TRACE_ASTRAY) ||
            (n == rows && s->end - s->start <= top[n - 1]->end - top[n - 1]->start)) {
            continue;
        }
        size_t at = n < rows ? n++ : n - 1;
        while (at > 0 && top[at - 1]->end - top[at - 1]->start < s->end - s->start) {
            top[at] = top[at - 1];
            at--;
        }
        top[at] = s;
    }
    (void)fprintf(out, "\nLONGEST RUNS (a task on a worker, without a switch)\n");
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, "  %9s at %.3f ms  worker %" PRIu32 "%s  task %" PRIu64 " %s (%s)\n",
                      cvy_trace_duration(top[i]->end - top[i]->start, a),
                      (double)top[i]->start / MS, m->trace->rings[top[i]->worker].number,
                      top[i]->state == CVY_TRACE_ASTRAY ? " (taken from it)" : "",
                      m->lives[top[i]->task].id, cvy_trace_name(m, top[i]->task),
                      cvy_trace_place(m, m->lives[top[i]->task].site, place, sizeof(place)));
    }
    free(top);
}

static int compare_regions(const void *a, const void *b)
{
    const struct cvy_trace_region *x = a;
    const struct cvy_trace_region *y = b;

    if (x->site != y->site) {
        return x->site < y->site ? -1 : 1;
    }
    int64_t i = x->end - x->start;
    int64_t k = y->end - y->start;
    return (i > k) - (i < k);
}

static void report_regions(const struct cvy_trace_model *m, FILE *out)
{
    struct cvy_trace_region *regions = malloc((m->region_count + 1) * sizeof(*regions));
    size_t n = 0;
    char a[16];
    char b[16];
    char c[16];
    char d[16];
    char place[64];

    for (size_t i = 0; regions && i < m->region_count; i++) {
        if (m->regions[i].end >= 0) {
            regions[n++] = m->regions[i];
        }
    }
    if (n == 0) {
        free(regions);
        return;
    }
    qsort(regions, n, sizeof(*regions), compare_regions);
    (void)fprintf(out, "\nREGIONS\n  %9s %9s %9s %9s %9s  %s\n", "times", "total", "median", "p99",
                  "longest", "name");
    for (size_t i = 0, next; i < n; i = next) {
        int64_t total = 0;
        for (next = i; next < n && regions[next].site == regions[i].site; next++) {
            total = cvy_trace_sum(total, regions[next].end - regions[next].start);
        }
        const struct cvy_trace_region *median = &regions[i + (next - i) / 2];
        const struct cvy_trace_region *high = &regions[i + (size_t)((double)(next - i) * 0.99)];
        const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, regions[i].site);
        (void)fprintf(out, "  %9zu %9s %9s %9s %9s  %s (%s)\n", next - i,
                      cvy_trace_duration(total, a),
                      cvy_trace_duration(median->end - median->start, b),
                      cvy_trace_duration(high->end - high->start, c),
                      cvy_trace_duration(regions[next - 1].end - regions[next - 1].start, d),
                      s ? s->name : "?", cvy_trace_place(m, regions[i].site, place, sizeof(place)));
    }
    free(regions);
}

/* Groups of one place are one line. */
static int compare_groups(const void *a, const void *b)
{
    const struct cvy_trace_group *x = *(const struct cvy_trace_group *const *)a;
    const struct cvy_trace_group *y = *(const struct cvy_trace_group *const *)b;
    return (x->site > y->site) - (x->site < y->site);
}

static void report_groups(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    const struct cvy_trace_group **all = malloc(m->group_count * sizeof(*all));
    char a[16];
    char b[16];
    char c[16];
    char place[64];

    if (!all || m->group_count < 2) {
        free(all);
        return;
    }
    for (size_t i = 1; i < m->group_count; i++) {
        all[i - 1] = &m->groups[i];
    }
    qsort(all, m->group_count - 1, sizeof(*all), compare_groups);
    (void)fprintf(out, "\nGROUPS (by where they were opened)\n  %9s %9s %9s %9s %9s  %s\n", "times",
                  "tasks", "longest", "running", "waiting", "opened at (by)");
    size_t row = 0;
    for (size_t i = 0, next; i + 1 < m->group_count && row < rows; i = next, row++) {
        uint64_t tasks = 0;
        int64_t longest = 0;
        int64_t running = 0;
        int64_t waiting = 0;
        for (next = i; next + 1 < m->group_count && all[next]->site == all[i]->site; next++) {
            int64_t took = (all[next]->end >= 0 ? all[next]->end : m->end) - all[next]->start;
            longest = took > longest ? took : longest;
            tasks += all[next]->members;
            running = cvy_trace_sum(running, all[next]->running);
            waiting = cvy_trace_sum(waiting, all[next]->waiting);
        }
        (void)fprintf(out, "  %9zu %9" PRIu64 " %9s %9s %9s  %s (%s)\n", next - i, tasks,
                      cvy_trace_duration(longest, a), cvy_trace_duration(running, b),
                      cvy_trace_duration(waiting, c),
                      cvy_trace_place(m, all[i]->site, place, sizeof(place)),
                      cvy_trace_name(m, all[i]->opener));
    }
    free(all);
}

void cvy_trace_report(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    report_head(m, out);
    report_workers(m, out);
    report_waits(m, rows, out);
    cvy_trace_report_peers(m, rows, out);
    report_latency(m, out);
    report_longest(m, rows, out);
    report_groups(m, rows, out);
    report_regions(m, out);
}

/* ---- one group ---- */

static bool is_meant(const struct cvy_trace_model *m, uint32_t group, const char *name)
{
    char place[64];
    const struct cvy_trace_group *g = &m->groups[group];
    return strcmp(cvy_trace_place(m, g->site, place, sizeof(place)), name) == 0 ||
           strcmp(cvy_trace_name(m, g->opener), name) == 0;
}

uint32_t cvy_trace_group_by_name(const struct cvy_trace_model *m, const char *name)
{
    uint32_t best = 0;
    int64_t longest = -1;

    for (int by_member = 0; by_member < 2 && !best; by_member++) {
        size_t n = by_member ? m->life_count : m->group_count;
        for (uint32_t i = 1; i < n; i++) {
            uint32_t g = by_member ? m->lives[i].group : i;
            if (!g ||
                !(by_member ? strcmp(cvy_trace_name(m, i), name) == 0 : is_meant(m, g, name))) {
                continue;
            }
            int64_t took = (m->groups[g].end >= 0 ? m->groups[g].end : m->end) - m->groups[g].start;
            if (took > longest) {
                longest = took;
                best = g;
            }
        }
    }
    return best;
}

bool cvy_trace_report_group(const struct cvy_trace_model *m, const char *name, size_t rows,
                            FILE *out)
{
    uint32_t group = cvy_trace_group_by_name(m, name);
    size_t n;
    char a[16];
    char place[64];

    if (!group) {
        return false;
    }
    const struct cvy_trace_group *g = &m->groups[group];
    struct cvy_trace_step *steps = cvy_trace_critical_path(m, group, &n);
    struct sum *sums = malloc((n + 1) * sizeof(*sums));
    (void)fprintf(out,
                  "\nCRITICAL PATH of the group opened at %s by task %" PRIu64 " %s: %" PRIu32
                  " tasks, %s from %.3f ms\n",
                  cvy_trace_place(m, g->site, place, sizeof(place)), m->lives[g->opener].id,
                  cvy_trace_name(m, g->opener), g->members,
                  cvy_trace_duration((g->end >= 0 ? g->end : m->end) - g->start, a),
                  (double)g->start / MS);
    for (size_t i = 0; sums && i < n; i++) {
        sums[i] = sum_of(steps[i].segment, steps[i].end - steps[i].start);
    }
    if (sums) {
        (void)fprintf(out, "  %-14s %9s %9s %9s %9s  %s\n", "", "total", "times", "mean", "longest",
                      "task (started at)");
        report_sums(m, sums, add_up(m, sums, n), rows, out);
    }
    free(sums);
    free(steps);
    return true;
}
