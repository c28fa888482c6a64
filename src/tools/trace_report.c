/* SPDX-License-Identifier: MIT
 * trace_report.c - a trace as tables in the terminal. */
#include "tools/trace.h"
#include "tools/trace_kinds.h"
#include "tools/trace_peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Of sorted times, before which there are so many of no length. */
static int64_t percentile(const int64_t *sorted, size_t n, uint64_t zeros, double share)
{
    uint64_t i = (uint64_t)((double)(n + zeros) * share);

    return i < zeros || n == 0 ? 0 : sorted[i - zeros < n ? i - zeros : n - 1];
}

static double percent(int64_t part, int64_t of)
{
    return of > 0 ? 100.0 * (double)part / (double)of : 0;
}

/* ---- tables ---- */

static double share_unknown(const struct cvy_trace_model *m)
{
    int64_t unknown = 0;
    int64_t all = 0;

    for (size_t i = 0; i < m->trace->ring_count; i++) {
        if (m->trace->rings[i].number != CVY_TRACE_RING_SHARED) {
            unknown = cvy_trace_sum(unknown, m->workers[i].unknown);
            all = cvy_trace_sum(all, m->end);
        }
    }
    return percent(unknown, all);
}

/* ", from 2026-11-28 03:00:12.345" here, or nothing. */
static const char *when(const struct cvy_trace *t, char out[64])
{
    int64_t ns = cvy_trace_wall_start(t);
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm parts;

    out[0] = '\0';
    if (ns > 0 && localtime_r(&seconds, &parts)) {
        size_t len = strftime(out, 48, ", from %Y-%m-%d %H:%M:%S", &parts);
        (void)snprintf(out + len, 64 - len, ".%03d", (int)(ns / 1000000 % 1000));
    }
    return out;
}

static void report_head(const struct cvy_trace_model *m, FILE *out)
{
    const struct cvy_trace *t = m->trace;
    char took[16];
    char from[64];
    size_t before = 0;
    size_t alive = 0;

    for (size_t i = 1; i < m->life_count; i++) {
        before += m->lives[i].was_there_before && m->lives[i].end != 0;
        alive += m->lives[i].end < 0;
    }
    (void)fprintf(out, "%s of process %" PRIu32 "%s: %s, %" PRIu64 " events%s\n",
                  t->header.is_snapshot ? "Snapshot" : "Trace", t->header.pid, when(t, from),
                  cvy_trace_duration(m->end, took), t->events,
                  t->is_whole ? "" : "; the file was not finished, its end is missing");
    if (!cvy_trace_has_rate(t)) {
        (void)fprintf(out, "TIMES ARE IN TICKS of the processor's counter, shown as ns: the file "
                           "ends before its second clock\n");
    }
    if (t->lost > 0) {
        (void)fprintf(out,
                      "LOST: %" PRIu64 " events came faster than they could be written; of %.1f%% "
                      "of the workers' time nothing is known\n",
                      t->lost, share_unknown(m));
    }
    (void)fprintf(out,
                  "Tasks: %zu (%zu there before, %zu alive at the end); %" PRIu64 " parks, %" PRIu64
                  " wake-ups, %" PRIu64 " yields, %" PRIu64 " steals, %" PRIu64
                  " workers taken over\n",
                  m->life_count - 1 - m->over, before, alive, m->counts[COVEY_TRACE_park],
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
                          m->trace->rings[i].number, percent(w->running, m->end - w->unknown),
                          w->switches, w->steals, w->stolen, w->idles);
        }
    }
}

/* Nothing has ended it. */
static bool is_open(const struct cvy_trace_model *m, const struct cvy_trace_segment *s)
{
    const struct cvy_trace_life *l = &m->lives[s->task];

    return l->end < 0 && s->end == m->end && s + 1 == &m->segments[l->first + l->count];
}

static void report_waits(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    struct cvy_trace_kind *sums = malloc((m->segment_count + 1) * sizeof(*sums));
    size_t n = 0;

    if (!sums) {
        return;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if (s->state == CVY_TRACE_WAITING || s->state == CVY_TRACE_ASTRAY) {
            sums[n] = cvy_trace_kind_of(s, s->end - s->start);
            sums[n++].open = is_open(m, s);
        }
    }
    (void)fprintf(out, "\nWHERE TASKS WAITED\n  %-14s %9s %9s %9s %9s  %s\n", "for", "total",
                  "times", "mean", "longest", "task (started at)");
    cvy_trace_report_kinds(m, sums, n, rows, out);
    free(sums);
}

/* Into times, sorted; how many. The longest: *longest, NULL if there are none. */
static size_t find_latencies(const struct cvy_trace_model *m, int64_t *times,
                             const struct cvy_trace_segment **longest)
{
    size_t n = 0;

    *longest = NULL;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if (s->state != CVY_TRACE_QUEUED) {
            continue;
        }
        times[n++] = s->end - s->start;
        if (!*longest || s->end - s->start > (*longest)->end - (*longest)->start) {
            *longest = s;
        }
    }
    if (n > 0) {
        qsort(times, n, sizeof(*times), compare_times);
    }
    return n;
}

static void report_latency(const struct cvy_trace_model *m, FILE *out)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999};
    int64_t *times = malloc((m->segment_count + 1) * sizeof(*times));
    const struct cvy_trace_segment *longest = NULL;
    size_t n = times ? find_latencies(m, times, &longest) : 0;
    char text[16];
    char place[64];

    (void)fprintf(out, "\nSCHEDULING LATENCY (runnable until it runs), %" PRIu64 " times%s\n",
                  n + m->ran_at_once,
                  m->trace->header.is_snapshot ? "; what a burst's one stamp hides counts as 0"
                                               : "");
    for (size_t i = 0; i < sizeof(shares) / sizeof(*shares) && n + m->ran_at_once > 0; i++) {
        (void)fprintf(out, "  p%g %s", shares[i] * 100,
                      cvy_trace_duration(percentile(times, n, m->ran_at_once, shares[i]), text));
    }
    if (longest) {
        const struct cvy_trace_life *l = &m->lives[longest->task];
        (void)fprintf(out, "  longest %s, at %.3f ms, of task %" PRIu64 " %s (%s)",
                      cvy_trace_duration(longest->end - longest->start, text),
                      (double)longest->start / MS, l->id, cvy_trace_name(m, longest->task),
                      cvy_trace_place(m, l->site, place, sizeof(place)));
    }
    (void)fputc('\n', out);
    free(times);
}

static int compare_runs(const void *a, const void *b)
{
    const struct cvy_trace_segment *x = *(const struct cvy_trace_segment *const *)a;
    const struct cvy_trace_segment *y = *(const struct cvy_trace_segment *const *)b;
    int64_t i = x->end - x->start;
    int64_t k = y->end - y->start;

    if (i != k) {
        return i < k ? 1 : -1;
    }
    return (x->start > y->start) - (x->start < y->start);
}

/* The longest first, at most rows in all; top has room for twice as many. */
static size_t find_longest(const struct cvy_trace_model *m, const struct cvy_trace_segment **top,
                           size_t rows)
{
    size_t n = 0;
    int64_t bound = 0; /* what is shorter does not count any more */

    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        if ((s->state != CVY_TRACE_RUNNING && s->state != CVY_TRACE_ASTRAY) ||
            s->end - s->start < bound) {
            continue;
        }
        top[n++] = s;
        if (n == 2 * rows) {
            qsort(top, n, sizeof(*top), compare_runs);
            n = rows;
            bound = top[n - 1]->end - top[n - 1]->start;
        }
    }
    qsort(top, n, sizeof(*top), compare_runs);
    return n < rows ? n : rows;
}

static void report_longest(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    const struct cvy_trace_segment **top = calloc(rows * 2, sizeof(struct cvy_trace_segment *));
    size_t n = top ? find_longest(m, top, rows) : 0;
    char a[16];
    char place[64];

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

void cvy_trace_report(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    report_head(m, out);
    report_workers(m, out);
    report_waits(m, rows, out);
    cvy_trace_report_peers(m, rows, out);
    report_latency(m, out);
    report_longest(m, rows, out);
    cvy_trace_report_groups(m, rows, out);
    cvy_trace_report_regions(m, rows, out);
}
