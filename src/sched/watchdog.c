/* SPDX-License-Identifier: MIT
 * watchdog.c - finds workers whose task holds its thread, and gives them to other threads.
 *
 * See worker.h for the handshake. It also rouses an idle worker when descriptors are waited for and
 * nobody is in the poller, looks for a deadlock when all workers have been idle for 100 ms, and
 * gives idle memory back: what has lain free for half a second to one second, a region at a time.
 */
#include "sched/diagnosis.h"
#include "sched/ignored.h"
#include "sched/profile.h"
#include "sched/recording.h"
#include "sched/slow.h"
#include "sched/wait.h"

#include "trace/emit.h"

#define PERIOD_NS (5 * COVEY_MS)
#define STUCK_PERIODS 2
#define IDLE_ROUNDS 20
#define ASLEEP_NS (10 * COVEY_SEC)
#define DIAGNOSIS_NS COVEY_SEC
#define TRIM_PERIOD_NS (500 * COVEY_MS)

void cvy_watchdog_rouse(struct cvy_runtime *rt)
{
    cvy_store_relaxed(&rt->watchdog_asleep, false);
    cvy_store_release(&rt->watchdog_wake, 1);
    cvy_futex_wake(&rt->watchdog_wake, 1);
}

/* Whether somebody waits for w's thread to come back. */
static bool is_needed(struct cvy_runtime *rt, struct cvy_worker *w, int64_t now)
{
    if (cvy_load_relaxed(&w->slot) || cvy_worker_has_queued(w) ||
        cvy_load_relaxed(&w->timers.next) <= now) {
        return true;
    }
    /* Nobody is idle: the global queue, the poller and timers depend on this one too. */
    return cvy_load_relaxed(&rt->idle_count) == 0 &&
           (cvy_load_relaxed(&rt->global_len) > 0 || cvy_load_relaxed(&rt->fd_waiters) > 0);
}

/* Whether something waits for a worker although one is idle: the kick for it was held back. */
static bool is_neglected(struct cvy_runtime *rt, int64_t now)
{
    if (cvy_load_relaxed(&rt->global_len) > 0) {
        return true;
    }
    if (cvy_load_relaxed(&rt->poll_deadline) != 0) {
        return false;
    }
    /* Nobody is in the poller. */
    for (int i = 0; i < rt->worker_count; i++) {
        if (cvy_load_relaxed(&rt->workers[i].timers.next) <= now) {
            return true;
        }
    }
    return cvy_load_relaxed(&rt->fd_waiters) > 0;
}

/* Takes w from a thread that is in user code. */
static void take_over(struct cvy_runtime *rt, struct cvy_worker *w)
{
    cvy_lock(&rt->lock);
    struct cvy_thread *th = w->thread;
    if (!th || w->is_idle || cvy_load_relaxed(&w->turns) != w->seen_turns ||
        (rt->spare_count == 0 && rt->thread_count >= rt->threads_max)) {
        cvy_unlock(&rt->lock);
        return;
    }
    cvy_store_relaxed(&th->retake, 1);
    CVY_WINDOW();
    /* Pairs with the light fence in cvy_enter(). */
    cvy_membarrier();
    /* Acquire: pairs with the release in cvy_leave(); all it did to the worker is seen. A thread
     * that is on its way to take the worker up (handed) does not count as in user code. */
    if (cvy_load_acquire(&th->in_runtime) || th->worker != w ||
        cvy_load_relaxed(&w->turns) != w->seen_turns) {
        /* Release: the look at th->worker, to the acquire in cvy_enter(), after which th may change
         * it. */
        cvy_store_release(&th->retake, 0);
        cvy_unlock(&rt->lock);
        return;
    }
    cvy_thread_carry(th, NULL);
    w->thread = NULL;
    cvy_unlock(&rt->lock);
    CVY_WINDOW();
    atomic_fetch_add_explicit(&rt->takeovers, 1, memory_order_relaxed);
    CVY_EMIT(NULL, takeover, w->index, 0, 0);
    /* Without memory for a thread: until there is, or until one is spare (th, when it notices). */
    while (!cvy_worker_give(rt, w, NULL) && !cvy_load_relaxed(&rt->stopping)) {
        cvy_futex_wait(&rt->watchdog_wake, 0, COVEY_MS);
    }
}

static void look(struct cvy_runtime *rt, int64_t late_ns)
{
    int64_t now = cvy_clock_now();

    cvy_recording_look(rt);
    cvy_dump_signal_answer(rt);
    cvy_diagnosis_look(rt, now);
    cvy_slow_look(rt, now, late_ns);
    cvy_ignored_look(rt, now);
    cvy_profile_look();
    if (cvy_knob(CVY_KNOB_PAUSE)) {
        cvy_pause_one(rt);
    }
    for (int i = 0; i < rt->worker_count && rt->has_takeover; i++) {
        struct cvy_worker *w = &rt->workers[i];
        uint32_t turns = cvy_load_relaxed(&w->turns);
        if (turns != w->seen_turns) {
            w->seen_turns = turns;
            w->seen_times = 0;
        } else if (++w->seen_times >= STUCK_PERIODS && is_needed(rt, w, now)) {
            w->seen_times = 0;
            take_over(rt, w);
        }
    }
    if (cvy_load_relaxed(&rt->idle_count) > 0 && cvy_load_relaxed(&rt->spinning) == 0 &&
        is_neglected(rt, now)) {
        cvy_kick(rt);
    }
}

static bool is_all_idle(struct cvy_runtime *rt)
{
    return cvy_load_relaxed(&rt->idle_count) == (uint32_t)rt->worker_count;
}

/* How long to sleep. Once all workers have been idle for a while: see whether they could ever wake,
 * and then sleep until one does. */
static int64_t next_period(struct cvy_runtime *rt, unsigned *idle_rounds)
{
    if (!is_all_idle(rt)) {
        *idle_rounds = 0;
        return PERIOD_NS;
    }
    if (++*idle_rounds < IDLE_ROUNDS) {
        return PERIOD_NS;
    }
    cvy_check_deadlock(rt);
    /* Announce, then look again; who leaves the idle list looks at the announcement. */
    cvy_store_seq_cst(&rt->watchdog_asleep, true);
    if (cvy_load_seq_cst(&rt->idle_count) != (uint32_t)rt->worker_count) {
        return PERIOD_NS;
    }
    int64_t asleep = cvy_diagnosis_on() ? DIAGNOSIS_NS : ASLEEP_NS;
    int64_t ignored = cvy_ignored_period();
    return ignored < asleep ? ignored : asleep;
}

/* Gives memory back; when to come again. A step takes about a millisecond, so that stuck workers
 * are still looked for in time. */
static int64_t trim(struct cvy_runtime *rt, int64_t now)
{
    if (cvy_slabs_trim(rt)) {
        return now;
    }
    return cvy_slabs_age(rt) ? now + TRIM_PERIOD_NS : CVY_NEVER;
}

void *cvy_watchdog_main(void *arg)
{
    struct cvy_runtime *rt = arg;
    unsigned idle_rounds = 0;
    int64_t look_at = cvy_clock_now() + PERIOD_NS;
    int64_t trim_at = CVY_NEVER;

    while (!cvy_load_acquire(&rt->stopping)) {
        int64_t now = cvy_clock_now();
        int64_t next = look_at < trim_at ? look_at : trim_at;
        int64_t late_ns = 0; /* but for what it was busy with itself */
        if (next > now) {
            cvy_futex_wait(&rt->watchdog_wake, 0, next - now);
            now = cvy_clock_now();
            late_ns = now - next;
        }
        /* In one step: what a rouse before it was for is seen (acquire, with the release in
         * cvy_watchdog_rouse()), and one after it is not wiped out. */
        bool is_roused = atomic_exchange_explicit(&rt->watchdog_wake, 0, memory_order_acq_rel) != 0;
        if (is_roused || now >= look_at) {
            cvy_store_relaxed(&rt->watchdog_asleep, false);
            look(rt, late_ns);
            look_at = now + next_period(rt, &idle_rounds);
            /* Tasks have run: they may leave memory. */
            trim_at = trim_at == CVY_NEVER ? now + TRIM_PERIOD_NS : trim_at;
        }
        if (now >= trim_at) {
            trim_at = trim(rt, now);
        }
    }
    return NULL;
}
