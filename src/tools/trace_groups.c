/* SPDX-License-Identifier: MIT
 * trace_groups.c - a trace's groups and regions as tables, and the critical path of one group. */
#include "tools/trace.h"
#include "tools/trace_kinds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS 1e6

static int64_t group_time(const struct cvy_trace_model *m, const struct cvy_trace_group *g)
{
    return (g->end >= 0 ? g->end : m->end) - g->start;
}

/* ---- groups: those of one place are one row ---- */

struct place {
    const struct cvy_trace_group *one;
    size_t count;
    uint64_t tasks;
    int64_t longest, running, queued, waiting;
};

static int compare_sites(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return (x->one->site > y->one->site) - (x->one->site < y->one->site);
}

static int compare_longest(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    return (x->longest < y->longest) - (x->longest > y->longest);
}

/* In place; how many. */
static size_t merge_places(struct place *places, size_t n)
{
    size_t count = 0;

    qsort(places, n, sizeof(*places), compare_sites);
    for (size_t i = 0; i < n; i++) {
        struct place *last = count > 0 ? &places[count - 1] : NULL;
        if (!last || compare_sites(last, &places[i]) != 0) {
            places[count++] = places[i];
            continue;
        }
        last->count++;
        last->tasks += places[i].tasks;
        last->running = cvy_trace_sum(last->running, places[i].running);
        last->queued = cvy_trace_sum(last->queued, places[i].queued);
        last->waiting = cvy_trace_sum(last->waiting, places[i].waiting);
        if (places[i].longest > last->longest) {
            last->longest = places[i].longest;
        }
    }
    qsort(places, count, sizeof(*places), compare_longest);
    return count;
}

void cvy_trace_report_groups(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    struct place *places = malloc(m->group_count * sizeof(*places));
    char a[16], b[16], c[16], d[16];
    char name[64];
    size_t n = 0;

    for (size_t i = 1; places && i < m->group_count; i++) {
        const struct cvy_trace_group *g = &m->groups[i];
        if (g->end == 0) {
            continue; /* before the trace began */
        }
        places[n++] = (struct place){.one = g,
                                     .count = 1,
                                     .tasks = g->members,
                                     .longest = group_time(m, g),
                                     .running = g->running,
                                     .queued = g->queued,
                                     .waiting = g->waiting};
    }
    if (n > 0) {
        n = merge_places(places, n);
        (void)fprintf(out, "\nGROUPS (by where they were opened)\n  %9s %9s %9s %9s %9s %9s  %s\n",
                      "times", "tasks", "longest", "running", "in queue", "waiting",
                      "opened at (by)");
    }
    for (size_t i = 0; i < n && i < rows; i++) {
        const struct place *p = &places[i];
        (void)fprintf(out, "  %9zu %9" PRIu64 " %9s %9s %9s %9s  %s (%s)\n", p->count, p->tasks,
                      cvy_trace_duration(p->longest, a), cvy_trace_duration(p->running, b),
                      cvy_trace_duration(p->queued, c), cvy_trace_duration(p->waiting, d),
                      cvy_trace_place(m, p->one->site, name, sizeof(name)),
                      cvy_trace_name(m, p->one->opener));
    }
    if (n > rows) {
        (void)fprintf(out, "  ... %zu more (--rows)\n", n - rows);
    }
    free(places);
}

/* ---- regions: those of one site are one row ---- */

struct region_kind {
    const struct cvy_trace_region *regions; /* the shortest first */
    size_t count;
    int64_t total;
};

static int64_t region_time(const struct cvy_trace_region *r)
{
    return r->end - r->start;
}

static int compare_regions(const void *a, const void *b)
{
    const struct cvy_trace_region *x = a;
    const struct cvy_trace_region *y = b;

    if (x->site != y->site) {
        return x->site < y->site ? -1 : 1;
    }
    int64_t i = region_time(x);
    int64_t k = region_time(y);
    return (i > k) - (i < k);
}

static int compare_region_totals(const void *a, const void *b)
{
    const struct region_kind *x = a;
    const struct region_kind *y = b;
    return (x->total < y->total) - (x->total > y->total);
}

/* Those that have ended, sorted; *count. NULL: out of memory. */
static struct cvy_trace_region *regions_sorted(const struct cvy_trace_model *m, size_t *count)
{
    struct cvy_trace_region *regions = malloc((m->region_count + 1) * sizeof(*regions));
    size_t n = 0;

    for (size_t i = 0; regions && i < m->region_count; i++) {
        if (m->regions[i].end >= 0) {
            regions[n++] = m->regions[i];
        }
    }
    if (n > 0) {
        qsort(regions, n, sizeof(*regions), compare_regions);
    }
    *count = n;
    return regions;
}

static size_t find_kinds(const struct cvy_trace_region *regions, size_t n,
                         struct region_kind *kinds)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || regions[i].site != regions[i - 1].site) {
            kinds[count++] = (struct region_kind){.regions = &regions[i]};
        }
        kinds[count - 1].count++;
        kinds[count - 1].total = cvy_trace_sum(kinds[count - 1].total, region_time(&regions[i]));
    }
    if (count > 0) {
        qsort(kinds, count, sizeof(*kinds), compare_region_totals);
    }
    return count;
}

void cvy_trace_report_regions(const struct cvy_trace_model *m, size_t rows, FILE *out)
{
    size_t n;
    struct cvy_trace_region *regions = regions_sorted(m, &n);
    struct region_kind *kinds = malloc((n + 1) * sizeof(*kinds));
    size_t count = regions && kinds ? find_kinds(regions, n, kinds) : 0;
    char a[16], b[16], c[16], d[16];
    char place[64];

    if (count > 0) {
        (void)fprintf(out, "\nREGIONS\n  %9s %9s %9s %9s %9s  %s\n", "times", "total", "median",
                      "p99", "longest", "name");
    }
    for (size_t i = 0; i < count && i < rows; i++) {
        const struct cvy_trace_region *r = kinds[i].regions;
        size_t times = kinds[i].count;
        const struct cvy_trace_site *s = cvy_trace_site_at(m->trace, r->site);
        (void)fprintf(out, "  %9zu %9s %9s %9s %9s  %s (%s)\n", times,
                      cvy_trace_duration(kinds[i].total, a),
                      cvy_trace_duration(region_time(&r[times / 2]), b),
                      cvy_trace_duration(region_time(&r[(size_t)((double)times * 0.99)]), c),
                      cvy_trace_duration(region_time(&r[times - 1]), d), s ? s->name : "?",
                      cvy_trace_place(m, r->site, place, sizeof(place)));
    }
    if (count > rows) {
        (void)fprintf(out, "  ... %zu more (--rows)\n", count - rows);
    }
    free(kinds);
    free(regions);
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
            int64_t took = group_time(m, &m->groups[g]);
            if (took > longest) {
                longest = took;
                best = g;
            }
        }
    }
    return best;
}

static int compare_steps(const void *a, const void *b)
{
    const struct cvy_trace_step *x = a;
    const struct cvy_trace_step *y = b;
    int64_t i = x->end - x->start;
    int64_t k = y->end - y->start;
    return (i < k) - (i > k);
}

static int compare_moments(const void *a, const void *b)
{
    const struct cvy_trace_step *x = a;
    const struct cvy_trace_step *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* The longest of n steps, as they came. Sorts them. */
static void report_steps(const struct cvy_trace_model *m, struct cvy_trace_step *steps, size_t n,
                         size_t rows, FILE *out)
{
    size_t shown = n < rows ? n : rows;
    char a[16];

    if (n == 0) {
        return;
    }
    qsort(steps, n, sizeof(*steps), compare_steps);
    qsort(steps, shown, sizeof(*steps), compare_moments);
    (void)fprintf(out, "  its %zu longest steps of %zu, in their order:\n", shown, n);
    for (size_t i = 0; i < shown; i++) {
        const struct cvy_trace_segment *s = steps[i].segment;
        (void)fprintf(out, "  %-14s %9s at %.3f ms  task %" PRIu64 " %s\n",
                      cvy_trace_state(s->state, s->reason),
                      cvy_trace_duration(steps[i].end - steps[i].start, a),
                      (double)steps[i].start / MS, m->lives[s->task].id,
                      cvy_trace_name(m, s->task));
    }
}

bool cvy_trace_report_group(const struct cvy_trace_model *m, const char *name, size_t rows,
                            FILE *out)
{
    uint32_t group = cvy_trace_group_by_name(m, name);
    size_t n;
    bool is_cut;
    char a[16];
    char place[64];

    if (!group) {
        return false;
    }
    const struct cvy_trace_group *g = &m->groups[group];
    struct cvy_trace_step *steps = cvy_trace_critical_path(m, group, &n, &is_cut);
    struct cvy_trace_kind *kinds = malloc((n + 1) * sizeof(*kinds));
    (void)fprintf(out,
                  "\nCRITICAL PATH of the group opened at %s by task %" PRIu64 " %s: %" PRIu32
                  " tasks, %s from %.3f ms%s\n",
                  cvy_trace_place(m, g->site, place, sizeof(place)), m->lives[g->opener].id,
                  cvy_trace_name(m, g->opener), g->members, cvy_trace_duration(group_time(m, g), a),
                  (double)g->start / MS,
                  g->end >= 0 ? "" : "; it was still open: what its opener did until then");
    if (is_cut && n > 0) {
        (void)fprintf(out, "  CUT: it is too long; these are its last %zu steps, from %.3f ms\n", n,
                      (double)steps[n - 1].start / MS);
    }
    for (size_t i = 0; kinds && i < n; i++) {
        kinds[i] = cvy_trace_kind_of(steps[i].segment, steps[i].end - steps[i].start);
    }
    if (kinds) {
        (void)fprintf(out, "  %-14s %9s %9s %9s %9s  %s\n", "", "total", "times", "mean", "longest",
                      "task (started at)");
        cvy_trace_report_kinds(m, kinds, n, rows, out);
        report_steps(m, steps, n, rows, out);
    }
    free(kinds);
    free(steps);
    return true;
}
