/* SPDX-License-Identifier: MIT
 * trace_model.c - see trace_model.h. */
#include "tools/trace_model.h"

#include "tools/line.h"
#include "tools/trace_build.h"
#include "tools/trace_peers.h"

#include <stdlib.h>
#include <string.h>

/* All workers are known from here on. Who was in the queue may have run since, on one that was not:
 * what he does next tells. */
static void know_all(struct cvy_trace_model *m)
{
    for (uint32_t i = 1; i < m->life_count; i++) {
        struct cvy_trace_life *l = &m->lives[i];
        if (l->state == CVY_TRACE_QUEUED) {
            cvy_trace_enter(m, i, CVY_TRACE_WAITING, 0);
        }
        l->was_there_before = true;
        l->has_token = l->has_token && l->state == CVY_TRACE_RUNNING;
        l->expects_ready = false;
    }
    m->is_known = true;
}

/* What was counted up to here was earlier. */
static void trace_begins(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->trace->ring_count; i++) {
        struct cvy_trace_worker *w = &m->workers[i];
        w->switches = w->steals = w->stolen = w->idles = 0;
    }
    for (size_t i = 1; i < m->life_count; i++) {
        m->lives[i].was_there_before = true;
    }
    m->ran_at_once = 0;
    m->early = m->life_count;
    m->has_begun = true;
}

/* Of regions, logs and messages only those count that begin in the trace. */
static bool is_left_out(const struct cvy_trace_item *e)
{
    return e->is_early &&
           (e->type == COVEY_TRACE_region_begin || e->type == COVEY_TRACE_region_end ||
            e->type == COVEY_TRACE_log || e->type == COVEY_TRACE_message);
}

static bool see(const struct cvy_trace_item *e, void *arg)
{
    struct cvy_trace_model *m = arg;

    if (!m->is_known && !e->is_partial) {
        know_all(m);
    }
    if (!m->has_begun && !e->is_early) {
        trace_begins(m);
    }
    if (m->workers[e->ring].is_in_gap) {
        cvy_trace_gap_ends(m, e->ring, e->ns);
    }
    m->counts[e->type] += !e->is_early;
    m->end = e->ns > m->end ? e->ns : m->end;
    if (!is_left_out(e) && !cvy_trace_state_event(m, e)) {
        cvy_trace_note_event(m, e);
    }
    if (e->is_before_gap) {
        cvy_trace_gap_begins(m, e->ring, e->ns);
    }
    return !m->is_out_of_memory;
}

#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)

static void lives_before(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->trace->task_count && !m->is_out_of_memory; i++) {
        const covey_trace_task *t = &m->trace->tasks[i];
        uint32_t life = (uint32_t)t->id ? cvy_trace_life_add(m, t->id) : 0;
        if (life) {
            m->lives[life].site = t->site & ADDRESS_MASK;
            m->lives[life].listed_in = t->group & ADDRESS_MASK;
            m->lives[life].name = t->name[0] ? strdup(t->name) : NULL;
            if (m->lives[life].name) {
                cvy_line_make_printable(m->lives[life].name);
            }
            cvy_trace_enter(m, life, CVY_TRACE_WAITING, 0);
        }
    }
    m->listed = m->life_count;
}

static void groups_before(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->trace->group_count && !m->is_out_of_memory; i++) {
        const covey_trace_group *g = &m->trace->groups[i];
        (void)cvy_trace_group_add(
            m, &(struct cvy_trace_group){.object = g->address & ADDRESS_MASK,
                                         .site = g->site & ADDRESS_MASK,
                                         .opener = cvy_trace_life_find(m, (uint32_t)g->opener),
                                         .end = -1,
                                         .was_there_before = true});
    }
}

/* Those from the list of tasks alive whose start is not in the trace. */
static void join_listed(struct cvy_trace_model *m)
{
    for (size_t i = 1; i < m->life_count; i++) {
        struct cvy_trace_life *l = &m->lives[i];
        if (l->was_there_before && !l->group) {
            l->group = cvy_trace_group_of(m, l->listed_in);
            m->groups[l->group].members += l->group != 0;
        }
    }
}

/* The lists are of a trace's beginning, or of a snapshot's end. */
static void alive_before(struct cvy_trace_model *m)
{
    lives_before(m);
    groups_before(m);
    if (!m->trace->header.is_snapshot) {
        join_listed(m);
    }
}

/* Who is known from early events alone, and is not in the list, had ended before the trace began.
 */
static bool has_ended_unseen(const struct cvy_trace_model *m, size_t life)
{
    const struct cvy_trace_life *l = &m->lives[life];

    return life >= m->listed && life < m->early && l->since == 0 && l->end < 0 &&
           (l->state == CVY_TRACE_WAITING || l->state == CVY_TRACE_QUEUED);
}

/* Up to when it was recorded nothing happened any more. */
static void trace_ends(struct cvy_trace_model *m)
{
    int64_t last = m->end;
    int64_t recorded = cvy_trace_recorded(m->trace);

    if (!m->has_begun) {
        trace_begins(m);
    }
    m->end = recorded > last ? recorded : last;
    for (uint32_t i = 1; i < m->life_count; i++) {
        if (has_ended_unseen(m, i)) {
            m->lives[i].state = 0;
            m->lives[i].end = 0;
        }
        m->over += m->lives[i].end == 0;
        /* One that has ended may still run, but no longer than is told. */
        (void)cvy_trace_leave(m, i, m->lives[i].end < 0 ? m->end : last);
    }
}

/* Brings the segments of each task together; they are in order of time already. */
static void sort_segments(struct cvy_trace_model *m)
{
    struct cvy_trace_segment *sorted = malloc((m->segment_count + 1) * sizeof(*sorted));

    if (!sorted) {
        m->is_out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        m->lives[m->segments[i].task].count++;
    }
    size_t at = 0;
    for (size_t i = 0; i < m->life_count; i++) {
        m->lives[i].first = at;
        at += m->lives[i].count;
        m->lives[i].count = 0;
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        struct cvy_trace_life *l = &m->lives[m->segments[i].task];
        sorted[l->first + l->count++] = m->segments[i];
    }
    free(m->segments);
    m->segments = sorted;
}

static int compare_regions(const void *a, const void *b)
{
    const struct cvy_trace_region *x = a;
    const struct cvy_trace_region *y = b;

    if (x->task != y->task) {
        return x->task < y->task ? -1 : 1;
    }
    return (x->start > y->start) - (x->start < y->start);
}

static void sort_regions(struct cvy_trace_model *m)
{
    if (m->region_count > 0) {
        qsort(m->regions, m->region_count, sizeof(*m->regions), compare_regions);
    }
}

static void add_up(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct cvy_trace_segment *s = &m->segments[i];
        struct cvy_trace_life *l = &m->lives[s->task];
        int64_t took = s->end - s->start;
        if (s->state == CVY_TRACE_RUNNING) {
            l->running = cvy_trace_sum(l->running, took);
            m->workers[s->worker].running = cvy_trace_sum(m->workers[s->worker].running, took);
        } else if (s->state == CVY_TRACE_QUEUED) {
            l->queued = cvy_trace_sum(l->queued, took);
        } else if (s->state == CVY_TRACE_WAITING) {
            l->waiting = cvy_trace_sum(l->waiting, took);
        }
    }
    for (size_t i = 1; i < m->life_count; i++) {
        struct cvy_trace_group *g = &m->groups[m->lives[i].group];
        g->running = cvy_trace_sum(g->running, m->lives[i].running);
        g->queued = cvy_trace_sum(g->queued, m->lives[i].queued);
        g->waiting = cvy_trace_sum(g->waiting, m->lives[i].waiting);
    }
}

struct cvy_trace_model *cvy_trace_model_new(const struct cvy_trace *t)
{
    struct cvy_trace_model *m = calloc(1, sizeof(*m));

    if (!m) {
        return NULL;
    }
    m->trace = t;
    m->workers = calloc(t->ring_count, sizeof(*m->workers));
    if (!m->workers || !cvy_trace_grow(m, &m->lives, 0, &m->life_room, sizeof(*m->lives)) ||
        !cvy_trace_grow(m, &m->groups, 0, &m->group_room, sizeof(*m->groups))) {
        cvy_trace_model_free(m);
        return NULL;
    }
    m->lives[m->life_count++] = (struct cvy_trace_life){0};
    m->groups[m->group_count++] = (struct cvy_trace_group){.end = -1};
    alive_before(m);
    if (cvy_trace_each(t, see, m) < 0) {
        m->is_out_of_memory = true;
    }
    cvy_trace_texts_end(m);
    trace_ends(m);
    if (t->header.is_snapshot) {
        join_listed(m);
    }
    if (!m->is_out_of_memory) {
        sort_segments(m);
        sort_regions(m);
        cvy_trace_peers_sort(m);
    }
    if (m->is_out_of_memory) {
        cvy_trace_model_free(m);
        return NULL;
    }
    add_up(m);
    return m;
}

void cvy_trace_model_free(struct cvy_trace_model *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->life_count; i++) {
        free(m->lives[i].name);
    }
    for (size_t i = 0; i < m->mark_count; i++) {
        free(m->marks[i].text);
    }
    for (size_t i = 0; i < m->peer_count; i++) {
        free(m->peers[i].text);
    }
    free(m->peers);
    free(m->lives);
    free(m->segments);
    free(m->groups);
    free(m->regions);
    free(m->marks);
    free(m->workers);
    free(m->by_id);
    free(m->by_object);
    free(m);
}
