/* SPDX-License-Identifier: MIT
 * worker.h - workers, the threads that carry them, and the runtime that holds them all.
 *
 * Each entry into covey's code stores in_runtime and then loads retake; the watchdog stores retake,
 * issues a membarrier, then loads in_runtime: one of the two sees the other. So a worker is taken
 * from a thread only while that thread is in user code, and the thread finds out at its next entry.
 *
 * Everything that may need much stack (poll, timers, steal, idle) runs on a thread's own stack, the
 * base; tasks switch to it when their worker has nothing at hand to run. */
#ifndef CVY_SCHED_WORKER_H
#define CVY_SCHED_WORKER_H

#include "base/panic.h"
#include "os/poll.h"
#include "base/rand.h"
#include "os/self.h"
#include "os/sys.h"
#include "sched/cell.h"
#include "sched/histogram.h"
#include "sched/runq.h"
#include "sched/taskq.h"
#include "sched/timer.h"
#include "trace/ring.h"

#include <covey/runtime.h>

#include <pthread.h>
#include <stdio.h>

#define CVY_WORKERS_MAX 1024
#define CVY_STACK_CACHE 64
#define CVY_SLOT_RUNS_MAX 16 /* turns in a row */
#define CVY_TASK_CACHE 256
#define CVY_TASK_BATCH (CVY_TASK_CACHE / 2) /* moves between a worker and the pool */
#define CVY_TASK_BATCHES 1024

struct cvy_runtime;

/* Started tasks that have not run yet and that the ring has no room for. The owner goes on with the
 * newest, so that a tree of tasks grows in depth before breadth and stays in the cache; others
 * steal the oldest, which tend to bring the most work; and the owner turns to the oldest now and
 * then, so that none waits for ever. */
struct cvy_fresh {
    _Alignas(CVY_CACHE_LINE) struct cvy_lock lock; /* rank CVY_RANK_SCHED; guards the queue */
    struct cvy_taskq queue;
    _Atomic size_t len; /* written under lock, peeked at without */
    int64_t aired_at;   /* owner: when it last turned to the oldest */
};

/* A slot of parallelism. Fields are owned by the carrying thread while it is in the runtime, unless
 * they say otherwise. */
struct cvy_worker {
    struct cvy_task *_Atomic slot; /* the task woken last; relaxed: only the owner looks, dumps, and
                                      the watchdog */
    uint32_t slot_runs;            /* how often in a row the slot went first */
    uint32_t turns_to_check; /* switches until the base looks at clock, poller, global queue */
    uint32_t check_every;
    uint32_t elsewhere_at; /* the turn that last went to a task from outside slot and ring */
    int64_t checked_at;
    _Atomic uint32_t turns; /* switches; the watchdog compares */
    uint64_t rand;
    struct cvy_runtime *runtime;
    struct cvy_ring *ring; /* what happens on it is recorded here */
    int index;

    struct cvy_task *tasks; /* free records */
    uint32_t task_count;
    struct cvy_stack_cache {
        uint32_t count;
        struct cvy_stack *stacks[CVY_STACK_CACHE]; /* the hottest last */
    } stack_caches[CVY_STACK_CLASSES];
    struct cvy_cell_store cells;

    struct cvy_runq runq; /* others steal */
    struct cvy_fresh fresh;
    struct cvy_timers timers;

    _Atomic uint64_t started, ended, parks, steals; /* statistics: owner writes */

    /* For metrics; the owner writes. The queue's wait is sampled: how long its end at one look at
     * the clock takes to become its head. */
    struct cvy_histogram queue_wait, group_time;
    uint32_t probed_tail;
    int64_t probed_at; /* 0: nothing is being measured */

    /* Guarded by the scheduler's lock. */
    struct cvy_thread *thread; /* who carries it */
    struct cvy_node idle_node; /* in runtime->idle */
    bool is_idle;

    /* The watchdog's. */
    uint32_t seen_turns, seen_times;
};

#define CVY_NEED_ASKED 1u
#define CVY_NEED 2u

struct cvy_thread {
    struct cvy_worker *worker;           /* NULL: spare, plain thread, or lost to the watchdog */
    struct cvy_task *task;               /* running; the thread's own record in plain threads */
    _Atomic uint32_t in_runtime, retake; /* see the top of this file */
    int *errno_ptr;
    struct cvy_ring *ring; /* the worker's, or nowhere */

    /* Set by who switches away, used by who arrives: the base is the thread's own record. */
    struct cvy_task *previous;
    bool previous_ended;

    void *base_sp;
    void (*base_call)(void *); /* to be called on the base for the running task */
    void *base_arg;
    struct cvy_task *base_next; /* handed over with the worker, or not runnable at once */
    struct cvy_task *dedicated; /* the pinned task this thread belongs to */
    bool check_due;
    bool is_faulting;         /* in the handler of a fault, on the alternate stack */
    bool is_faulting_in_libc; /* where the heap may be locked */

    _Atomic uint32_t wake;             /* futex: 1 is a wake not yet taken */
    struct cvy_worker *_Atomic handed; /* a worker given to this thread; release, acquire */
    struct cvy_task *handed_next;      /* written before handed */
    struct cvy_node spare_node;        /* guarded by the scheduler's lock */
    struct cvy_runtime *runtime;       /* NULL in plain threads */
    uint16_t number;                   /* from 1; for COVEY_DEBUG=migrate */
    bool is_pool;                      /* a thread of the test mode's blocking pool */
    pthread_t handle;
    _Atomic uint32_t id; /* the system's; 0: not to be signalled. Relaxed */
    struct cvy_thread *all_next;
    void *alt_stack;

    _Atomic uint32_t reading; /* odd: in a read section, see grace.h; only this thread writes */
    struct cvy_thread *reader_next; /* grace.c's */

    /* Sanitizers' view of the base stack. */
    void *fiber;
    const void *base_low;
    size_t base_size;
    void *fake_stack;

    /* The watchdog's, for slow.c: what it ran when it was last looked at, and since when. */
    struct {
        uint64_t id;
        int64_t since;
        uint32_t turns;
        bool is_told;
    } slow;

    struct cvy_task self; /* plain threads' record */
    /* Plain threads: waits that need the runtime, times CVY_NEED; CVY_NEED_ASKED while the
     * runtime's end is at their claim. */
    _Atomic uint32_t needs_runtime;
};

struct cvy_blocking_pool;

/* Task records that no worker holds. Guarded by the scheduler's lock unless it says otherwise. */
struct cvy_task_pool {
    struct cvy_slab *_Atomic slabs; /* only added to, in front; read without the lock */
    struct cvy_slab **index;        /* by cvy_task.slab */
    size_t count, capacity;         /* of index */
    struct cvy_node open;           /* slabs with free records: the first serves */
    /* Lists of CVY_TASK_BATCH free records, newest last, and how few there were since the last
     * cvy_slabs_age(): that many were not needed. */
    struct cvy_task *batches[CVY_TASK_BATCHES];
    uint32_t batch_count, batches_least;
};

struct cvy_runtime {
    /* Immutable while it is up. */
    covey_options options;
    int worker_count;
    bool can_spin;
    bool has_takeover;
    struct cvy_worker *workers;
    covey_ctx *root_ctx;
    unsigned default_class;

    struct cvy_poll poll;
    struct cvy_stack_pool stacks;
    struct cvy_blocking_pool *blocking;
    struct cvy_test *test; /* NULL, but in the test mode */

    /* The scheduler's lock: idle workers, spare threads, the global queue, ownership of workers. */
    _Alignas(CVY_CACHE_LINE) struct cvy_lock lock; /* rank CVY_RANK_SCHED */
    struct cvy_taskq global;                       /* first in, first out */
    _Atomic size_t global_len;                     /* written under lock, peeked at without */
    struct cvy_node idle;                          /* workers, last to sleep first */
    struct cvy_node spares;                        /* threads without a worker */
    struct cvy_thread *threads;                    /* all carriers, to join */
    int thread_count, spare_count, threads_max;
    struct cvy_worker *poller;  /* the idle worker inside cvy_poll_wait */
    struct cvy_task_pool tasks; /* slab.c */
    struct cvy_cell_store cells;

    _Alignas(CVY_CACHE_LINE) _Atomic uint32_t idle_count;
    _Atomic uint32_t spinning;     /* 0 or 1 */
    _Atomic int64_t poll_deadline; /* when the poller will wake by itself; 0: nobody is in it */
    _Atomic int64_t polled_at;
    _Atomic uint32_t fd_waiters;    /* tasks that only the poller can wake */
    _Atomic uint32_t blocking_jobs; /* running or queued */
    _Atomic int blocking_threads;   /* relaxed: the pool's number of them */
    _Atomic bool ending; /* the first task has ended: what hangs now is a leak, not a deadlock */
    _Atomic bool stopping;
    _Atomic bool closed; /* no more tasks may start */
    _Atomic uint64_t takeovers, failed, foreign_started;
    struct cvy_histogram group_time;    /* of groups that plain threads waited for */
    struct cvy_histogram blocking_wait; /* of jobs, for a thread of the pool */

    /* Detached tasks alive; who brings it to 0 wakes the futex beside it. */
    _Alignas(CVY_CACHE_LINE) _Atomic size_t detached;
    _Atomic uint32_t detached_wake;

    pthread_t watchdog;
    _Atomic uint32_t watchdog_wake;
    _Atomic bool watchdog_asleep;
    _Atomic bool dump_wanted;
    bool has_env_trace; /* COVEY_TRACE named a file */
    int dump_signal;    /* installed; 0: none */
};

/* The runtime that is up, or NULL: the one mutable global. */
extern struct cvy_runtime *_Atomic cvy_runtime_now CVY_HIDDEN;

static inline struct cvy_runtime *cvy_runtime_get(void)
{
    /* Acquire: pairs with the release in covey_run_at(). */
    return cvy_load_acquire(&cvy_runtime_now);
}

/* The same unless its end has begun: what waits for the runtime must not begin any more. */
static inline struct cvy_runtime *cvy_runtime_open(void)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    return rt && !cvy_load_relaxed(&rt->closed) ? rt : NULL;
}

/* Numbers of tasks are unique without a shared counter: each worker has a lane of its own, plain
 * threads the last one; in a lane they are so far apart. */
static inline uint64_t cvy_id_lanes(const struct cvy_runtime *rt)
{
    return (uint64_t)rt->worker_count + 1;
}

/* This thread's record, or NULL; never kept across a switch. */
static inline struct cvy_thread *cvy_thread_self(void)
{
    return cvy_self();
}

/* The record of a plain thread, made at its first call. */
struct cvy_thread *cvy_thread_foreign(void);
struct cvy_thread *cvy_enter_slow(struct cvy_thread *th);
/* Returns when no plain thread is in the runtime that could have missed the caller's last stores.
 */
void cvy_foreign_quiesce(void);
/* The runtime is closed: ends the waits of plain threads that only it could end (needs_runtime),
 * with COVEY_ECLOSED, and returns when they are over. */
void cvy_foreign_release(void);

/* w: NULL for none. */
static inline void cvy_thread_carry(struct cvy_thread *th, struct cvy_worker *w)
{
    th->worker = w;
    th->ring = w ? w->ring : &cvy_ring_nowhere;
}

/* Into the runtime: from here to cvy_leave() this thread keeps its worker. May switch, when the
 * worker has been taken over meanwhile. */
static inline struct cvy_thread *cvy_enter(void)
{
    struct cvy_thread *th = cvy_thread_self();
    if (cvy_unlikely(!th)) {
        th = cvy_thread_foreign();
    }
    cvy_store_relaxed(&th->in_runtime, 1);
    cvy_light_fence();
    CVY_WINDOW();
    if (cvy_unlikely(cvy_load_acquire(&th->retake))) {
        th = cvy_enter_slow(th);
    }
    return th;
}

static inline void cvy_leave(struct cvy_thread *th)
{
    /* Release: what we did to the worker happens before the watchdog gives it away. */
    cvy_store_release(&th->in_runtime, 0);
}

/* The caller's task record without entering: for what touches only that. */
static inline struct cvy_task *cvy_task_self(void)
{
    struct cvy_thread *th = cvy_thread_self();
    return cvy_likely(th != NULL) ? th->task : cvy_thread_foreign()->task;
}

/* worker.c: the system's number of the thread that runs t; 0: none. A moment's view. */
uint32_t cvy_thread_running(struct cvy_runtime *rt, const struct cvy_task *t);

/* ready.c. All: the caller is in the runtime and holds no lock. */
/* Makes a claimed task runnable. */
void cvy_ready(struct cvy_thread *th, struct cvy_task *t);
void cvy_ready_list(struct cvy_thread *th, struct cvy_wakelist *list);
static inline void cvy_ready_all(struct cvy_thread *th, struct cvy_wakelist *list)
{
    if (list->head) {
        cvy_ready_list(th, list);
    }
}
/* Puts a task at the end of the queue. */
void cvy_enqueue(struct cvy_thread *th, struct cvy_task *t);

/* park.c */
struct cvy_thread *cvy_yield(struct cvy_thread *th);

/* body.c */
/* Calls fn(arg) on a stack of at least need bytes in all: the base, if the task's own is smaller.
 * fn must not switch tasks. The caller may be in the runtime or not. */
void cvy_with_stack(size_t need, void (*fn)(void *), void *arg);
/* The same with enough for libc: not on a compact stack. */
static inline void cvy_on_base(void (*fn)(void *), void *arg)
{
    cvy_with_stack(CVY_STACK_COMPACT_MAX + 1, fn, arg);
}
/* From the base: runs t until something switches back. */
void cvy_run_task(struct cvy_thread *th, struct cvy_task *t);

/* Nanoseconds of the clock, as new as the worker's last look at it; a plain thread's exact. */
static inline int64_t cvy_rough_now(const struct cvy_thread *th)
{
    return th->worker ? th->worker->checked_at : cvy_clock_now();
}

/* worker.c. */
void cvy_worker_loop(struct cvy_thread *th);
/* The record of a thread that will carry w; NULL: out of memory. Then, on that thread, begin and
 * end; the memory stays the caller's. */
struct cvy_thread *cvy_thread_new(struct cvy_runtime *rt, struct cvy_worker *w);
void cvy_thread_begin(struct cvy_thread *th);
void cvy_thread_end(struct cvy_thread *th);
/* Wakes one idle worker, if there is one and nobody looks for work. */
void cvy_kick(struct cvy_runtime *rt);
/* Whether tasks are queued at w, its slot aside. */
static inline bool cvy_worker_has_queued(struct cvy_worker *w)
{
    return cvy_runq_len(&w->runq) > 0 || cvy_load_relaxed(&w->fresh.len) > 0;
}
/* Makes the poller look at the timers again if it would sleep past at_ns. */
void cvy_poller_hurry(struct cvy_runtime *rt, int64_t at_ns);
/* Gives a worker that no thread carries to a spare thread, or to a new one; next (may be NULL) is
 * what it runs first. False: no thread is to be had. */
bool cvy_worker_give(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *next);

/* overflow.c. Those that take leave the first task with the caller and fill w's ring with more. */
void cvy_global_push(struct cvy_runtime *rt, struct cvy_wakelist *list);
void cvy_global_push_one(struct cvy_runtime *rt, struct cvy_task *t);
struct cvy_task *cvy_global_take(struct cvy_worker *w);
/* Owner: makes room in the ring. What has not run yet goes to fresh, the rest to the global queue.
 */
void cvy_runq_spill(struct cvy_worker *w);
/* Owner: the newest. */
struct cvy_task *cvy_fresh_take(struct cvy_worker *w);
/* Owner: the oldest, if that is due. */
struct cvy_task *cvy_fresh_air(struct cvy_worker *w, int64_t now);
/* The oldest of victim, for w. */
struct cvy_task *cvy_fresh_steal(struct cvy_worker *victim, struct cvy_worker *w);

/* watchdog.c */
void *cvy_watchdog_main(void *arg);
void cvy_watchdog_rouse(struct cvy_runtime *rt);

/* testmode.c: see testmode.h. */
struct cvy_test;
extern atomic_bool cvy_test_is_on CVY_HIDDEN; /* relaxed */
/* What the fast paths of lock and unlock expect to find: 0 and 1. In the test mode what no word
 * holds: both take the slow path, which is a point, and pay nothing for it otherwise. */
extern _Atomic uint32_t cvy_expect_free CVY_HIDDEN, cvy_expect_locked CVY_HIDDEN; /* relaxed */
/* A place where the test mode may switch, for calls that do not enter. */
void cvy_test_point_slow(void);
static inline void cvy_test_point(void)
{
    if (cvy_unlikely(cvy_load_relaxed(&cvy_test_is_on))) {
        cvy_test_point_slow();
    }
}

/* inspect.c */
const char *cvy_reason_words(unsigned reason);
void cvy_dump_tasks(struct cvy_runtime *rt, FILE *out);
void cvy_check_deadlock(struct cvy_runtime *rt);
size_t cvy_tasks_each(struct cvy_runtime *rt, bool (*fn)(struct cvy_task *t, void *arg), void *arg);

/* fatal.c */
void cvy_fatal_dump(void (*print)(void *arg), void *arg);

/* fault.c: tells stack overflows. */
void cvy_fault_install(void);
void cvy_fault_remove(void);
void cvy_fault_thread_init(struct cvy_thread *th);
void cvy_fault_thread_fini(struct cvy_thread *th);

/* blocking.c: the elastic pool of threads for calls that block. */
struct cvy_job {
    struct cvy_job *next;
    int64_t queued_at;
    const struct cvy_task *task;      /* the one that waits for it; NULL: there may be more */
    bool stands_back;                 /* on a thread of the lowest priority */
    void (*run)(struct cvy_job *job); /* on a pool thread, which does not touch job afterwards */
};
int cvy_blocking_start(struct cvy_runtime *rt);
void cvy_blocking_stop(struct cvy_runtime *rt);
/* 0; -EAGAIN: no thread could be made; -ENOMEM. */
int cvy_blocking_submit(struct cvy_runtime *rt, struct cvy_job *job);
/* Where a job is done: on its thread's stack below base, while *turns stays turn. */
struct cvy_blocking_place {
    const _Atomic uint32_t *turns;
    uint32_t turn;
    const void *base;
};
/* Of the job that t waits for; the system's number of the thread, 0: it has none now. */
uint32_t cvy_blocking_thread(struct cvy_runtime *rt, const struct cvy_task *t,
                             struct cvy_blocking_place *out);
/* Before a task's job: as many at once as there may be threads. 0 or the context's error. */
int cvy_blocking_take_slot(struct cvy_thread **thp, covey_ctx *ctx, bool stands_back, covey_fn *fn);
void cvy_blocking_give_slot(struct cvy_thread *th, struct cvy_runtime *rt, bool stands_back);

/* debug.c: the knobs of COVEY_DEBUG. */
/* Whether t, which th was about to run, goes to another thread, with th's worker. */
bool cvy_migrate(struct cvy_thread *th, struct cvy_task *t);
/* Stops one of the carriers for some ms, or none, as the seed says. */
void cvy_pause_one(struct cvy_runtime *rt);
void cvy_pause_install(void);

/* native.c: another of them. */
void cvy_native_start(void);
/* What a task's checks are to have of it. */
uint8_t cvy_native_checks(void);

/* detached.c */
int cvy_detached_start(struct cvy_thread *th, const covey_site *site,
                       const covey_task_options *opts, covey_fn *fn, void *arg);
/* Waits until no detached task is alive, up to timeout_ns; whether that is so. */
bool cvy_detached_wait(struct cvy_runtime *rt, int64_t timeout_ns);

/* runtime.c. The root context stays the caller's. */
int cvy_runtime_start(const covey_options *options, covey_ctx *root_ctx, struct cvy_test *test,
                      struct cvy_runtime **out);
/* No task starts any more. Tasks that were started just before may be alive. */
void cvy_runtime_close(struct cvy_runtime *rt);
/* Workers, pool and watchdog end; tasks that are left are discarded. */
void cvy_runtime_stop(struct cvy_runtime *rt);

/* dump_signal.c */
/* The watchdog's: writes the dump that was asked for, if one was. */
void cvy_dump_signal_answer(struct cvy_runtime *rt);
void cvy_dump_signal_install(struct cvy_runtime *rt);
bool cvy_dump_signal_is_valid(int number); /* 0, none, is */
int cvy_dump_signal_from_environment(void);
void cvy_dump_signal_remove(struct cvy_runtime *rt);

/* fork.c: cvy_fork_check() is fatal in the child of a fork that a runtime did not survive. */
void cvy_fork_watch(void);
void cvy_fork_check(void);

/* slab.c */
struct cvy_task *cvy_task_alloc_slow(struct cvy_thread *th, struct cvy_runtime *rt);
/* NOLINTNEXTLINE(misc-no-recursion): see there */
static inline struct cvy_task *cvy_task_alloc(struct cvy_thread *th, struct cvy_runtime *rt)
{
    struct cvy_worker *w = th->worker;
    struct cvy_task *t = cvy_likely(w != NULL) ? w->tasks : NULL;

    if (cvy_unlikely(!t)) {
        return cvy_task_alloc_slow(th, rt);
    }
    w->tasks = t->next;
    w->task_count--;
    if (w->tasks) {
        /* The next start will fill these lines. */
        __builtin_prefetch(w->tasks, 1);
        __builtin_prefetch(&w->tasks->fn, 1);
    }
    return t;
}

void cvy_task_free_slow(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *t);
/* The caller carries w, or is a plain thread (NULL). */
static inline void cvy_task_free(struct cvy_runtime *rt, struct cvy_worker *w, struct cvy_task *t)
{
    cvy_store_relaxed(&t->state, CVY_TASK_FREE);
    if (cvy_unlikely(!w || w->task_count == CVY_TASK_CACHE - 1)) {
        cvy_task_free_slow(rt, w, t);
        return;
    }
    t->next = w->tasks;
    w->tasks = t;
    w->task_count++;
}

struct cvy_stack *cvy_stack_alloc(struct cvy_worker *w, unsigned class_index);
void cvy_stack_free(struct cvy_worker *w, struct cvy_stack *s);
/* When nobody runs any more. keep: records and stacks stay mapped. */
void cvy_slabs_fini(struct cvy_runtime *rt, bool keep);
/* As cvy_stack_pool_age() and cvy_stack_pool_trim(), for stacks and records, those that idle
 * workers hold included. */
bool cvy_slabs_age(struct cvy_runtime *rt);
bool cvy_slabs_trim(struct cvy_runtime *rt);

#endif
