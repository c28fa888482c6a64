/* SPDX-License-Identifier: MIT
 * profile.c - see profile.h. Sampling is as in Go: what is recorded is scaled to what there was. */
#include "sched/profile.h"

#include "base/alloc.h"
#include "os/file.h"

#include <covey/error.h>

#include <string.h>

#undef errno

#define TRIES_IN_SIGNAL 100

_Alignas(CVY_CACHE_LINE) _Atomic uint8_t cvy_profiles_on;

static struct record {
    struct cvy_lock lock; /* rank CVY_RANK_TRACE; guards the rest, but what is atomic */
    struct cvy_fold *fold;
    int64_t began_wall_ns, began_ns;
    int64_t ended_ns; /* 0: on */
    _Atomic int64_t rate, lost;
} records[CVY_PROFILES] = {
    [0 ... CVY_PROFILES - 1] = {.lock = CVY_LOCK_INIT(CVY_RANK_TRACE)},
};

/* One start or stop at a time. */
static pthread_mutex_t control = PTHREAD_MUTEX_INITIALIZER;

static void record_begin(struct record *r, struct cvy_fold *fold, int64_t rate)
{
    cvy_lock(&r->lock);
    if (!r->fold) {
        r->fold = fold;
    } else {
        cvy_fold_clear(r->fold);
    }
    r->began_wall_ns = cvy_wall_now();
    r->began_ns = cvy_clock_real();
    r->ended_ns = 0;
    cvy_store_relaxed(&r->rate, rate);
    cvy_store_relaxed(&r->lost, 0);
    cvy_unlock(&r->lock);
}

static int start_locked(enum cvy_profile kind, int64_t rate)
{
    struct record *r = &records[kind];
    uint8_t bit = (uint8_t)(1u << kind);

    if (cvy_profile_is_on(kind)) {
        return -EBUSY;
    }
    struct cvy_fold *fold = r->fold ? r->fold : cvy_fold_new();
    if (!fold) {
        return -ENOMEM;
    }
    record_begin(r, fold, rate);
    int code = kind == CVY_PROFILE_CPU ? cvy_profile_cpu_start(rate) : 0;
    if (code == 0) {
        (void)atomic_fetch_or_explicit(&cvy_profiles_on, bit, memory_order_relaxed);
    }
    return code;
}

int cvy_profile_start(enum cvy_profile kind, int64_t rate)
{
    (void)pthread_mutex_lock(&control);
    int code = start_locked(kind, rate);
    (void)pthread_mutex_unlock(&control);
    return code;
}

int cvy_profile_stop(enum cvy_profile kind)
{
    struct record *r = &records[kind];
    int code = -ENOENT;

    (void)pthread_mutex_lock(&control);
    if (cvy_profile_is_on(kind)) {
        code = 0;
        (void)atomic_fetch_and_explicit(&cvy_profiles_on, (uint8_t) ~(1u << kind),
                                        memory_order_relaxed);
        if (kind == CVY_PROFILE_CPU) {
            cvy_profile_cpu_stop();
        }
        cvy_lock(&r->lock);
        r->ended_ns = cvy_clock_real();
        cvy_unlock(&r->lock);
    }
    (void)pthread_mutex_unlock(&control);
    return code;
}

static void copy_locked(const struct record *r, struct cvy_profile_data *out)
{
    const struct cvy_fold *from = r->fold;

    out->fold->count = from->count;
    out->fold->others = from->others;
    out->fold->others_ns = from->others_ns;
    memcpy(out->fold->places, from->places, from->count * sizeof(from->places[0]));
    out->rate = cvy_load_relaxed(&r->rate);
    out->lost = cvy_load_relaxed(&r->lost);
    out->began_wall_ns = r->began_wall_ns;
    out->duration_ns = (r->ended_ns ? r->ended_ns : cvy_clock_real()) - r->began_ns;
}

int cvy_profile_copy(enum cvy_profile kind, struct cvy_profile_data *out)
{
    struct record *r = &records[kind];

    *out = (struct cvy_profile_data){.fold = cvy_fold_new()};
    if (!out->fold) {
        return -ENOMEM;
    }
    cvy_lock(&r->lock);
    bool was_started = r->fold != NULL;
    if (was_started) {
        copy_locked(r, out);
    }
    cvy_unlock(&r->lock);
    if (!was_started) {
        free(out->fold);
        out->fold = NULL;
    }
    return was_started ? 0 : -ENOENT;
}

/* ---- samples ---- */

/* Any thread's: they come seldom. */
static uint64_t draw(void)
{
    static _Atomic uint64_t drawn;
    uint64_t state = cvy_rand_seed(atomic_fetch_add_explicit(&drawn, 1, memory_order_relaxed));
    return cvy_rand_next(&state) >> 1;
}

struct sample {
    enum cvy_profile kind;
    struct cvy_thread *thread;
    enum cvy_reason reason;
    int64_t count, ns;
};

/* On a stack with room. */
static void record_sample(void *arg)
{
    const struct sample *s = arg;
    struct record *r = &records[s->kind];
    struct cvy_view v;

    cvy_view_take_running(s->thread, &v);
    cvy_view_take_own_stack(s->thread->task, &v);
    v.reason = s->reason;
    if (s->reason != CVY_WAIT_NONE) {
        v.state = CVY_TASK_WAITING;
    }
    cvy_lock(&r->lock);
    if (r->fold && !r->ended_ns) {
        cvy_fold_add(r->fold, &v, s->count, s->ns);
    }
    cvy_unlock(&r->lock);
}

void cvy_profile_wait(struct cvy_thread *th, enum cvy_reason reason, int64_t ns)
{
    int64_t rate = cvy_load_relaxed(&records[CVY_PROFILE_BLOCK].rate);
    struct sample s = {.kind = CVY_PROFILE_BLOCK, .thread = th, .reason = reason, .count = 1};

    /* A short wait counts with a probability of ns / rate, and then for a whole rate of its kind.
     */
    s.ns = ns > 0 ? ns : 1;
    if (s.ns < rate) {
        if ((int64_t)(draw() % (uint64_t)rate) >= s.ns) {
            return;
        }
        s.count = (rate + s.ns / 2) / s.ns;
        s.ns = rate;
    }
    cvy_on_base(record_sample, &s);
}

void cvy_profile_unlock(struct cvy_thread *th, int64_t waited_ns)
{
    int64_t rate = cvy_load_relaxed(&records[CVY_PROFILE_MUTEX].rate);
    struct sample s = {.kind = CVY_PROFILE_MUTEX, .thread = th, .count = rate};

    if (waited_ns > 0 && draw() % (uint64_t)rate == 0) {
        s.ns = waited_ns * rate;
        cvy_on_base(record_sample, &s);
    }
}

void cvy_profile_add_signal(const struct cvy_view *v, int64_t count)
{
    struct record *r = &records[CVY_PROFILE_CPU];

    /* Who holds it may be the thread that the signal has interrupted. */
    for (int i = 0; i < TRIES_IN_SIGNAL; i++) {
        if (cvy_lock_try(&r->lock)) {
            if (r->fold && !r->ended_ns) {
                int64_t period = COVEY_SEC / cvy_load_relaxed(&r->rate);
                cvy_fold_add(r->fold, v, count, count * period);
            }
            cvy_unlock(&r->lock);
            return;
        }
        cvy_cpu_relax();
    }
    (void)atomic_fetch_add_explicit(&r->lost, count, memory_order_relaxed);
}
