/* SPDX-License-Identifier: MIT
 * recording.c - covey/trace.h, and what the recorder must know of tasks and the environment. */
#include "sched/recording.h"

#include "base/alloc.h"
#include "sched/view.h"
#include "trace/emit.h"

#include <covey/error.h>
#include <covey/trace.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define MESSAGE_LEN_MAX 120

/* ---- switches ---- */

static_assert(CVY_TASK_UNTOLD == CVY_RING_WOKE, "the one becomes the other");

static inline uint32_t id_of(const struct cvy_task *t)
{
    return t ? (uint32_t)t->id : 0;
}

/* Its wake is, or needs not be, written any more. */
static void set_told(struct cvy_task *t)
{
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
}

void cvy_recording_settle_slow(struct cvy_worker *w, struct cvy_task *t)
{
    cvy_ring_put_late(w->ring, id_of(t), COVEY_TRACE_ready);
    set_told(t);
}

struct cvy_task *cvy_recording_pass_over(struct cvy_worker *w, struct cvy_task *queued)
{
    cvy_recording_settle(w);
    return queued;
}

void cvy_recording_ready(struct cvy_worker *w, struct cvy_task *t)
{
    cvy_trace_put(w ? w->ring : NULL, id_of(t), COVEY_TRACE_ready);
    set_told(t);
}

/* Before the base runs: the wakes that are not written, by who still runs. */
static void settle_all(struct cvy_thread *th)
{
    if (th->base_next && cvy_recording_is_untold(th->base_next)) {
        cvy_recording_settle_slow(th->worker, th->base_next);
    }
    cvy_recording_settle(th->worker);
}

void cvy_recording_switch_slow(struct cvy_thread *th, struct cvy_task *next, uint64_t what)
{
    if (!th->worker) {
        /* It comes late: not into the ring of the worker that it had. */
        cvy_trace_put(NULL, id_of(th->task), what);
        return;
    }
    if (!next) {
        settle_all(th);
    } else if (cvy_recording_is_untold(next)) {
        what |= CVY_RING_WOKE;
    }
    cvy_trace_put(th->worker->ring, id_of(next), what);
}

void cvy_recording_run(struct cvy_thread *th, const struct cvy_task *t)
{
    cvy_trace_put(cvy_ring_of(th), id_of(t), COVEY_TRACE_run);
}

void cvy_recording_new_slow(struct cvy_thread *th, uint32_t id, uint64_t site, uint64_t group)
{
    cvy_trace_put_new(cvy_ring_of(th), id, site, group);
}

void cvy_recording_leave(struct cvy_thread *th, const struct cvy_task *t, uint64_t end,
                         struct cvy_task *next)
{
    struct cvy_ring *r = th->worker->ring;
    bool was_woken = next && cvy_recording_is_untold(next);

    if (!next) {
        settle_all(th);
    }
    if (end == 0 && !CVY_TRACES_AT(CVY_LEVEL_FULL)) {
        cvy_trace_put_relay(r, id_of(t), id_of(next), was_woken);
        return;
    }
    if (was_woken) {
        cvy_ring_put_late(r, id_of(next), COVEY_TRACE_ready);
    }
    if (!(end & CVY_END_TOLD)) {
        cvy_trace_put(r, id_of(t), cvy_ring_what(COVEY_TRACE_end, 0, end));
    }
    cvy_trace_put(r, id_of(next), COVEY_TRACE_run);
}

void cvy_recording_look(struct cvy_runtime *rt)
{
    if (!cvy_trace_look()) {
        return;
    }
    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *w = &rt->workers[i];
        uint64_t now = cvy_cycles(); /* before the look: what is put there was woken later */
        if (!cvy_load_relaxed(&w->slot)) {
            cvy_store_relaxed(&w->ring->free_ticks, now);
        }
        cvy_ring_restamp(w->ring);
    }
}

/* ---- calls with files; libc's share of the stack is too much for a compact task ---- */

struct file_call {
    int (*fn)(const char *path);
    const char *path;
    int code;
};

static void file_call_run(void *arg)
{
    struct file_call *c = arg;
    c->code = c->fn(c->path);
}

static int on_base(int (*fn)(const char *path), const char *path)
{
    struct file_call c = {.fn = fn, .path = path};

    cvy_on_base(file_call_run, &c);
    return c.code < 0 ? cvy_fail(cvy_task_self(), c.code) : c.code;
}

/* The task that turns recording on has been running for a while. */
static void emit_running(void)
{
    struct cvy_thread *th = cvy_enter();

    if (th->worker && !th->task->is_foreign) {
        CVY_EMIT(cvy_ring_of(th), run, th->task->id, 0, 0);
    }
    cvy_leave(th);
}

static void tell_peers(void)
{
    if (cvy_peers_tell) {
        cvy_peers_tell();
    }
}

static int start(const char *path)
{
    int code = cvy_trace_start(path, cvy_recording_alive);

    if (code == 0) {
        tell_peers();
    }
    return code;
}

static int stop(const char *path)
{
    (void)path;
    return cvy_trace_stop();
}

static int snapshot(const char *path)
{
    tell_peers();
    return cvy_trace_snapshot(path, cvy_recording_alive, true);
}

static int fire(const char *path)
{
    (void)path;
    tell_peers();
    cvy_trace_watch_fire(cvy_recording_alive);
    return 0;
}

int covey_trace_start(const char *path)
{
    int code = on_base(start, path);

    if (code == 0) {
        emit_running();
    }
    return code;
}

int covey_trace_stop(void)
{
    return on_base(stop, NULL);
}

int covey_trace_snapshot(const char *path)
{
    return on_base(snapshot, path);
}

int covey_trace_flight_start(size_t bytes_per_worker)
{
    int code = cvy_trace_flight_start(bytes_per_worker);

    if (code == 0) {
        emit_running();
    }
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}

int covey_trace_flight_stop(void)
{
    int code = cvy_trace_flight_stop();
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}

int covey_trace_on_slow(int64_t bound_ns, const char *path)
{
    int code = bound_ns > 0 ? cvy_trace_watch(bound_ns, path) : -EINVAL;
    return code < 0 ? cvy_fail(cvy_task_self(), code) : 0;
}

int covey_trace_on_slow_end(void)
{
    int code = cvy_trace_unwatch();
    return code < 0 ? cvy_fail(cvy_task_self(), code) : code;
}

/* ---- fatal errors ---- */

static const char *_Atomic fatal_path; /* release, acquire */

void covey_trace_on_fatal(const char *path)
{
    cvy_store_release(&fatal_path, path);
}

void cvy_recording_fatal(void)
{
    const char *path = cvy_load_acquire(&fatal_path);

    if (!path) {
        return;
    }
    int code = cvy_trace_snapshot(path, cvy_recording_alive, false);
    if (code < 0) {
        (void)fprintf(stderr, "covey: no trace: %s: %s\n", path, covey_strerror(code));
    } else {
        (void)fprintf(stderr, "covey: the last events are in %s (covey trace %s)\n", path, path);
    }
}

/* ---- regions and logs ---- */

static void emit_site(uint8_t type, const covey_site *site)
{
    struct cvy_thread *th = cvy_enter();
    cvy_trace_put_exact(cvy_ring_of(th), id_of(th->task),
                        cvy_ring_what(type, 0, (uint64_t)(uintptr_t)site));
    cvy_leave(th);
}

covey_trace_region covey_trace_region_begin_at(const covey_site *site)
{
    covey_trace_region r = {.site = site};

    if (CVY_TRACES(region_begin)) {
        emit_site(COVEY_TRACE_region_begin, site);
        /* Reading the clock costs more than the event. */
        r.began_ns = cvy_trace_is_watched() ? cvy_clock_now() : 0;
    }
    return r;
}

void covey_trace_region_end(covey_trace_region *region)
{
    if (!CVY_TRACES(region_end)) {
        return;
    }
    emit_site(COVEY_TRACE_region_end, region->site);
    if (region->began_ns && cvy_trace_is_too_long(cvy_clock_now() - region->began_ns)) {
        (void)on_base(fire, NULL);
    }
}

void covey_trace_log_at(const covey_site *site, int64_t value)
{
    if (CVY_TRACES(log)) {
        struct cvy_thread *th = cvy_enter();
        cvy_trace_put_pair(cvy_ring_of(th), id_of(th->task),
                           cvy_ring_what(COVEY_TRACE_log, 0, (uint64_t)(uintptr_t)site),
                           (uint32_t)value,
                           cvy_ring_what(COVEY_TRACE_value, 0, (uint64_t)value >> 32));
        cvy_leave(th);
    }
}

void covey_trace_message(const char *text)
{
    if (CVY_TRACES(message)) {
        struct cvy_thread *th = cvy_enter();
        cvy_trace_put_text(cvy_ring_of(th), COVEY_TRACE_message, (uint32_t)th->task->id, text,
                           MESSAGE_LEN_MAX);
        cvy_leave(th);
    }
}

void cvy_recording_name(struct cvy_thread *th, const struct cvy_task *t)
{
    cvy_trace_put_text(cvy_ring_of(th), COVEY_TRACE_name, (uint32_t)t->id, t->name,
                       sizeof(t->name));
}

/* ---- the environment ---- */

/* "16M": bytes; 0: not a size. */
static size_t parse_size(const char *text)
{
    char *end = NULL;
    unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    unsigned shift = n == 0 ? 0 : *end == 'K' ? 10 : *end == 'M' ? 20 : 0;

    return n > 0 && end[shift > 0] == '\0' && n <= SIZE_MAX >> shift ? (size_t)n << shift : 0;
}

/* "flight" or "flight:16M". */
static int flight_from(const char *how)
{
    size_t size = how[0] ? parse_size(how + 1) : 0;

    return how[0] && size == 0 ? -EINVAL : cvy_trace_flight_start(size);
}

bool cvy_recording_from_environment(void)
{
    const char *how = getenv("COVEY_TRACE");
    bool is_file = true;
    int code;

    if (!how || !how[0]) {
        return false;
    }
    if (strncmp(how, "flight", 6) == 0 && (how[6] == '\0' || how[6] == ':')) {
        code = flight_from(how + 6);
        is_file = false;
    } else {
        code = cvy_trace_start(how, cvy_recording_alive);
    }
    if (code < 0 && code != -EBUSY) {
        (void)fprintf(stderr, "covey: COVEY_TRACE: %s: %s\n", how, covey_strerror(code));
    }
    return code == 0 && is_file;
}

void cvy_recording_close(void)
{
    int code = cvy_trace_stop();

    if (code < 0) {
        (void)fprintf(stderr, "covey: COVEY_TRACE: %s\n", covey_strerror(code));
    }
}
