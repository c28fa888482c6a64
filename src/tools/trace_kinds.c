/* SPDX-License-Identifier: MIT
 * trace_kinds.c - see trace_kinds.h. */
#include "tools/trace_kinds.h"

#include "tools/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct cvy_trace_model *sorted_model;

/* By reason, then by what the tasks are called and where they were started. */
static int compare_kinds(const void *a, const void *b)
{
    const struct cvy_trace_kind *x = a;
    const struct cvy_trace_kind *y = b;
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
    const struct cvy_trace_kind *x = a;
    const struct cvy_trace_kind *y = b;
    return (x->total < y->total) - (x->total > y->total);
}

/* Adds up n items in place, the largest total first; how many kinds. */
static size_t add_up(const struct cvy_trace_model *m, struct cvy_trace_kind *items, size_t n)
{
    size_t kinds = 0;

    sorted_model = m;
    qsort(items, n, sizeof(*items), compare_kinds);
    for (size_t i = 0; i < n; i++) {
        if (kinds > 0 && compare_kinds(&items[kinds - 1], &items[i]) == 0) {
            struct cvy_trace_kind *s = &items[kinds - 1];
            s->count += items[i].count;
            s->open += items[i].open;
            s->total = cvy_trace_sum(s->total, items[i].total);
            s->max = items[i].max > s->max ? items[i].max : s->max;
        } else {
            items[kinds++] = items[i];
        }
    }
    qsort(items, kinds, sizeof(*items), compare_totals);
    return kinds;
}

struct cvy_trace_kind cvy_trace_kind_of(const struct cvy_trace_segment *s, int64_t took)
{
    return (struct cvy_trace_kind){.task = s->task,
                                   .state = s->state,
                                   .reason = s->reason,
                                   .count = 1,
                                   .total = took,
                                   .max = took};
}

const char *cvy_trace_state(uint8_t state, uint8_t reason)
{
    return state == CVY_TRACE_RUNNING  ? "running"
           : state == CVY_TRACE_QUEUED ? "in the queue"
           : state == CVY_TRACE_ASTRAY ? "without worker"
                                       : cvy_trace_reason(reason);
}

void cvy_trace_report_kinds(const struct cvy_trace_model *m, struct cvy_trace_kind *sums, size_t n,
                            size_t rows, FILE *out)
{
    n = add_up(m, sums, n);
    char a[16];
    char b[16];
    char c[16];
    char place[64];

    for (size_t i = 0; i < n && i < rows; i++) {
        (void)fprintf(out, "  %-14s %9s %9" PRIu64 " %9s %9s  %s (%s)",
                      cvy_trace_state(sums[i].state, sums[i].reason),
                      cvy_trace_duration(sums[i].total, a), sums[i].count,
                      cvy_trace_duration(sums[i].total / (int64_t)sums[i].count, b),
                      cvy_trace_duration(sums[i].max, c), cvy_trace_name(m, sums[i].task),
                      cvy_trace_place(m, m->lives[sums[i].task].site, place, sizeof(place)));
        if (sums[i].open > 0) {
            (void)fprintf(out, ", %" PRIu64 " still at the end", sums[i].open);
        }
        (void)fputc('\n', out);
    }
    if (n > rows) {
        (void)fprintf(out, "  ... %zu more (--rows)\n", n - rows);
    }
}
