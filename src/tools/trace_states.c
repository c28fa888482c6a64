/* SPDX-License-Identifier: MIT
 * trace_states.c - what tasks do, from events: they run, wait, are woken. See trace_build.h.
 *
 * A wake may be seen before the park that it ends, in the program, when it comes before the task is
 * off its stack (a token then stands for it). And in a snapshot events of two workers may come in
 * the wrong order, as a stamp is shared until the watchdog asks for a new one: a task runs before
 * it was woken (the wake that is still expected only adds who it was), before it has left the
 * worker that it had (that one's word on it comes too late), or before it was started. */
#include "tools/trace_build.h"

#define SHARED_NS 5000000 /* no stamp is shared for longer */
#define STALE_NS 1000000  /* mostly not even for so long */

/* A task that runs or has ended may have run before, where events are missing, if it was in the
 * queue then. */
static bool is_queued_in_gap(const struct cvy_trace_model *m, const struct cvy_trace_life *l)
{
    return l->state == CVY_TRACE_QUEUED && (m->rings_in_gap > 0 || l->since < m->last_gap_end);
}

size_t cvy_trace_leave(struct cvy_trace_model *m, uint32_t life, int64_t now)
{
    struct cvy_trace_life *l = &m->lives[life];

    if (l->state == 0 || now <= l->since || is_queued_in_gap(m, l) ||
        !cvy_trace_grow(m, &m->segments, m->segment_count, &m->segment_room,
                        sizeof(*m->segments))) {
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

void cvy_trace_enter(struct cvy_trace_model *m, uint32_t life, uint8_t state, int64_t now)
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
        (void)cvy_trace_leave(m, life, now);
        cvy_trace_enter(m, life, state, now);
    }
}

/* The worker goes on without a word on its task, which has ended; or it held its thread, and the
 * worker was given another one. */
static void lose(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    move_to(m, w->current, m->lives[w->current].end < 0 ? CVY_TRACE_ASTRAY : 0, now);
    w->current = 0;
}

/* Nothing was recorded for a while: until when its task ran, nobody knows. */
static void forget_current(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    if (w->current) {
        cvy_trace_enter(m, w->current, 0, now);
        w->current = 0;
    }
}

void cvy_trace_gap_begins(struct cvy_trace_model *m, size_t ring, int64_t now)
{
    struct cvy_trace_worker *w = &m->workers[ring];

    move_to(m, w->current, 0, now);
    w->current = 0;
    w->pending = 0; /* the rest of a text may be missing */
    w->is_in_gap = true;
    w->gap_start = now;
    m->rings_in_gap++;
}

void cvy_trace_gap_ends(struct cvy_trace_model *m, size_t ring, int64_t now)
{
    struct cvy_trace_worker *w = &m->workers[ring];

    w->is_in_gap = false;
    w->unknown = cvy_trace_sum(w->unknown, now - w->gap_start);
    m->rings_in_gap--;
    m->last_gap_end = now;
}

/* One of those alive at the beginning, of which nothing was said since. */
static bool is_unseen(const struct cvy_trace_life *l)
{
    return l->was_there_before && l->since == 0 && l->reason == 0 &&
           (l->state == CVY_TRACE_WAITING || l->state == 0);
}

/* If it runs or ends, it did not wait but run. */
static void forget_if_unseen(struct cvy_trace_life *l)
{
    if (is_unseen(l)) {
        l->state = 0;
    }
}

/* The task runs elsewhere. */
static void take_from_worker(struct cvy_trace_model *m, uint32_t life)
{
    struct cvy_trace_life *l = &m->lives[life];
    struct cvy_trace_worker *w = &m->workers[l->worker];

    if (l->state == CVY_TRACE_RUNNING && w->current == life) {
        w->current = 0;
        l->has_token = false;
    }
}

/* The task runs on the worker from now on. */
static void run(struct cvy_trace_model *m, size_t ring, uint32_t id, int64_t now)
{
    struct cvy_trace_worker *w = &m->workers[ring];
    uint32_t life = cvy_trace_life_of(m, id);

    w->is_after_deadline = false;
    if (life == w->current) {
        return;
    }
    lose(m, w, now);
    if (!life) {
        return;
    }
    take_from_worker(m, life);
    w->current = life;
    struct cvy_trace_life *l = &m->lives[life];
    l->expects_ready = l->state == CVY_TRACE_WAITING;
    forget_if_unseen(l);
    if (is_queued_in_gap(m, l)) {
        l->state = 0;
    }
    size_t segment = cvy_trace_leave(m, life, now);
    l = &m->lives[life];
    if (l->state == CVY_TRACE_WAITING) {
        l->last_wait = segment;
        if (segment && l->announced != CVY_TRACE_BY_TASK) {
            m->segments[segment - 1].by = l->announced;
        }
    }
    m->ran_at_once += l->state == CVY_TRACE_QUEUED && !segment;
    l->announced = CVY_TRACE_BY_TASK;
    cvy_trace_enter(m, life, CVY_TRACE_RUNNING, now);
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
    uint32_t life = cvy_trace_life_of(m, e->id);

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
    } else if (l->expects_ready && e->ns - l->since < SHARED_NS) {
        l->expects_ready = false;
        if (l->last_wait && by != CVY_TRACE_BY_OTHER) {
            m->segments[l->last_wait - 1].waker = waker;
            m->segments[l->last_wait - 1].by = by;
        }
    } else if (l->state == CVY_TRACE_RUNNING) {
        l->has_token = true;
    } else if (l->state == 0) {
        cvy_trace_enter(m, life, CVY_TRACE_QUEUED, e->ns);
    }
}

static void announce(struct cvy_trace_model *m, uint32_t id, uint8_t by)
{
    uint32_t life = cvy_trace_life_of(m, id); /* moves the lives, if it is a new one */

    m->lives[life].announced = by;
}

/* Of one from the list of those alive, or that was seen to run before. Numbers come again, but not
 * soon. */
static bool is_start_of(const struct cvy_trace_life *l, int64_t now)
{
    return l->was_there_before && (l->end < 0 || now - l->end < SHARED_NS);
}

static void started(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    struct cvy_trace_worker *w = &m->workers[e->ring];
    uint32_t life = cvy_trace_life_find(m, e->id);

    if (!life || !is_start_of(&m->lives[life], e->ns)) {
        life = e->id ? cvy_trace_life_add(m, e->id) : 0;
    }
    if (!life) {
        return;
    }
    struct cvy_trace_life *l = &m->lives[life];
    bool has_run = l->was_there_before && !is_unseen(l);
    l->was_there_before = false;
    m->groups[l->group].members -= l->group != 0;
    l->site = e->object;
    l->start = has_run && l->since < e->ns ? l->since : e->ns;
    l->creator = w->current;
    l->group = cvy_trace_group_of(m, w->group_of_new);
    if (l->group) {
        m->groups[l->group].members++;
    }
    if (has_run) {
        return;
    }
    cvy_trace_enter(m, life, CVY_TRACE_QUEUED, e->ns);
    l->waker = w->current;
    l->by = w->current ? CVY_TRACE_BY_TASK : CVY_TRACE_BY_OTHER;
}

static void ended(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    uint32_t life = cvy_trace_life_of(m, e->id);

    if (!life) {
        return;
    }
    /* It runs on until the next one does: it still has to tell its owner, and wakes who joins. */
    if (m->workers[e->ring].current != life) {
        forget_if_unseen(&m->lives[life]);
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

static void idle(struct cvy_trace_model *m, struct cvy_trace_worker *w, int64_t now)
{
    w->idles++;
    lose(m, w, now);
}

bool cvy_trace_state_event(struct cvy_trace_model *m, const struct cvy_trace_item *e)
{
    switch (e->type) {
    case COVEY_TRACE_run:
        if (e->id == 0 && e->arg == COVEY_TRACE_RUN_UNKNOWN) {
            forget_current(m, &m->workers[e->ring], e->ns);
        }
        run(m, e->ring, e->id, e->ns);
        return true;
    case COVEY_TRACE_park:
        stop(m, e->ring, CVY_TRACE_WAITING, e);
        run(m, e->ring, e->id, e->ns);
        return true;
    case COVEY_TRACE_yield:
        stop(m, e->ring, CVY_TRACE_QUEUED, e);
        run(m, e->ring, e->id, e->ns);
        return true;
    case COVEY_TRACE_end:
        ended(m, e);
        return true;
    case COVEY_TRACE_ready:
        ready(m, e);
        return true;
    case COVEY_TRACE_new:
        started(m, e);
        return true;
    case COVEY_TRACE_idle:
        idle(m, &m->workers[e->ring], e->ns);
        return true;
    case COVEY_TRACE_takeover:
        taken_over(m, e);
        return true;
    case COVEY_TRACE_return:
        move_to(m, cvy_trace_life_of(m, e->id), CVY_TRACE_QUEUED, e->ns);
        return true;
    case COVEY_TRACE_timer:
        announce(m, e->id, CVY_TRACE_BY_TIMER);
        return true;
    case COVEY_TRACE_io:
        announce(m, e->id, CVY_TRACE_BY_IO);
        return true;
    case COVEY_TRACE_blocking_end:
        announce(m, e->id, CVY_TRACE_BY_CALL);
        return true;
    case COVEY_TRACE_cancel:
        /* By a task's hand it has a cause, or a task that runs. */
        m->workers[e->ring].is_after_deadline = !m->workers[e->ring].current && e->id == 0;
        return true;
    default:
        return false;
    }
}
