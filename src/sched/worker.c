/* SPDX-License-Identifier: MIT
 * worker.c - the base loop of a thread that carries a worker: find work, run it, go idle.
 *
 * Idle protocol: a worker announces itself idle under the scheduler's lock, after it has seen the
 * global queue empty under that lock, and then looks at all run queues once more. Who pushes to the
 * global queue does so under the lock and then sees the announcement. One idle worker waits in the
 * poller, with the next timer of all as its time-out; the others on futexes. At most one looks for
 * work ("spins") before it sleeps, and nobody is woken while one does. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "os/lack.h"
#include "sched/grace.h"
#include "sched/steal.h"
#include "sched/turn.h"

#define SPIN_NS 30000
#define CHECK_EVERY_MAX 61
#define CHECK_SPAN_NS 100000
#define THREAD_STACK_BYTES ((size_t)256 << 10)

/* Takes the worker that should wake next out of the idle list. The poller goes last: it serves
 * descriptors and timers as long as it stays. */
static struct cvy_worker *idle_pop_locked(struct cvy_runtime *rt)
{
    struct cvy_node *n = rt->idle.next;

    if (n == &rt->idle) {
        return NULL;
    }
    struct cvy_worker *w = CVY_CONTAINER_OF(n, struct cvy_worker, idle_node);
    if (w == rt->poller && n->next != &rt->idle) {
        w = CVY_CONTAINER_OF(n->next, struct cvy_worker, idle_node);
    }
    cvy_list_remove(&w->idle_node);
    w->is_idle = false;
    atomic_fetch_sub_explicit(&rt->idle_count, 1, memory_order_seq_cst);
    return w;
}

static void thread_wake(struct cvy_thread *th)
{
    /* Release: what the sleeper must see was written before. */
    cvy_store_release(&th->wake, 1);
    cvy_futex_wake(&th->wake, 1);
}

static void thread_sleep(struct cvy_thread *th)
{
    /* Acquire: pairs with the release in thread_wake(). Taken in one operation: a kick for an
     * earlier sleep may come late, and a plain store could then undo the wake that follows it,
     * unseen. */
    while (atomic_exchange_explicit(&th->wake, 0, memory_order_acquire) == 0) {
        cvy_futex_wait(&th->wake, 0, -1);
    }
}

void cvy_kick(struct cvy_runtime *rt)
{
    cvy_lock(&rt->lock);
    struct cvy_worker *w = cvy_load_relaxed(&rt->spinning) == 0 ? idle_pop_locked(rt) : NULL;
    if (!w) {
        cvy_unlock(&rt->lock);
        return;
    }
    cvy_store_relaxed(&rt->spinning, 1);
    struct cvy_thread *th = w->thread;
    bool is_poller = w == rt->poller;
    cvy_unlock(&rt->lock);
    CVY_WINDOW();
    if (is_poller) {
        cvy_poll_wake(&rt->poll);
    } else {
        thread_wake(th);
    }
}

void cvy_poller_hurry(struct cvy_runtime *rt, int64_t at_ns)
{
    /* Seq_cst: pairs with the poller, which stores poll_deadline and then looks at the timers. */
    int64_t deadline = cvy_load_seq_cst(&rt->poll_deadline);
    if (deadline != 0 && at_ns < deadline) {
        cvy_poll_wake(&rt->poll);
    }
}

static int64_t next_timer(struct cvy_runtime *rt)
{
    int64_t next = CVY_NEVER;
    for (int i = 0; i < rt->worker_count; i++) {
        /* Seq_cst: see cvy_poller_hurry(). */
        int64_t at = cvy_load_seq_cst(&rt->workers[i].timers.next);
        next = at < next ? at : next;
    }
    return next;
}

/* Fires what is due on all wheels: a busy worker's timers must not wait for it. */
static void run_timers(struct cvy_thread *th, int64_t now)
{
    struct cvy_runtime *rt = th->runtime;
    struct cvy_wakelist list = {0};

    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_timers *ts = &rt->workers[i].timers;
        if (cvy_load_relaxed(&ts->next) <= now) {
            cvy_timers_run(ts, now, &list);
        }
    }
    cvy_ready_all(th, &list);
}

static void poll_now(struct cvy_thread *th)
{
    struct cvy_wakelist list = {0};

    (void)cvy_poll_wait(&th->runtime->poll, 0, &list);
    cvy_ready_all(th, &list);
}

/* Measures how long a task that is put at the queue's end now waits to be its head, to about the
 * distance of two looks at the clock. Costs a switch nothing. */
static void probe_queue(struct cvy_worker *w, int64_t now)
{
    if (w->probed_at != 0) {
        /* Both go round: the head has come there unless it is behind by less than a ring. */
        if (w->probed_tail - cvy_load_relaxed(&w->runq.head) - 1 < CVY_RUNQ_SIZE) {
            return;
        }
        cvy_histogram_add_own(&w->queue_wait, now - w->probed_at);
    }
    w->probed_tail = cvy_load_relaxed(&w->runq.tail);
    w->probed_at = cvy_runq_len(&w->runq) > 0 ? now : 0;
    if (w->probed_at == 0) {
        cvy_histogram_add_own(&w->queue_wait, 0);
    }
}

/* From the global queue, or of the started tasks the oldest. Not twice running while there is
 * something at hand: after long turns we come here each time, and who feeds the global queue
 * without end, as plain threads may, would keep slot and ring waiting for ever. */
static struct cvy_task *take_elsewhere(struct cvy_worker *w, int64_t now)
{
    uint32_t turns = cvy_load_relaxed(&w->turns);

    if (turns - w->elsewhere_at < 2 && (cvy_load_relaxed(&w->slot) || cvy_runq_len(&w->runq) > 0)) {
        return NULL;
    }
    struct cvy_task *t = cvy_global_take(w);
    if (!t) {
        t = cvy_fresh_air(w, now);
    }
    if (t) {
        w->elsewhere_at = turns;
    }
    return t;
}

/* The look at what tasks do not bring by themselves: clock, descriptors, global queue. Often when
 * turns are long, seldom when they are short. */
static struct cvy_task *check(struct cvy_thread *th, struct cvy_worker *w)
{
    int64_t now = cvy_clock_now();

    if (now - w->checked_at > CHECK_SPAN_NS) {
        w->check_every = w->check_every > 1 ? w->check_every / 2 : 1;
    } else if (w->check_every < CHECK_EVERY_MAX) {
        w->check_every++;
    }
    w->checked_at = now;
    probe_queue(w, now);
    /* Each turn through the base, where tasks migrate: so the switch itself has no hook. */
    w->turns_to_check = cvy_knob(CVY_KNOB_MIGRATE) ? 1 : w->check_every;
    th->check_due = false;
    run_timers(th, now);
    if (cvy_load_relaxed(&w->runtime->fd_waiters) > 0 &&
        cvy_load_relaxed(&w->runtime->poll_deadline) == 0) {
        poll_now(th);
    }
    return take_elsewhere(w, now);
}

static bool any_queued(struct cvy_runtime *rt)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (cvy_worker_has_queued(&rt->workers[i])) {
            return true;
        }
    }
    return cvy_load_relaxed(&rt->global_len) > 0;
}

/* Once over everything of its own and of all, none of which blocks. */
static struct cvy_task *look(struct cvy_thread *th, struct cvy_worker *w)
{
    struct cvy_runtime *rt = w->runtime;
    struct cvy_task *t;

    if (CVY_TRACES(ready)) {
        cvy_recording_settle(w);
    }
    if (th->check_due) {
        t = check(th, w);
        if (t) {
            return t;
        }
    }
    if ((t = cvy_take_local(w)) || (t = cvy_global_take(w)) || (t = cvy_fresh_take(w))) {
        return t;
    }
    if (cvy_load_relaxed(&rt->fd_waiters) > 0 && cvy_load_relaxed(&rt->poll_deadline) == 0) {
        poll_now(th);
    }
    int64_t next = next_timer(rt);
    if (next != CVY_NEVER) {
        int64_t now = cvy_clock_now();
        w->checked_at = now;
        if (next <= now) {
            run_timers(th, now);
        }
    }
    return cvy_take_local(w);
}

/* Looks on for a while before sleeping: waking a thread costs far more than this. */
static struct cvy_task *spin(struct cvy_thread *th, struct cvy_worker *w)
{
    struct cvy_runtime *rt = w->runtime;
    int64_t now = cvy_clock_now();
    int64_t until = now + SPIN_NS;
    struct cvy_watch watches[CVY_WORKERS_MAX];
    bool steals = false;

    memset(watches, 0, (size_t)rt->worker_count * sizeof(*watches));
    while (!steals && now < until && !cvy_load_relaxed(&rt->stopping)) {
        for (int i = 0; i < 32; i++) {
            cvy_cpu_relax();
        }
        now = cvy_clock_now();
        steals = cvy_watch_sees(rt, watches, now);
    }
    struct cvy_task *t = look(th, w);
    return !t && (steals || cvy_watch_ends(rt, watches)) ? cvy_steal(th, w) : t;
}

/* A worker has left the idle list. Seq_cst: pairs with the watchdog, which announces its sleep and
 * then looks whether all are idle. */
static void rouse_watchdog(struct cvy_runtime *rt)
{
    if (cvy_unlikely(cvy_load_seq_cst(&rt->watchdog_asleep))) {
        cvy_watchdog_rouse(rt);
    }
}

static void idle_in_poller(struct cvy_worker *w, struct cvy_wakelist *list)
{
    struct cvy_runtime *rt = w->runtime;
    int64_t deadline = next_timer(rt);

    CVY_WINDOW_NAMED(CVY_WINDOW_POLLER);
    /* Announce the deadline, then look again: a timer added in between either sees it or is seen.
     */
    cvy_store_seq_cst(&rt->poll_deadline, deadline);
    int64_t again = next_timer(rt);
    deadline = again < deadline ? again : deadline;
    int64_t timeout = -1;
    if (deadline != CVY_NEVER) {
        int64_t now = cvy_clock_now();
        timeout = deadline > now ? deadline - now : 0;
    }
    (void)cvy_poll_wait(&rt->poll, timeout, list);
    cvy_store_seq_cst(&rt->poll_deadline, 0);
}

/* Sleeps until there may be work. */
static void idle(struct cvy_thread *th, struct cvy_worker *w, bool was_spinning)
{
    struct cvy_runtime *rt = w->runtime;
    struct cvy_wakelist list = {0};

    CVY_WINDOW_NAMED(CVY_WINDOW_IDLE);
    cvy_lock(&rt->lock);
    if (was_spinning) {
        cvy_store_relaxed(&rt->spinning, 0);
    }
    if (rt->global.count > 0 || cvy_load_relaxed(&rt->stopping)) {
        cvy_unlock(&rt->lock);
        return;
    }
    cvy_list_push_head(&rt->idle, &w->idle_node);
    w->is_idle = true;
    atomic_fetch_add_explicit(&rt->idle_count, 1, memory_order_seq_cst);
    bool is_poller = !rt->poller;
    if (is_poller) {
        rt->poller = w;
    }
    cvy_unlock(&rt->lock);

    CVY_WINDOW();
    CVY_EMIT_EXACT(cvy_ring_of(th), idle, 0, 0, 0);
    /* Announced; now once more. */
    if (!any_queued(rt)) {
        if (is_poller) {
            idle_in_poller(w, &list);
        } else {
            /* The poller may have gone to sleep before our last timer was added. */
            cvy_poller_hurry(rt, cvy_load_relaxed(&w->timers.next));
            thread_sleep(th);
        }
    }

    cvy_lock(&rt->lock);
    bool was_woken = !w->is_idle;
    if (!was_woken) {
        cvy_list_remove(&w->idle_node);
        w->is_idle = false;
        atomic_fetch_sub_explicit(&rt->idle_count, 1, memory_order_seq_cst);
    } else {
        /* Who woke us made us the spinner. */
        cvy_store_relaxed(&rt->spinning, 0);
    }
    if (is_poller) {
        rt->poller = NULL;
    }
    cvy_unlock(&rt->lock);
    cvy_store_relaxed(&th->wake, 0);
    /* What starts or waits from here on would else do so at the time before the sleep. */
    w->checked_at = cvy_clock_now();
    w->probed_at = 0;
    rouse_watchdog(rt);
    cvy_ready_all(th, &list);
}

static struct cvy_task *find_work(struct cvy_thread *th, struct cvy_worker *w)
{
    struct cvy_runtime *rt = w->runtime;

    for (;;) {
        struct cvy_task *t = look(th, w);
        bool is_spinner = false;
        /* Not while descriptors are waited for and nobody is in the poller: better be there. */
        if (!t && rt->can_spin &&
            (cvy_load_relaxed(&rt->fd_waiters) == 0 || cvy_load_relaxed(&rt->poll_deadline) != 0)) {
            uint32_t none = 0;
            is_spinner = cvy_cas_acquire(&rt->spinning, &none, 1);
            if (is_spinner) {
                t = spin(th, w);
            }
        }
        if (!t && !is_spinner && rt->worker_count > 1) {
            t = cvy_steal(th, w);
        }
        if (t) {
            if (is_spinner) {
                /* Seq_cst: who pushes after this sees that nobody spins; what was pushed before,
                 * while kicks were held back, is seen below. */
                cvy_store_seq_cst(&rt->spinning, 0);
            }
            /* More where it came from: let one more worker look. */
            if (cvy_load_relaxed(&rt->idle_count) > 0 && cvy_load_relaxed(&rt->spinning) == 0 &&
                any_queued(rt)) {
                cvy_kick(rt);
            }
            return t;
        }
        if (cvy_load_relaxed(&rt->stopping)) {
            return NULL;
        }
        idle(th, w, is_spinner);
    }
}

/* Lets another thread carry this one's worker, starting with next. */
static void give_away(struct cvy_thread *th, struct cvy_thread *to, struct cvy_task *next)
{
    struct cvy_runtime *rt = th->runtime;
    struct cvy_worker *w = th->worker;

    cvy_thread_carry(th, NULL);
    if (!to) {
        unsigned tries = 0;
        while (!cvy_worker_give(rt, w, next)) {
            COVEY_REQUIRE(cvy_lack_wait(&tries),
                          "no thread is to be had, which a pinned task needs");
        }
        return;
    }
    cvy_lock(&rt->lock);
    w->thread = to;
    cvy_unlock(&rt->lock);
    to->handed_next = next;
    cvy_store_release(&to->handed, w);
    thread_wake(to);
}

/* Waits, without a worker, for one. False: the runtime stops. */
static bool wait_for_worker(struct cvy_thread *th)
{
    struct cvy_runtime *rt = th->runtime;
    struct cvy_worker *w;

    if (!th->dedicated) {
        cvy_lock(&rt->lock);
        cvy_list_push_head(&rt->spares, &th->spare_node);
        rt->spare_count++;
        cvy_unlock(&rt->lock);
    }
    /* Acquire: the worker's state, as its last carrier left it. */
    while (!(w = atomic_exchange_explicit(&th->handed, NULL, memory_order_acquire))) {
        if (cvy_load_acquire(&rt->stopping)) {
            return false;
        }
        thread_sleep(th);
    }
    cvy_thread_carry(th, w);
    th->base_next = th->handed_next;
    th->handed_next = NULL;
    return true;
}

void cvy_worker_loop(struct cvy_thread *th)
{
    struct cvy_runtime *rt = th->runtime;

    for (;;) {
        if (!th->worker) {
            if (!wait_for_worker(th)) {
                return;
            }
            /* The task that its last carrier ran is no longer this worker's. */
            CVY_EMIT_EXACT(cvy_ring_of(th), idle, 0, 0, 0);
            CVY_EMIT(cvy_ring_of(th), run, 0, 0, 0);
        }
        struct cvy_task *t = th->base_next;
        th->base_next = NULL;
        if (th->dedicated && t != th->dedicated) {
            give_away(th, NULL, t);
            continue;
        }
        if (!t && !(t = find_work(th, th->worker))) {
            return;
        }
        if (cvy_load_relaxed(&rt->stopping)) {
            return;
        }
        if (t->pinned_to && t->pinned_to != th) {
            give_away(th, t->pinned_to, t);
            continue;
        }
        /* Woken before it was off its stack: its worker is about to leave it, unless the kernel
         * has stopped that thread; then others go first. Acquire: its saved context. */
        for (int i = 0; i < 1000 && cvy_load_acquire(&t->on_cpu); i++) {
            cvy_cpu_relax();
        }
        if (cvy_load_acquire(&t->on_cpu)) {
            cvy_global_push_one(rt, t);
            continue;
        }
        if (cvy_knob(CVY_KNOB_MIGRATE) && cvy_migrate(th, t)) {
            continue;
        }
        cvy_run_task(th, t);
    }
}

struct cvy_thread *cvy_thread_new(struct cvy_runtime *rt, struct cvy_worker *w)
{
    struct cvy_thread *th = cvy_alloc_lines(sizeof(*th));

    if (th) {
        th->self.is_foreign = true;
        th->task = &th->self;
        cvy_store_relaxed(&th->in_runtime, 1);
        th->runtime = rt;
        cvy_thread_carry(th, w);
    }
    return th;
}

void cvy_thread_begin(struct cvy_thread *th)
{
    cvy_self_set(th);
    cvy_grace_join(th);
    th->errno_ptr = cvy_errno_ptr();
#if CVY_ASAN
    pthread_attr_t attr;
    void *low = NULL;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        (void)pthread_attr_getstack(&attr, &low, &th->base_size);
        th->base_low = low;
        (void)pthread_attr_destroy(&attr);
    }
#endif
#if CVY_TSAN
    th->fiber = __tsan_get_current_fiber();
#endif
    cvy_fault_thread_init(th);
    /* A handler that walks stacks does not fit on a compact task's. */
    cvy_store_relaxed(&th->id, th->alt_stack || CVY_SANITIZED ? cvy_thread_id() : 0);
}

void cvy_thread_end(struct cvy_thread *th)
{
    cvy_fault_thread_fini(th);
    cvy_grace_leave(th);
    cvy_self_set(NULL);
}

__attribute__((no_sanitize("thread"), noinline)) static bool runs(const struct cvy_thread *th,
                                                                  const struct cvy_task *t)
{
    return th->task == t;
}

uint32_t cvy_thread_running(struct cvy_runtime *rt, const struct cvy_task *t)
{
    uint32_t id = 0;

    cvy_lock(&rt->lock);
    for (const struct cvy_thread *th = rt->threads; th && !id; th = th->all_next) {
        id = runs(th, t) ? cvy_load_relaxed(&th->id) : 0;
    }
    cvy_unlock(&rt->lock);
    return id;
}

static void *thread_main(void *arg)
{
    struct cvy_thread *th = arg;

    cvy_thread_begin(th);
    cvy_worker_loop(th);
    cvy_thread_end(th);
    return NULL;
}

/* A new carrier thread for w. */
static bool thread_spawn(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *next)
{
    struct cvy_thread *th = cvy_thread_new(rt, w);
    pthread_attr_t attr;

    if (!th) {
        return false;
    }
    th->base_next = next;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    /* Held over the creation, so that the thread is in the list before it can be looked for. */
    cvy_lock(&rt->lock);
    th->number = (uint16_t)(rt->thread_count + 1);
    bool ok = !cvy_alloc_fails() && pthread_create(&th->handle, &attr, thread_main, th) == 0;
    if (ok) {
        th->all_next = rt->threads;
        rt->threads = th;
        rt->thread_count++;
        w->thread = th;
    }
    cvy_unlock(&rt->lock);
    (void)pthread_attr_destroy(&attr);
    if (!ok) {
        free(th);
    }
    return ok;
}

bool cvy_worker_give(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *next)
{
    cvy_lock(&rt->lock);
    struct cvy_node *n = cvy_list_pop_head(&rt->spares);
    if (!n) {
        cvy_unlock(&rt->lock);
        return thread_spawn(rt, w, next);
    }
    struct cvy_thread *th = CVY_CONTAINER_OF(n, struct cvy_thread, spare_node);
    rt->spare_count--;
    w->thread = th;
    cvy_unlock(&rt->lock);
    th->handed_next = next;
    cvy_store_release(&th->handed, w);
    thread_wake(th);
    return true;
}
