/* SPDX-License-Identifier: MIT
 * signal.c - covey_ctx_with_signals (covey/ctx.h).
 *
 * The handler only notes the number and makes an eventfd readable; whoever polls then arms a timer,
 * which cancels the contexts: who waits in the poller counts as idle, and if it cancelled them, the
 * last one's end could look like a deadlock before the tasks are in a queue. Static, since a
 * handler may run at any time and on any thread.
 *
 * A handler is installed with the first context for its signal. The earlier one comes back with the
 * end of the last, and before a signal's contexts can be seen done: a second arrival then has the
 * earlier effect. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "io/io.h"
#include "io/signal.h"

#include "os/net.h"
#include "sched/wait.h"

#include <covey/ctx.h>
#include <covey/error.h>

#include <signal.h>
#include <stdlib.h>

#undef errno

#define SIGNAL_MAX 64

/* One context that waits. */
struct entry {
    struct cvy_cancel_hook hook;
    struct cvy_cancel *cancel; /* alive while in the list, and while held from there */
    uint64_t mask;             /* immutable: bit (number - 1) */
    _Atomic uint32_t refs;     /* the hook's, and that of a delivery under way */

    struct cvy_node node;      /* guarded by the lock below; next is NULL: left */
    struct entry *next_struck; /* owned by the delivery that took it out of the list */
};

static struct {
    /* The handler's. */
    _Atomic uint64_t pending;  /* arrived, not delivered */
    _Atomic int event_fd;      /* plus 1; 0: none */
    _Atomic uint32_t handlers; /* threads inside the handler */

    struct cvy_lock lock; /* rank CVY_RANK_FD; guards the rest */
    struct cvy_node entries;
    struct cvy_runtime *runtime; /* that event_fd is registered with */
    struct cvy_timer delivery;
    bool is_due; /* delivery is armed, or about to be called */
    unsigned users[SIGNAL_MAX + 1];
    struct sigaction previous[SIGNAL_MAX + 1];
} signals = {
    .lock = CVY_LOCK_INIT(CVY_RANK_FD),
    .entries = {&signals.entries, &signals.entries},
};

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

static void on_signal(int number)
{
    /* Seq_cst, as in event_close(): either it sees us inside, or we see that there is no eventfd.
     */
    atomic_fetch_add_explicit(&signals.handlers, 1, memory_order_seq_cst);
    int fd = cvy_load_seq_cst(&signals.event_fd) - 1;
    if (fd >= 0) {
        atomic_fetch_or_explicit(&signals.pending, bit_of(number), memory_order_release);
        cvy_event_signal(fd);
    }
    atomic_fetch_sub_explicit(&signals.handlers, 1, memory_order_seq_cst);
}

static void entry_unref(struct entry *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) {
        free(e);
    }
}

/* ---- handlers
 * ------------------------------------------------------------------------------------ */

/* False: the kernel refuses. */
static bool install_locked(int number)
{
    /* A task's stack may be too small for a signal frame. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};

    if (signals.users[number] == 0) {
        (void)sigfillset(&action.sa_mask);
        if (sigaction(number, &action, &signals.previous[number]) != 0) {
            return false;
        }
    }
    signals.users[number]++;
    return true;
}

static void uninstall_locked(int number)
{
    struct sigaction now;

    if (--signals.users[number] > 0) {
        return;
    }
    /* Unless the program has put in another handler meanwhile. */
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == on_signal) {
        (void)sigaction(number, &signals.previous[number], NULL);
    }
}

static void uninstall_all_locked(uint64_t mask)
{
    for (int number = 1; number <= SIGNAL_MAX; number++) {
        if (mask & bit_of(number)) {
            uninstall_locked(number);
        }
    }
}

/* All of mask or none of it. */
static bool install_all_locked(uint64_t mask)
{
    for (int number = 1; number <= SIGNAL_MAX; number++) {
        if ((mask & bit_of(number)) && !install_locked(number)) {
            uninstall_all_locked(mask & (bit_of(number) - 1));
            return false;
        }
    }
    return true;
}

/* ---- the list of contexts
 * ------------------------------------------------------------------------ */

static void leave_locked(struct entry *e)
{
    cvy_list_remove(&e->node);
    uninstall_all_locked(e->mask);
    if (cvy_list_is_empty(&signals.entries) && signals.runtime) {
        cvy_io_watch_end(signals.runtime);
    }
}

/* The context is done, for whatever reason. */
static void on_done(struct cvy_cancel_hook *h, struct cvy_wakelist *list)
{
    struct entry *e = CVY_CONTAINER_OF(h, struct entry, hook);

    (void)list;
    cvy_lock(&signals.lock);
    if (e->node.next) {
        leave_locked(e);
    }
    cvy_unlock(&signals.lock);
    entry_unref(e);
}

/* Takes the signals that have arrived, and takes out and chains whom they strike, held. */
static struct entry *strike_locked(void)
{
    struct entry *struck = NULL;
    /* Acquire: pairs with the release in on_signal(). */
    uint64_t arrived = atomic_exchange_explicit(&signals.pending, 0, memory_order_acquire);

    for (struct cvy_node *n = signals.entries.next, *next; n != &signals.entries; n = next) {
        struct entry *e = CVY_CONTAINER_OF(n, struct entry, node);
        next = n->next;
        if (e->mask & arrived) {
            /* In the list its context is not freed: the end of that takes it out first. */
            cvy_cancel_hold(e->cancel);
            atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
            leave_locked(e);
            e->next_struck = struck;
            struck = e;
        }
    }
    return struck;
}

static void cancel_all(struct entry *struck, struct cvy_wakelist *list)
{
    while (struck) {
        struct entry *e = struck;
        struct cvy_cancel *c = e->cancel;
        struck = e->next_struck;
        cvy_cancel_fire(c, COVEY_ECANCELED, -EINTR, list);
        entry_unref(e);
        cvy_cancel_unhold(c);
    }
}

static void deliver(struct cvy_timer *timer, struct cvy_wakelist *list)
{
    (void)timer;
    cvy_lock(&signals.lock);
    signals.is_due = false;
    struct entry *struck = strike_locked();
    cvy_unlock(&signals.lock);
    cancel_all(struck, list);
}

static void on_events(struct cvy_pollable *self, uint32_t events, struct cvy_wakelist *list)
{
    (void)self;
    (void)events;
    (void)list;
    cvy_lock(&signals.lock);
    if (!signals.is_due) {
        signals.is_due = true;
        signals.delivery = (struct cvy_timer){.call = deliver};
        (void)cvy_timer_add(cvy_thread_self(), &signals.delivery, 0);
    }
    cvy_unlock(&signals.lock);
}

static struct cvy_pollable pollable = {.on_events = on_events};

/* The eventfd of this runtime, on first use. */
static int event_open_locked(struct cvy_runtime *rt)
{
    if (signals.runtime == rt) {
        return 0;
    }
    int fd = cvy_event_open();
    if (fd < 0) {
        return fd;
    }
    int code = cvy_poll_add(&rt->poll, fd, CVY_POLL_IN, &pollable);
    if (code < 0) {
        cvy_net_close(fd);
        return code;
    }
    cvy_io_attach(&rt->poll);
    signals.runtime = rt;
    cvy_store_seq_cst(&signals.event_fd, fd + 1);
    return 0;
}

static void event_close_locked(void)
{
    int fd = atomic_exchange_explicit(&signals.event_fd, 0, memory_order_seq_cst) - 1;

    signals.runtime = NULL;
    /* Its timers are gone, as are its threads. */
    signals.is_due = false;
    /* A handler that read the number is about to write to it. */
    while (cvy_load_seq_cst(&signals.handlers) > 0) {
        cvy_cpu_relax();
    }
    if (fd >= 0) {
        cvy_net_close(fd);
    }
    cvy_store_relaxed(&signals.pending, 0);
}

void cvy_signal_close(struct cvy_poll *p)
{
    cvy_lock(&signals.lock);
    if (signals.runtime && &signals.runtime->poll == p) {
        while (!cvy_list_is_empty(&signals.entries)) {
            leave_locked(CVY_CONTAINER_OF(signals.entries.next, struct entry, node));
        }
        event_close_locked();
    }
    cvy_unlock(&signals.lock);
}

/* Enters the list. Signals that came before are not its own. */
static int enter(struct entry *e, struct cvy_wakelist *list)
{
    struct cvy_runtime *rt = cvy_runtime_get();

    cvy_lock(&signals.lock);
    struct entry *struck = strike_locked();
    int code = event_open_locked(rt);
    if (code == 0 && !install_all_locked(e->mask)) {
        code = -EINVAL;
    }
    if (code == 0) {
        if (cvy_list_is_empty(&signals.entries)) {
            cvy_io_watch_begin(rt);
        }
        cvy_list_push_tail(&signals.entries, &e->node);
    }
    cvy_unlock(&signals.lock);
    cancel_all(struck, list);
    return code;
}

/* ---- the call
 * ------------------------------------------------------------------------------------ */

/* Those that the program may wait for: not the ones that stand for a fault of its own. */
static bool is_allowed(int number)
{
    return number > 0 && number <= SIGNAL_MAX && number != SIGSEGV && number != SIGBUS &&
           number != SIGILL && number != SIGFPE;
}

/* Lets c be cancelled by the signals in mask. 0 or a negative code. */
static int watch_signals(struct cvy_cancel *c, uint64_t mask, struct cvy_wakelist *list)
{
    struct entry *e = cvy_alloc_zeroed(sizeof(*e));

    if (!e) {
        return -ENOMEM;
    }
    e->hook.fn = on_done;
    e->cancel = c;
    e->mask = mask;
    cvy_store_relaxed(&e->refs, 1);
    int code = enter(e, list);
    if (code < 0) {
        free(e);
        return code;
    }
    if (!cvy_cancel_hook_add(c, &e->hook)) {
        /* Done already; a delivery may be at it too. */
        on_done(&e->hook, list);
    }
    return 0;
}

covey_ctx *covey_ctx_with_signals(covey_ctx *parent, const int *list, size_t n)
{
    covey_ctx *ctx = covey_ctx_with_cancel(parent);
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    struct cvy_wakelist wakes = {0};
    uint64_t mask = 0;
    int code = 0;

    COVEY_REQUIRE(cvy_runtime_get(), "signal contexts need a running runtime (covey_run)");
    for (size_t i = 0; i < n; i++) {
        if (!is_allowed(list[i])) {
            code = -EINVAL;
        } else {
            mask |= bit_of(list[i]);
        }
    }
    struct cvy_thread *th = cvy_enter();
    if (code == 0 && mask && !cvy_cancel_is_done(c)) {
        code = watch_signals(c, mask, &wakes);
    }
    if (code < 0) {
        cvy_cancel_fire(c, COVEY_ECANCELED, code, &wakes);
    }
    cvy_ready_all(th, &wakes);
    cvy_leave(th);
    return ctx;
}
