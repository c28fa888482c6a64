/* SPDX-License-Identifier: MIT
 * trace_model.c - see trace_model.h.
 *
 * A wake may be seen before the park that it ends: in the program, when it comes before the task is
 * off its stack (a token then stands for it), and in the trace, when two workers' stamps differ by
 * less than their precision (the task runs; the wake that is still expected only adds who it was).
 */
#include "tools/trace_model.h"

#include "tools/grow.h"
#include "tools/line.h"
#include "tools/trace_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN_MAX 160
#define REGION_SEARCH_MAX 4096
#define STALE_NS 1000000

/* Room for one more behind the pointer at items; indices have 32 bits. */
static bool grow(struct cvy_trace_model *m, void *items, size_t count, size_t *room, size_t size)
{
    bool fits =
        count < *room || (*room <= UINT32_MAX / 2 && cvy_tools_grow(items, count, room, size));

    m->is_out_of_memory |= !fits;
    return fits;
}

/* ---- two hash tables: tasks by the low half of their id, open groups by address ---- */

static size_t hash(uint64_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static uint32_t key_of_life(const struct cvy_trace_model *m, uint32_t i)
{
    return (uint32_t)m->lives[i].id;
}

/* The slot of id, or the free one where it belongs. */
static uint32_t *life_slot(const struct cvy_trace_model *m, uint32_t id)
{
    size_t i = hash(id) & (m->by_id_room - 1);
    while (m->by_id[i] != 0 && key_of_life(m, m->by_id[i]) != id) {
        i = (i + 1) & (m->by_id_room - 1);
    }
    return &m->by_id[i];
}

static uint32_t *group_slot(const struct cvy_trace_model *m, uint64_t object)
{
    size_t i = hash(object) & (m->by_object_room - 1);
    while (m->by_object[i] != 0 && m->groups[m->by_object[i]].object != object) {
        i = (i + 1) & (m->by_object_room - 1);
    }
    return &m->by_object[i];
}

/* A table of twice the room, at most half full. */
static bool table_grow(struct cvy_trace_model *m, uint32_t **table, size_t count, size_t *room,
                       uint32_t *(*slot)(const struct cvy_trace_model *m, uint64_t key),
                       uint64_t (*key)(const struct cvy_trace_model *m, uint32_t i))
{
    if (*room > 0 && count * 2 < *room) {
        return true;
    }
    uint32_t *old = *table;
    size_t old_room = *room;
    size_t larger = old_room ? old_room * 2 : 256;
    uint32_t *fresh = calloc(larger, sizeof(*fresh));
    if (!fresh) {
        m->is_out_of_memory = true;
        return false;
    }
    *table = fresh;
    *room = larger;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i] != 0) {
            *slot(m, key(m, old[i])) = old[i];
        }
    }
    free(old);
    return true;
}

static uint32_t *life_slot_by_key(const struct cvy_trace_model *m, uint64_t key)
{
    return life_slot(m, (uint32_t)key);
}

static uint64_t life_key(const struct cvy_trace_model *m, uint32_t i)
{
    return key_of_life(m, i);
}

static uint64_t group_key(const struct cvy_trace_model *m, uint32_t i)
{
    return m->groups[i].object;
}

/* A new life under that id, which it takes over from an earlier one. 0: out of memory. */
static uint32_t life_add(struct cvy_trace_model *m, uint64_t id)
{
    if (!grow(m, &m->lives, m->life_count, &m->life_room, sizeof(*m->lives)) ||
        !table_grow(m, &m->by_id, m->by_id_count, &m->by_id_room, life_slot_by_key, life_key)) {
        return 0;
    }
    uint32_t i = (uint32_t)m->life_count++;
    m->lives[i] = (struct cvy_trace_life){.id = id, .end = -1, .was_there_before = true};
    uint32_t *slot = life_slot(m, (uint32_t)id);
    m->by_id_count += *slot == 0;
    *slot = i;
    return i;
}

/* The life of id, which may be seen for the first time; 0 for 0. */
static uint32_t life_of(struct cvy_trace_model *m, uint32_t id)
{
    if (id == 0 || m->is_out_of_memory) {
        return 0;
    }
    uint32_t i = m->by_id_room ? *life_slot(m, id) : 0;
    return i != 0 ? i : life_add(m, id);
}

static uint32_t group_of(const struct cvy_trace_model *m, uint64_t object)
{
    return m->by_object_room && object ? *group_slot(m, object) : 0;
}

/* ---- states ---- */

/* Ends the state that a task is in; the index + 1 of the segment it leaves, or 0. */
static size_t leave(struct cvy_trace_model *m, uint32_t life, int64_t now)
{
    struct cvy_trace_life *l = &m->lives[life];

    if (l->state == 0 || now <= l->since ||
        !grow(m, &m->segments, m->segment_count, &m->segment_room, sizeof(*m->segments))) {
        return 0;
    }
    m->segments[m->segment_count++] = (struct cvy_trace_segment){.start = l->since,
                                                                 .end = now,
                                                                 .object = l->object,
                                                                 .task = life,
                                                                 .waker = l->waker,
                                                                 .worker = l->worker,
                                                                 .state = l->state,
                                                                 .reason = l->reason,
                                                                 .by = l->by};
    return m->segment_count;
}

static void enter(struct cvy_trace_model *m, uint32_t life, uint8_t state, int64_t now)
{
    struct cvy_trace_life *l = &m->lives[life];

    l->state = state;
    l->since = now;
    l->object = 0;
    l->reason = 0;
    l->waker = 0;
    l->by = CVY_TRACE_BY_OTHER;
}

static void move_to(struct cvy_trace_model *m, uint32_t life, uint8_t state, int64_t now)
{
    if (life) {
        (void)leave(m, life, now);
        enter(m, life, state, now);
    }
}

/* The worker goes on without a word on its task, which has ended; or it held its thread, and the
 * worker was given another one. */
static void lose(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    move_to(m, w->current, m->lives[w->current].end < 0 ? CVY_TRACE_ASTRAY : 0, now);
    w->current = 0;
}

/* Events are missing: nobody knows what becomes of the worker's task. */
static void gap_begins(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    move_to(m, w->current, 0, now);
    w->current = 0;
    w->is_in_gap = true;
    w->gap_start = now;
    m->rings_in_gap++;
}

static void gap_ends(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    w->is_in_gap = false;
    w->unknown = cvy_trace_sum(w->unknown, now - w->gap_start);
    m->rings_in_gap--;
    m->last_gap_end = now;
}

/* A task that runs may have run before, where events are missing, if it was in the queue then. */
static bool is_queued_in_gap(const struct cvy_trace_model *m, const struct cvy_trace_life *l)
{
    return l->state == CVY_TRACE_QUEUED && (m->rings_in_gap > 0 || l->since < m->last_gap_end);
}

/* The task runs on the worker from now on. */
static void run(struct cvy_trace_model *m, size_t ring, uint32_t id, int64_t now)
{
    struct cvy_trace_worker *w = &m->workers[ring];
    uint32_t life = life_of(m, id);

    w->is_after_deadline = false;
    if (life == w->current) {
        return;
    }
    lose(m, w, now);
    w->current = life;
    if (!life) {
        return;
    }
    struct cvy_trace_life *l = &m->lives[life];
    if (l->was_there_before && l->since == 0 && l->reason == 0) {
        /* One of those alive at the beginning; it did not wait but run. */
        l->state = 0;
    }
    if (is_queued_in_gap(m, l)) {
        l->state = 0;
    }
    l->expects_ready = l->state == CVY_TRACE_WAITING;
    size_t segment = leave(m, life, now);
    l = &m->lives[life];
    if (l->state == CVY_TRACE_WAITING) {
        l->last_wait = segment;
        if (segment && l->announced != CVY_TRACE_BY_TASK) {
            m->segments[segment - 1].by = l->announced;
        }
    }
    m->ran_at_once += l->state == CVY_TRACE_QUEUED && !segment;
    l->announced = CVY_TRACE_BY_TASK;
    enter(m, life, CVY_TRACE_RUNNING, now);
    m->lives[life].worker = (uint16_t)ring;
    w->switches++;
}

/* The worker's task leaves it. */
static void stop(struct cvy_trace_model *m, size_t ring, uint8_t state,
                 const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[ring];
    uint32_t life = w->current;

    w->current = 0;
    if (!life) {
        return;
    }
    struct cvy_trace_life *l = &m->lives[life];
    if (state == CVY_TRACE_WAITING && l->has_token) {
        l->has_token = false;
        state = CVY_TRACE_QUEUED;
    }
    move_to(m, life, state, e->ns);
    l = &m->lives[life];
    if (state == CVY_TRACE_WAITING) {
        l->reason = e->arg;
        l->object = e->object;
    }
}

/* Whoever polls says of each task in a batch what has woken it, and then wakes them all. */
static uint8_t who_wakes(const struct cvy_trace_worker *w, struct cvy_trace_life *l)
{
    uint8_t by = l->announced;

    l->announced = CVY_TRACE_BY_TASK;
    if (by != CVY_TRACE_BY_TASK || w->current) {
        return by;
    }
    return w->is_after_deadline ? CVY_TRACE_BY_DEADLINE : CVY_TRACE_BY_OTHER;
}

static void ready(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    uint32_t life = life_of(m, e->id);

    if (!life) {
        return;
    }
    struct cvy_trace_life *l = &m->lives[life];
    uint8_t by = who_wakes(w, l);
    uint32_t waker = by == CVY_TRACE_BY_TASK ? w->current : 0;
    if (l->state == CVY_TRACE_WAITING) {
        l->waker = waker;
        l->by = by;
        move_to(m, life, CVY_TRACE_QUEUED, e->ns);
    } else if (l->expects_ready) {
        l->expects_ready = false;
        if (l->last_wait && by != CVY_TRACE_BY_OTHER) {
            m->segments[l->last_wait - 1].waker = waker;
            m->segments[l->last_wait - 1].by = by;
        }
    } else if (l->state == CVY_TRACE_RUNNING) {
        l->has_token = true;
    } else if (l->state == 0) {
        enter(m, life, CVY_TRACE_QUEUED, e->ns);
    }
}

static void started(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    uint32_t life = m->by_id_room ? *life_slot(m, e->id) : 0;

    /* One from the list of those alive is this one. */
    if (!life || !m->lives[life].was_there_before || m->lives[life].state != CVY_TRACE_WAITING ||
        m->lives[life].since != 0) {
        life = e->id ? life_add(m, e->id) : 0;
    }
    if (!life) {
        return;
    }
    struct cvy_trace_life *l = &m->lives[life];
    l->was_there_before = false;
    l->site = e->object;
    l->start = e->ns;
    l->creator = w->current;
    l->group = group_of(m, w->group_of_new);
    if (l->group) {
        m->groups[l->group].members++;
    }
    enter(m, life, CVY_TRACE_QUEUED, e->ns);
    l->waker = w->current;
    l->by = w->current ? CVY_TRACE_BY_TASK : CVY_TRACE_BY_OTHER;
}

static void ended(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t life = life_of(m, e->id);

    if (!life) {
        return;
    }
    /* It runs on until the next one does: it still has to tell its owner, and wakes who joins. */
    if (m->workers[e->ring].current != life) {
        move_to(m, life, 0, e->ns);
    }
    m->lives[life].end = e->ns;
    m->lives[life].code = (int32_t)(uint32_t)e->object;
}

/* A worker goes on with another thread; its task keeps the one that it has. In a snapshot the
 * worker's next task may seem to run before that, but not for long. */
static void taken_over(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    size_t i = 0;

    while (i < m->trace->ring_count && m->trace->rings[i].number != e->id) {
        i++;
    }
    uint32_t life = i < m->trace->ring_count ? m->workers[i].current : 0;
    if (life && !(m->trace->header.is_snapshot && e->ns - m->lives[life].since < STALE_NS)) {
        move_to(m, life, CVY_TRACE_ASTRAY, e->ns);
        m->workers[i].current = 0;
    }
}

/* ---- what is not a change of state ---- */

static void group_opened(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t opener = life_of(m, e->id);

    if (!grow(m, &m->groups, m->group_count, &m->group_room, sizeof(*m->groups)) ||
        !table_grow(m, &m->by_object, m->by_object_count, &m->by_object_room, group_slot,
                    group_key)) {
        return;
    }
    uint32_t i = (uint32_t)m->group_count++;
    m->groups[i] =
        (struct cvy_trace_group){.object = e->object, .opener = opener, .start = e->ns, .end = -1};
    uint32_t *slot = group_slot(m, e->object);
    m->by_object_count += *slot == 0;
    *slot = i;
    m->workers[e->ring].pending = COVEY_TRACE_group_open;
    m->workers[e->ring].pending_index = i;
}

static void group_joined(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t g = group_of(m, e->object);

    if (g) {
        /* A later group at this address takes the slot over. */
        m->groups[g].end = e->ns;
    }
}

static void mark(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    if (grow(m, &m->marks, m->mark_count, &m->mark_room, sizeof(*m->marks))) {
        m->workers[e->ring].pending = e->type;
        m->workers[e->ring].pending_index = (uint32_t)m->mark_count;
        m->marks[m->mark_count++] =
            (struct cvy_trace_mark){.task = life_of(m, e->id),
                                    .at = e->ns,
                                    .site = e->type == COVEY_TRACE_log ? e->object : 0};
    }
}

static void text(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    char **at = NULL;
    char part[11] = {0};
    size_t n = e->arg & 0x7F;

    if (w->pending == COVEY_TRACE_name) {
        at = &m->lives[w->pending_index].name;
    } else if (w->pending == COVEY_TRACE_message) {
        at = &m->marks[w->pending_index].text;
    } else if (w->pending == COVEY_TRACE_peer) {
        at = &m->peers[w->pending_index].text;
    } else {
        return;
    }
    memcpy(part, &e->id, 4);
    memcpy(part + 4, &e->object, 6);
    part[n < 10 ? n : 10] = '\0';
    if (w->pending != COVEY_TRACE_message) {
        cvy_line_make_printable(part);
    }
    size_t len = *at ? strlen(*at) : 0;
    if (len < TEXT_LEN_MAX) {
        char *longer = realloc(*at, len + sizeof(part));
        if (!longer) {
            m->is_out_of_memory = true;
            return;
        }
        memcpy(longer + len, part, sizeof(part));
        *at = longer;
    }
    if (e->arg & 0x80) {
        w->pending = 0;
    }
}

static void peer(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];

    w->pending = 0;
    if (grow(m, &m->peers, m->peer_count, &m->peer_room, sizeof(*m->peers))) {
        w->pending = COVEY_TRACE_peer;
        w->pending_index = (uint32_t)m->peer_count;
        m->peers[m->peer_count++] = (struct cvy_trace_peer){.object = e->id, .at = e->ns};
    }
}

static void region_began(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    if (grow(m, &m->regions, m->region_count, &m->region_room, sizeof(*m->regions)) &&
        grow(m, &m->open_regions, m->open_region_count, &m->open_region_room,
             sizeof(*m->open_regions))) {
        m->open_regions[m->open_region_count++] = m->region_count;
        m->regions[m->region_count++] = (struct cvy_trace_region){
            .task = life_of(m, e->id), .site = e->object, .start = e->ns, .end = -1};
    }
}

static void region_ended(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t task = life_of(m, e->id);

    for (size_t i = m->open_region_count, n = 0; i-- > 0 && n < REGION_SEARCH_MAX; n++) {
        struct cvy_trace_region *r = &m->regions[m->open_regions[i]];
        if (r->task == task && r->site == e->object) {
            r->end = e->ns;
            m->open_region_count--;
            memmove(&m->open_regions[i], &m->open_regions[i + 1],
                    (m->open_region_count - i) * sizeof(*m->open_regions));
            return;
        }
    }
}

static void announce(struct cvy_trace_model *m, uint32_t id, uint8_t by)
{
    uint32_t life = life_of(m, id); /* moves the lives, if it is a new one */

    m->lives[life].announced = by;
}

static void misc(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];

    switch (e->type) {
    case COVEY_TRACE_group:
        w->group_of_new = e->object;
        break;
    case COVEY_TRACE_name:
        w->pending_index = life_of(m, e->id);
        w->pending = w->pending_index ? COVEY_TRACE_name : 0;
        if (w->pending_index) {
            free(m->lives[w->pending_index].name);
            m->lives[w->pending_index].name = NULL;
        }
        break;
    case COVEY_TRACE_peer:
        peer(m, e);
        break;
    case COVEY_TRACE_text:
        text(m, e);
        break;
    case COVEY_TRACE_steal:
        w->steals++;
        w->stolen += e->object;
        break;
    case COVEY_TRACE_timer:
        announce(m, e->id, CVY_TRACE_BY_TIMER);
        break;
    case COVEY_TRACE_io:
        announce(m, e->id, CVY_TRACE_BY_IO);
        break;
    case COVEY_TRACE_blocking_end:
        announce(m, e->id, CVY_TRACE_BY_CALL);
        break;
    case COVEY_TRACE_cancel:
        /* By a task's hand it has a cause, or a task that runs. */
        w->is_after_deadline = !w->current && e->id == 0;
        break;
    case COVEY_TRACE_site:
        if (w->pending == COVEY_TRACE_group_open) {
            m->groups[w->pending_index].site = e->object;
        }
        w->pending = 0;
        break;
    case COVEY_TRACE_value:
        if (w->pending == COVEY_TRACE_log) {
            m->marks[w->pending_index].value = (int64_t)(e->object << 32 | e->id);
        }
        w->pending = 0;
        break;
    default:
        break;
    }
}

static bool see(const struct cvy_trace_item *e, void *arg)
{
    struct cvy_trace_model *m = arg;
    struct cvy_trace_worker *w = &m->workers[e->ring];

    if (w->is_in_gap) {
        gap_ends(m, w, e->ns);
    }
    m->counts[e->type]++;
    m->end = e->ns > m->end ? e->ns : m->end;
    switch (e->type) {
    case COVEY_TRACE_run:
        run(m, e->ring, e->id, e->ns);
        break;
    case COVEY_TRACE_park:
        stop(m, e->ring, CVY_TRACE_WAITING, e);
        run(m, e->ring, e->id, e->ns);
        break;
    case COVEY_TRACE_yield:
        stop(m, e->ring, CVY_TRACE_QUEUED, e);
        run(m, e->ring, e->id, e->ns);
        break;
    case COVEY_TRACE_end:
        ended(m, e);
        break;
    case COVEY_TRACE_ready:
        ready(m, e);
        break;
    case COVEY_TRACE_new:
        started(m, e);
        break;
    case COVEY_TRACE_idle:
        w->idles++;
        lose(m, w, e->ns);
        break;
    case COVEY_TRACE_takeover:
        taken_over(m, e);
        break;
    case COVEY_TRACE_return:
        move_to(m, life_of(m, e->id), CVY_TRACE_QUEUED, e->ns);
        break;
    case COVEY_TRACE_group_open:
        group_opened(m, e);
        break;
    case COVEY_TRACE_group_join:
        group_joined(m, e);
        break;
    case COVEY_TRACE_log:
    case COVEY_TRACE_message:
        mark(m, e);
        break;
    case COVEY_TRACE_region_begin:
        region_began(m, e);
        break;
    case COVEY_TRACE_region_end:
        region_ended(m, e);
        break;
    default:
        misc(m, e);
        break;
    }
    if (e->is_before_gap) {
        gap_begins(m, w, e->ns);
    }
    return !m->is_out_of_memory;
}

/* ---- the whole ---- */

static void alive_before(struct cvy_trace_model *m)
{
    for (size_t i = 0; i < m->trace->task_count && !m->is_out_of_memory; i++) {
        const covey_trace_task *t = &m->trace->tasks[i];
        uint32_t life = (uint32_t)t->id ? life_add(m, t->id) : 0;
        if (life) {
            m->lives[life].site = t->site & ((UINT64_C(1) << 48) - 1);
            m->lives[life].name = t->name[0] ? strdup(t->name) : NULL;
            if (m->lives[life].name) {
                cvy_line_make_printable(m->lives[life].name);
            }
            enter(m, life, CVY_TRACE_WAITING, 0);
        }
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
    if (!m->workers || !grow(m, &m->lives, 0, &m->life_room, sizeof(*m->lives)) ||
        !grow(m, &m->groups, 0, &m->group_room, sizeof(*m->groups))) {
        cvy_trace_model_free(m);
        return NULL;
    }
    m->lives[m->life_count++] = (struct cvy_trace_life){0};
    m->groups[m->group_count++] = (struct cvy_trace_group){.end = -1};
    alive_before(m);
    if (cvy_trace_each(t, see, m) < 0) {
        m->is_out_of_memory = true;
    }
    for (uint32_t i = 1; i < m->life_count; i++) {
        (void)leave(m, i, m->end);
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
    free(m->open_regions);
    free(m);
}
