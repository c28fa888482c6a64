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

static inline uint64_t id_of(const struct cvy_task *t)
{
    return t ? t->id : 0;
}

void cvy_recording_settle_slow(struct cvy_worker *w)
{
    struct cvy_task *t = cvy_load_relaxed(&w->slot);

    cvy_ring_put_late(w->ring, COVEY_TRACE_ready, (uint32_t)t->id);
    w->told = t;
}

void cvy_recording_ready(struct cvy_worker *w, struct cvy_task *t)
{
    cvy_trace_put(w ? w->ring : NULL, COVEY_TRACE_ready, (uint32_t)t->id, 0, 0);
    if (w) {
        w->told = t;
    }
}

/* Before a switch to next is written: the wakes that are not, by who still runs. */
static void settle_switch(struct cvy_worker *w, struct cvy_task *next)
{
    if (next && w->slot_runs > 0 && next != w->told) {
        cvy_ring_put_late(w->ring, COVEY_TRACE_ready, (uint32_t)next->id);
    }
    cvy_recording_settle(w);
    if (next == w->told) {
        w->told = NULL;
    }
}

void cvy_recording_park_slow(struct cvy_thread *th, struct cvy_task *next)
{
    struct cvy_worker *w = th->worker;
    const struct cvy_task *t = th->task;

    settle_switch(w, next);
    cvy_trace_put_hot(w->ring, COVEY_TRACE_park, (uint32_t)id_of(next),
                      cvy_load_relaxed(&t->reason),
                      (uint64_t)(uintptr_t)cvy_load_relaxed(&t->wait_object));
}

void cvy_recording_run(struct cvy_thread *th, struct cvy_task *t)
{
    cvy_trace_put(cvy_ring_of(th), COVEY_TRACE_run, (uint32_t)t->id, 0, 0);
    if (th->worker->told == t) {
        th->worker->told = NULL;
    }
}

void cvy_recording_yield(struct cvy_thread *th, struct cvy_task *next)
{
    settle_switch(th->worker, next);
    cvy_trace_put_hot(th->worker->ring, COVEY_TRACE_yield, (uint32_t)id_of(next), 0, 0);
}

void cvy_recording_leave_slow(struct cvy_thread *th, const struct cvy_task *t, int code,
                              struct cvy_task *next)
{
    struct cvy_worker *w = th->worker;

    settle_switch(w, next);
    if (cvy_load_relaxed(&cvy_trace_level) < CVY_LEVEL_FULL) {
        cvy_trace_put(w->ring, COVEY_TRACE_end, (uint32_t)t->id, 0, (uint32_t)code);
    }
    cvy_trace_put(w->ring, COVEY_TRACE_run, (uint32_t)id_of(next), 0, 0);
}

void cvy_recording_look(struct cvy_runtime *rt)
{
    if (!cvy_trace_look()) {
        return;
    }
    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *w = &rt->workers[i];
        if (!cvy_load_relaxed(&w->slot)) {
            cvy_store_relaxed(&w->ring->free_ticks, cvy_cycles());
        }
        cvy_ring_restamp(w->ring);
    }
}

/* ---- the tasks alive ---- */

static_assert(sizeof(((covey_trace_task *)0)->name) == sizeof(((struct cvy_task *)0)->name),
              "a trace has room for a name");

struct collection {
    covey_trace_task *tasks;
    size_t count, room;
};

/* As in a dump (view.c): a moment's view of what the owner may be writing. */
__attribute__((no_sanitize("thread"), noinline)) static void look_at(const struct cvy_task *t,
                                                                     covey_trace_task *out)
{
    *out = (covey_trace_task){
        .id = t->id, .site = (uint64_t)(uintptr_t)t->site, .group = (uint64_t)(uintptr_t)t->owner};
    cvy_view_name(t, out->name);
}

static bool collect_one(struct cvy_task *t, void *arg)
{
    struct collection *c = arg;

    if (!cvy_grow(&c->tasks, c->count, &c->room, sizeof(*c->tasks))) {
        return false;
    }
    look_at(t, &c->tasks[c->count++]);
    return true;
}

static size_t collect(covey_trace_task **out)
{
    struct collection c = {0};
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();

    if (rt) {
        (void)cvy_tasks_each(rt, collect_one, &c);
    }
    cvy_leave(th);
    *out = c.tasks;
    return c.count;
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
    int code = cvy_trace_start(path, collect);

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
    return cvy_trace_snapshot(path, collect, true);
}

static int fire(const char *path)
{
    (void)path;
    tell_peers();
    cvy_trace_watch_fire(collect);
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
    int code = cvy_trace_snapshot(path, collect, false);
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
    cvy_trace_put(cvy_ring_of(th), type, (uint32_t)th->task->id, 0, (uint64_t)(uintptr_t)site);
    cvy_leave(th);
}

covey_trace_region covey_trace_region_begin_at(const covey_site *site)
{
    covey_trace_region r = {.site = site};

    if (CVY_TRACES(region_begin)) {
        r.began_ns = cvy_clock_now();
        emit_site(COVEY_TRACE_region_begin, site);
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
        cvy_trace_put_pair(cvy_ring_of(th), COVEY_TRACE_log, (uint32_t)th->task->id,
                           (uint64_t)(uintptr_t)site, COVEY_TRACE_value, (uint32_t)value,
                           (uint64_t)value >> 32);
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
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    switch (*end) {
    case 'K':
        return (size_t)n << 10;
    case 'M':
        return (size_t)n << 20;
    default:
        return *end ? 0 : (size_t)n;
    }
}

bool cvy_recording_from_environment(void)
{
    const char *how = getenv("COVEY_TRACE");
    int code;

    if (!how || !how[0]) {
        return false;
    }
    if (strncmp(how, "flight", 6) == 0 && (how[6] == '\0' || how[6] == ':')) {
        code = cvy_trace_flight_start(how[6] ? parse_size(how + 7) : 0);
        how = NULL;
    } else {
        code = cvy_trace_start(how, collect);
    }
    if (code < 0 && code != -EBUSY) {
        (void)fprintf(stderr, "covey: COVEY_TRACE: %s: %s\n", how ? how : "flight",
                      covey_strerror(code));
    }
    return code == 0 && how;
}

void cvy_recording_close(void)
{
    int code = cvy_trace_stop();

    if (code < 0) {
        (void)fprintf(stderr, "covey: COVEY_TRACE: %s\n", covey_strerror(code));
    }
}
