/* SPDX-License-Identifier: MIT
 * testmode.c - see testmode.h: the base loop of a test run.
 *
 * The ready tasks stand in an array, in an order that depends on nothing but earlier choices. A
 * timer that is due is one more candidate, so that what happens at the same instant happens in any
 * order. A job of the blocking pool counts as running until it ends or itself waits in covey;
 * nobody else goes on meanwhile, so its outside work takes no virtual time and its end is no race.
 */
#define _GNU_SOURCE
#include "sched/testmode.h"

#include "base/alloc.h"
#include "os/sys.h"
#include "sched/recording.h"
#include "trace/emit.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define START_NS COVEY_SEC /* the virtual clock's first look */
#define STEPS_MAX UINT64_C(1000000)
#define STALL_NS (10 * COVEY_SEC) /* real time for a descriptor that nothing else waits for */
#define NAP_NS (50 * COVEY_US)
#define IDLE_YIELDS_MAX 1000
#define NO_WORD UINT32_C(0x80000000)

atomic_bool cvy_test_is_on;
_Atomic uint32_t cvy_expect_free;
_Atomic uint32_t cvy_expect_locked = 1;

/* ---- the ready tasks ---- */

static void ready_add(struct cvy_test *test, struct cvy_task *t)
{
    /* One more stays free, for the timer. */
    if (test->count + 1 >= test->room) {
        size_t room = test->room ? 2 * test->room : 64;
        struct cvy_task **ready = cvy_realloc(test->ready, room * sizeof(struct cvy_task *));
        uint64_t *ids = ready ? cvy_realloc(test->ids, room * sizeof(*ids)) : NULL;
        if (!ids) {
            cvy_fatal("out of memory for a test run's tasks");
        }
        test->ready = ready;
        test->ids = ids;
        test->room = room;
    }
    test->ready[test->count] = t;
    test->ids[test->count++] = t->id;
}

static struct cvy_task *ready_take(struct cvy_test *test, size_t i)
{
    struct cvy_task *t = test->ready[i];

    test->count--;
    test->ready[i] = test->ready[test->count];
    test->ids[i] = test->ids[test->count];
    return t;
}

/* All that is runnable, wherever the scheduler has put it. */
static void gather(struct cvy_test *test)
{
    struct cvy_worker *w = test->carrier->worker;
    struct cvy_task *t;

    for (;;) {
        while ((t = cvy_runq_pop(&w->runq, true)) != NULL) {
            ready_add(test, t);
        }
        if ((t = cvy_load_relaxed(&w->slot)) != NULL) {
            if (CVY_TRACES(ready)) {
                cvy_recording_settle(w);
            }
            cvy_store_relaxed(&w->slot, NULL);
        } else if (!(t = cvy_global_take(w)) && !(t = cvy_fresh_take(w))) {
            return;
        }
        ready_add(test, t);
    }
}

/* ---- time and the world outside ---- */

int64_t cvy_test_elapsed(void)
{
    return cvy_clock_now() - START_NS;
}

static void clock_set(struct cvy_test *test, int64_t now)
{
    cvy_store_relaxed(&cvy_clock_virtual, now);
    test->carrier->worker->checked_at = now;
    test->idle_yields = 0;
    cvy_timers_pass(&test->carrier->worker->timers, now);
}

/* How many timers are due. */
static size_t timers_due(struct cvy_test *test)
{
    struct cvy_timers *ts = &test->carrier->worker->timers;
    int64_t now = cvy_clock_now();
    int64_t at;

    if (cvy_load_relaxed(&ts->next) > now) {
        return 0;
    }
    size_t n = cvy_timers_first(ts, &at);
    return at <= now ? n : 0;
}

static void fire(struct cvy_test *test, size_t due)
{
    struct cvy_wakelist list = {0};
    size_t i = due > 1 ? cvy_schedule_below(&test->schedule, (uint32_t)due) : 0;

    cvy_timers_fire(&test->carrier->worker->timers, i, &list);
    cvy_ready_all(test->carrier, &list);
}

static void poll(struct cvy_test *test, int64_t timeout_ns)
{
    struct cvy_wakelist list = {0};

    (void)cvy_poll_wait(&test->runtime->poll, timeout_ns, &list);
    cvy_ready_all(test->carrier, &list);
}

void cvy_test_job_waits(int change)
{
    struct cvy_test *test = cvy_runtime_get()->test;
    /* Release: what the job did before; pairs with jobs_run(). */
    atomic_fetch_add_explicit(&test->jobs_waiting, change, memory_order_release);
}

/* Lets the jobs of the blocking pool come to their ends or waits. */
static void jobs_run(struct cvy_test *test)
{
    /* The wake of a waiting job is counted by the waker: nobody counts double. */
    while (cvy_load_acquire(&test->runtime->blocking_jobs) >
           (uint32_t)cvy_load_acquire(&test->jobs_waiting)) {
        cvy_futex_wait(&test->runtime->blocking_jobs,
                       cvy_load_relaxed(&test->runtime->blocking_jobs), NAP_NS);
    }
}

/* Really waits for descriptors until something is runnable; at most so long. */
static void descriptors_wait(struct cvy_test *test, int64_t ns)
{
    int64_t until = ns < INT64_MAX / 2 ? cvy_clock_real() + ns : INT64_MAX;

    while (test->count == 0) {
        int64_t left = until - cvy_clock_real();
        if (left <= 0) {
            return;
        }
        /* Short, since what a plain thread makes runnable does not end the poll. */
        poll(test, left < COVEY_MS ? left : COVEY_MS);
        gather(test);
    }
}

/* ---- verdicts ---- */

static bool has_failed(const struct cvy_test *test)
{
    return test->verdict != COVEY_TEST_PASSED;
}

struct summary {
    FILE *out;
    int count;
};

static bool summary_add(struct cvy_task *t, void *arg)
{
    struct summary *s = arg;

    bool is_waiting = cvy_task_state(t) == CVY_TASK_WAITING;
    (void)fprintf(s->out, "%s%s %s%s", s->count++ ? ", " : "", cvy_task_label(t),
                  is_waiting ? "in " : "runnable",
                  is_waiting ? cvy_reason_words(cvy_task_reason(t)) : "");
    return s->count < 6;
}

/* what, then who waits for what. */
static void verdict_tasks(struct cvy_test *test, covey_test_verdict verdict, const char *what)
{
    struct summary s = {.out = fmemopen(test->words, sizeof(test->words), "w")};

    test->verdict = verdict;
    if (s.out) {
        (void)fputs(what, s.out);
        (void)cvy_tasks_each(test->runtime, summary_add, &s);
        (void)fclose(s.out);
    }
}

static void verdict_words(struct cvy_test *test, covey_test_verdict verdict, const char *fmt,
                          va_list args)
{
    if (!has_failed(test)) {
        test->verdict = verdict;
        (void)vsnprintf(test->words, sizeof(test->words), fmt, args);
    }
}

/* The run is over: the task never goes on. */
_Noreturn static void abandon(struct cvy_thread *th)
{
    for (;;) {
        (void)cvy_yield(th);
    }
}

/* The test whose task is calling; NULL: called from elsewhere. */
static struct cvy_test *test_of_caller(struct cvy_thread *th)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    struct cvy_test *test = rt ? rt->test : NULL;

    return test && th == test->carrier && th->task != &th->self ? test : NULL;
}

static void on_fatal(const char *fmt, va_list args)
{
    struct cvy_thread *th = cvy_thread_self();
    struct cvy_test *test = test_of_caller(th);

    if (test) {
        verdict_words(test, COVEY_TEST_FATAL, fmt, args);
        abandon(th);
    }
}

/* ---- who goes on ---- */

/* Nothing is runnable and nothing due. False: nothing ever will be, or the run is over. */
static bool move_on(struct cvy_test *test)
{
    struct cvy_runtime *rt = test->runtime;
    struct cvy_worker *w = test->carrier->worker;
    struct cvy_task *settler = test->settlers.head;
    int64_t at;

    if (settler) {
        test->settlers.head = settler->next;
        test->settlers.tail = settler->next ? test->settlers.tail : NULL;
        (void)cvy_claim(settler, 0);
        cvy_ready(test->carrier, settler);
        return true;
    }
    /* Ends are counted before the record is free; on the base both have happened. */
    if (test->has_ended && cvy_load_relaxed(&w->started) + cvy_load_relaxed(&rt->foreign_started) ==
                               cvy_load_relaxed(&w->ended)) {
        return false;
    }
    (void)cvy_timers_first(&w->timers, &at);
    if (cvy_load_relaxed(&rt->fd_waiters) > 0 &&
        !(at != CVY_NEVER && test->options.jumps_over_io)) {
        int64_t patience = at != CVY_NEVER ? at - cvy_clock_now()
                           : test->is_run  ? INT64_MAX
                                           : STALL_NS;
        descriptors_wait(test, patience);
        if (test->count > 0) {
            return true;
        }
    }
    if (at != CVY_NEVER && !(test->has_ended && at > test->leak_at)) {
        test->schedule.steps++;
        clock_set(test, at);
        return true;
    }
    if (test->has_ended) {
        verdict_tasks(test, COVEY_TEST_LEAK, "leak: ");
    } else {
        verdict_tasks(test, COVEY_TEST_DEADLOCK, "deadlock: ");
    }
    return false;
}

/* A loop that polls the clock with yields would never let it move. */
static void note_yield(struct cvy_test *test)
{
    struct cvy_task *t = test->last;
    int64_t at;

    if (!t || cvy_task_state(t) != CVY_TASK_RUNNABLE) {
        test->idle_yields = 0;
        return;
    }
    if (test->is_preempted) {
        return;
    }
    cvy_schedule_yielded(&test->schedule, t->id);
    if (++test->idle_yields > IDLE_YIELDS_MAX) {
        (void)cvy_timers_first(&test->carrier->worker->timers, &at);
        if (at != CVY_NEVER) {
            clock_set(test, at);
        }
    }
}

static bool is_endless(struct cvy_test *test)
{
    uint64_t max = test->options.max_steps ? test->options.max_steps : STEPS_MAX;

    if (test->schedule.steps < max || test->is_run) {
        return false;
    }
    verdict_tasks(test, COVEY_TEST_ENDLESS, "no end in sight: ");
    return true;
}

/* The index of the task that stands at a point and could just go on. */
static size_t running(const struct cvy_test *test)
{
    for (size_t i = 0; test->is_preempted && i < test->count; i++) {
        if (test->ready[i] == test->last) {
            return i;
        }
    }
    return CVY_SCHEDULE_NONE;
}

/* The next to run; NULL: the run is over. */
static struct cvy_task *next_task(struct cvy_test *test)
{
    for (;;) {
        jobs_run(test);
        if (cvy_load_relaxed(&test->runtime->fd_waiters) > 0) {
            poll(test, 0);
        }
        gather(test);
        if (has_failed(test) || is_endless(test)) {
            return NULL;
        }
        size_t due = timers_due(test);
        if (test->count + due == 0) {
            if (!move_on(test)) {
                return NULL;
            }
            continue;
        }
        size_t n = test->count;
        if (due > 0) {
            ready_add(test, &test->carrier->self); /* stands for the timer, with its id 0 */
        }
        size_t i = cvy_schedule_pick(&test->schedule, test->ids, test->count, running(test));
        test->count = n;
        if (i < n) {
            return ready_take(test, i);
        }
        fire(test, due);
    }
}

void cvy_test_drive(struct cvy_test *test)
{
    struct cvy_thread *th = test->carrier;
    struct cvy_task *t;

    while ((t = next_task(test)) != NULL) {
        test->last = t;
        test->is_preempted = false;
        /* Each switch away from a task comes back here. */
        th->worker->turns_to_check = 1;
        cvy_run_task(th, t);
        th->check_due = false;
        if (has_failed(test)) {
            /* It left to end the run, not to go on later: so dumps say. */
            cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
        }
        note_yield(test);
    }
}

void cvy_test_enter(struct cvy_thread *th)
{
    struct cvy_test *test = th->runtime->test;
    struct cvy_task *t = th->task;

    /* Not on the base, nor while others might wake it. */
    if (t != &th->self && cvy_load_relaxed(&t->claim) == CVY_CLAIM_CLOSED) {
        /* To the base, where there is stack enough to choose; perhaps straight back. */
        test->is_preempted = true;
        (void)cvy_yield(th);
    }
}

void cvy_test_point_slow(void)
{
    cvy_leave(cvy_enter());
}

/* ---- sessions ---- */

static void expect(uint32_t free_word, uint32_t locked_word)
{
    cvy_store_relaxed(&cvy_expect_free, free_word);
    cvy_store_relaxed(&cvy_expect_locked, locked_word);
}

int cvy_test_open(struct cvy_test *test, const covey_options *options)
{
    covey_options own = options ? *options : (covey_options){0};

    own.workers = 1;
    int code = cvy_runtime_start(&own, NULL, test, &test->runtime);
    if (code < 0) {
        return code;
    }
    test->carrier = cvy_thread_new(test->runtime, &test->runtime->workers[0]);
    if (!test->carrier) {
        cvy_runtime_stop(test->runtime);
        return -ENOMEM;
    }
    (void)pthread_sigmask(SIG_SETMASK, NULL, &test->signals);
    (void)sigaltstack(NULL, &test->alt_stack);
    test->before = cvy_thread_self();
    test->runtime->workers[0].thread = test->carrier;
    cvy_thread_begin(test->carrier);
    cvy_store_relaxed(&test->carrier->retake, 1);
    expect(NO_WORD, NO_WORD);
    cvy_store_relaxed(&cvy_test_is_on, true);
    if (!test->is_run) {
        cvy_store_release(&cvy_fatal_catch, on_fatal);
    }
    return 0;
}

void cvy_test_begin(struct cvy_test *test, uint64_t seed, covey_ctx *root_ctx)
{
    struct cvy_runtime *rt = test->runtime;
    struct cvy_worker *w = &rt->workers[0];

    cvy_schedule_begin(&test->schedule, seed, test->options.strategy, test->options.depth);
    w->rand = cvy_rand_seed(cvy_rand_next(&test->schedule.rand));
    cvy_store_relaxed(&cvy_random_virtual, cvy_rand_seed(cvy_rand_next(&test->schedule.rand)));
    cvy_store_relaxed(&cvy_clock_virtual, START_NS);
    cvy_timers_init(&w->timers, START_NS - 1, 0);
    clock_set(test, START_NS);
    cvy_store_relaxed(&w->started, 0);
    cvy_store_relaxed(&w->ended, 0);
    cvy_store_relaxed(&rt->foreign_started, 0);
    cvy_store_relaxed(&rt->ending, false);
    rt->root_ctx = root_ctx;
    test->last = NULL;
    test->has_ended = false;
    test->verdict = COVEY_TEST_PASSED;
    test->words[0] = '\0';
}

void cvy_test_main_ended(struct cvy_test *test, int64_t grace_ns)
{
    cvy_store_relaxed(&test->runtime->ending, true);
    test->has_ended = true;
    test->leak_at = cvy_clock_now() + grace_ns;
}

void cvy_test_end(struct cvy_test *test)
{
    cvy_timers_drop(&test->runtime->workers[0].timers);
}

void cvy_test_close(struct cvy_test *test)
{
    COVEY_REQUIRE(cvy_load_relaxed(&test->jobs_waiting) == 0,
                  "a covey_blocking() call waits for tasks that are gone");
    cvy_store_relaxed(&cvy_fatal_catch, NULL);
    cvy_store_relaxed(&cvy_test_is_on, false);
    expect(0, 1);
    cvy_store_relaxed(&cvy_clock_virtual, 0);
    cvy_store_relaxed(&cvy_random_virtual, 0);
    cvy_thread_end(test->carrier);
    (void)sigaltstack(&test->alt_stack, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &test->signals, NULL);
    cvy_self_set(test->before);
    cvy_runtime_stop(test->runtime);
    free(test->carrier);
    free(test->ready);
    free(test->ids);
    cvy_schedule_fini(&test->schedule);
}

/* ---- inside a run (covey/test.h) ---- */

static struct cvy_test *require_test(struct cvy_thread *th, const char *what)
{
    struct cvy_test *test = test_of_caller(th);
    COVEY_REQUIRE(test, "%s outside a test run", what);
    return test;
}

void covey_test_settle(void)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_test *test = require_test(th, "covey_test_settle");

    (void)cvy_wait_open(th->task, NULL);
    cvy_wakelist_add(&test->settlers, th->task);
    (void)cvy_wait_park(&th, NULL, CVY_WAIT_SETTLE, NULL);
    cvy_leave(th);
}

void covey_test_point(void)
{
    cvy_test_point();
}

uint32_t covey_test_choose(uint32_t n)
{
    struct cvy_test *test = require_test(cvy_thread_self(), "covey_test_choose");

    COVEY_REQUIRE(n > 0, "covey_test_choose of nothing");
    return cvy_schedule_below(&test->schedule, n);
}

static void fail_words(struct cvy_test *test, covey_test_verdict verdict, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    verdict_words(test, verdict, fmt, args);
    va_end(args);
}

void covey_test_fail(const char *fmt, ...)
{
    char words[sizeof(((struct cvy_test *)0)->words)];
    struct cvy_thread *th = cvy_thread_self();
    struct cvy_test *test = test_of_caller(th);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    if (!test) {
        cvy_fatal("%s", words);
    }
    fail_words(test, COVEY_TEST_FAILED, "%s", words);
    (void)cvy_enter();
    abandon(th);
}

uint64_t covey_test_mark(void)
{
    struct cvy_test *test = require_test(cvy_thread_self(), "COVEY_TEST_NO_LEAKS");
    /* How many were started by now: by tasks, and by jobs of the pool. */
    return (cvy_load_relaxed(&test->carrier->worker->started) + 1) |
           cvy_load_relaxed(&test->runtime->foreign_started) << 32;
}

struct leak {
    uint64_t mark;
    struct cvy_task *found;
};

static bool leak_find(struct cvy_task *t, void *arg)
{
    struct leak *l = arg;

    uint64_t before = t->id % 2 ? (uint32_t)l->mark - 1 : l->mark >> 32;

    l->found = (t->id - 1) / 2 >= before ? t : NULL;
    return !l->found;
}

uint64_t covey_test_no_leaks(uint64_t mark, const char *file, int line)
{
    struct cvy_thread *th = cvy_thread_self();
    struct leak l = {.mark = mark};

    covey_test_settle();
    (void)cvy_tasks_each(th->runtime, leak_find, &l);
    if (l.found) {
        const covey_site *site = l.found->site;
        fail_words(th->runtime->test, COVEY_TEST_LEAK,
                   "leak: %s in %s, started at %s:%d, outlives the block at %s:%d",
                   cvy_task_label(l.found), cvy_reason_words(cvy_task_reason(l.found)),
                   site ? site->file : "?", site ? site->line : 0, file, line);
        (void)cvy_enter();
        abandon(th);
    }
    return 0;
}
