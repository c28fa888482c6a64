/* SPDX-License-Identifier: MIT
 * task.h - the records of tasks and of the OS threads that carry them.
 *
 * A task that has not run yet is only this record: it gets a stack when a worker first switches to
 * it. Plain threads have a task record too (is_foreign), so that they wait in the same queues; it
 * parks on a futex. Records come from slabs, never move, and stay readable while the runtime is up:
 * a late wake or a dump may look at a dead one. */
#ifndef CVY_SCHED_TASK_H
#define CVY_SCHED_TASK_H

#include "base/list.h"
#include "os/stack.h"

#include <covey/defs.h>
#include <covey/task.h>
#include <covey/trace_format.h>

#include <assert.h>

struct cvy_cancel;
struct cvy_thread;
struct cvy_task;

enum cvy_task_state {
    CVY_TASK_FREE,
    CVY_TASK_NEW,
    CVY_TASK_RUNNABLE,
    CVY_TASK_RUNNING,
    CVY_TASK_WAITING,
};

/* Beside a state, from the wait on: that the task was woken is not recorded, and will be with the
 * switch to it (recording.h). */
#define CVY_TASK_UNTOLD 0x80u

/* What a task waits for, for dumps. */
enum cvy_reason {
    CVY_WAIT_NONE,
    CVY_WAIT_SEND,
    CVY_WAIT_RECV,
    CVY_WAIT_SELECT,
    CVY_WAIT_MUTEX,
    CVY_WAIT_RWMUTEX_READ,
    CVY_WAIT_RWMUTEX_WRITE,
    CVY_WAIT_COND,
    CVY_WAIT_SEM,
    CVY_WAIT_WAITGROUP,
    CVY_WAIT_ONCE,
    CVY_WAIT_GROUP,
    CVY_WAIT_GROUP_LIMIT,
    CVY_WAIT_SLEEP,
    CVY_WAIT_READ,
    CVY_WAIT_WRITE,
    CVY_WAIT_ACCEPT,
    CVY_WAIT_DIAL,
    CVY_WAIT_BLOCKING,
    CVY_WAIT_RESOLVE,
    CVY_WAIT_SINGLEFLIGHT,
    CVY_WAIT_SETTLE,
    CVY_WAIT_HANGUP,
};

/* The message of the last failure. text, if any, was formatted; else it is made on demand from the
 * deadline's site or from the code alone, so that a failing call costs no formatting. */
struct cvy_message {
    int code;
    char *text; /* owned */
    const covey_site *site;
    int64_t timeout_ns;
};

/* One place in one queue. Guarded by the queue's lock; lives in the waiting call's frame, which
 * does not return before it has left the queue. */
struct cvy_waiter {
    struct cvy_node node; /* next is NULL while it is in no queue */
    struct cvy_task *task;
    void *elem;
    int64_t amount; /* the queue's own: permits, a deadline, a kind */
    int32_t index;  /* outcome for the claim when this queue wakes it */
    int32_t result; /* written by who claims, read after the wake */
};

/* Ends a task: what its owner (group) does with its code. Runs on the task's stack, in the runtime,
 * and must not touch the task after it has told the owner. */
typedef void cvy_end_fn(struct cvy_task *t, void *owner, int code);

struct cvy_scope;

/* What a record owns beyond itself; see cvy_task_clear(). */
#define CVY_OWNS_NAME 1u
#define CVY_OWNS_COPY 2u /* arg is on the heap */
#define CVY_OWNS_MESSAGE 4u
#define CVY_OWNS_SCOPES 8u /* has opened one, or deferred a call */

/* What is looked at each time a task leaves its thread. */
#define CVY_CHECK_CANARY 1u /* its stack's is whole */
#define CVY_CHECK_NATIVE 2u /* its thread holds no pthread mutex: COVEY_DEBUG=native */

/* A wait, a wake and a switch touch the first cache line; start and end the second, too. A free
 * record is clean: whatever a start does not set is zero, and all zero is a clean free record. */
struct cvy_task {
    /* Owned by the worker that runs it; by its queue while it is runnable. */
    _Alignas(CVY_CACHE_LINE) void *sp;
    struct cvy_stack *stack; /* NULL: has not run yet */
    struct cvy_task *next;   /* in a wake list or a free list */

    /* The one claim: see wait.h. */
    _Atomic uint32_t claim;
    /* 1 from before the switch to it until after the switch away: who finds it in a queue earlier
     * than that must wait. Release in cvy_after_switch(), acquire before the switch to it. */
    _Atomic uint8_t on_cpu;

    /* For dumps: written by the task, read by anyone, torn reads allowed. */
    _Atomic uint8_t state; /* with CVY_TASK_UNTOLD */

    uint8_t stack_class; /* immutable from start to end */

    /* Owned by the task itself. */
    struct cvy_cancel *registered; /* holds it; ctx_waiter is, or was, in its list */
    int saved_errno;
    uint8_t pins;   /* not 0: see pinned_to; read by who dequeues it */
    uint8_t checks; /* CVY_CHECK_*, each time it leaves its thread */
    uint8_t owns;
    bool is_foreign; /* immutable */

    /* For dumps, as above. */
    _Atomic uint64_t wait;      /* what for: see cvy_wait_word() */
    _Atomic int64_t wait_since; /* clock of the worker's last look; 0: unknown */

    /* Immutable from start to end. */
    covey_fn *fn;
    covey_ctx *ctx;
    void *arg;
    cvy_end_fn *on_end;
    void *owner;
    const covey_site *site;
    uint64_t id;

    uint16_t slab;   /* the record's own: see slab.c */
    uint16_t ran_on; /* COVEY_DEBUG=migrate: the number of the thread that ran it last */

    /* Foreign only: 1 is a wake not yet taken. Release by the waker, acquire by the sleeper. */
    _Atomic uint32_t wake;

    struct cvy_thread *pinned_to; /* written by the task, read by who dequeues it */

    /* Owned by the task itself. */
    struct cvy_scope *scopes; /* what it has opened; the last first */
    struct cvy_message message;
    struct cvy_waiter ctx_waiter;

    char name[32]; /* empty: site->name */

    _Alignas(16) char small[64]; /* small argument copies */
};

static_assert(offsetof(struct cvy_task, fn) == CVY_CACHE_LINE &&
                  offsetof(struct cvy_task, pinned_to) == 2 * CVY_CACHE_LINE,
              "two hot lines");
static_assert(sizeof(struct cvy_task) == 5 * CVY_CACHE_LINE, "a million of them count");

static inline unsigned cvy_task_state(const struct cvy_task *t)
{
    return cvy_load_relaxed(&t->state) & ~CVY_TASK_UNTOLD;
}

/* A reason and an object in one word; which is also the event that says so in a trace. */
static inline uint64_t cvy_wait_word(enum cvy_reason reason, const void *object)
{
    return (uint64_t)(uintptr_t)object << 16 | (uint64_t)reason << 8 | COVEY_TRACE_park;
}

static inline enum cvy_reason cvy_wait_reason(uint64_t wait)
{
    return (enum cvy_reason)(wait >> 8 & 0xFF);
}

static inline const void *cvy_wait_object(uint64_t wait)
{
    return (const void *)(uintptr_t)(wait >> 16);
}

static inline enum cvy_reason cvy_task_reason(const struct cvy_task *t)
{
    return cvy_wait_reason(cvy_load_relaxed(&t->wait));
}

/* What stands in a task's list of scopes. */
enum cvy_scope_kind { CVY_SCOPE_GROUP, CVY_SCOPE_DEFERRED, CVY_SCOPE_NOTE };

/* What a task must close before it ends; a group has one. Owned by the opener. Deferred calls, and
 * notes of what it waits for (note.h), stand in the same list. */
struct cvy_scope {
    struct cvy_scope *next, **link; /* *link == this scope */
    struct cvy_task *opener;        /* NULL: a plain thread, which is not checked */
    const covey_site *site;
    enum cvy_scope_kind kind; /* immutable */
};

static inline void cvy_scope_open(struct cvy_scope *s, struct cvy_task *t)
{
    s->opener = t;
    t->owns |= CVY_OWNS_SCOPES;
    s->next = t->scopes;
    s->link = &t->scopes;
    if (s->next) {
        s->next->link = &s->next;
    }
    t->scopes = s;
}

static inline void cvy_scope_close(struct cvy_scope *s)
{
    *s->link = s->next;
    if (s->next) {
        s->next->link = s->link;
    }
}

/* At the end of th's task, with this code: runs its deferred calls. May switch threads: returns the
 * present one. */
struct cvy_thread *cvy_deferred_run(struct cvy_thread *th, int code);
/* Frees those of a task that will not run them. */
void cvy_deferred_drop(struct cvy_task *t);

/* Tasks to be made runnable once all locks are released. */
struct cvy_wakelist {
    struct cvy_task *head, *tail;
    size_t count;
};

static inline void cvy_wakelist_add(struct cvy_wakelist *l, struct cvy_task *t)
{
    t->next = NULL;
    if (l->tail) {
        l->tail->next = t;
    } else {
        l->head = t;
    }
    l->tail = t;
    l->count++;
}

static inline const char *cvy_task_label(const struct cvy_task *t)
{
    if (t->name[0]) {
        return t->name;
    }
    return t->site && t->site->name ? t->site->name : "task";
}

/* What to start. */
struct cvy_start {
    const covey_site *site;
    const covey_task_options *opts; /* may be NULL */
    covey_fn *fn;
    void *arg;
    const void *copy; /* with copy_len: fn gets a copy instead of arg */
    size_t copy_len;
    bool has_copy;
    covey_ctx *ctx;
    cvy_end_fn *on_end;
    void *owner;
};

/* Makes a task and puts it in a queue; the caller is in the runtime. 0, -ENOMEM, -EINVAL,
 * COVEY_ECLOSED. */
int cvy_task_start(struct cvy_thread *th, const struct cvy_start *s);
/* Checks opts alone. */
int cvy_task_check_options_slow(const covey_task_options *opts);
static inline int cvy_task_check_options(const covey_task_options *opts)
{
    return opts ? cvy_task_check_options_slow(opts) : 0;
}
/* Frees what a record owns; not the record. */
void cvy_task_clear_slow(struct cvy_task *t);
static inline void cvy_task_clear(struct cvy_task *t)
{
    if (cvy_unlikely(t->owns)) {
        cvy_task_clear_slow(t);
    }
}

/* Messages; the task is the caller's own. cvy_fail() returns code. */
int cvy_fail(struct cvy_task *t, int code);
int cvy_fail_deadline(struct cvy_task *t, int code, const covey_site *site, int64_t timeout_ns);
/* Moves m out as the message of code: without words if it is another code's. Formats nothing. */
struct cvy_message cvy_message_take(struct cvy_message *m, int code);
/* Puts a taken message in place of t's. */
void cvy_message_put(struct cvy_task *t, struct cvy_message m);
/* Its words, formatted at the first call. */
const char *cvy_message_words(struct cvy_message *m);

#endif
