/* SPDX-License-Identifier: MIT
 * cancellation_test.c - the rules of cancellation, held against every call that blocks. After
 * Trio's: what may block always looks; a cancelled call has had no effect; the end of a context is
 * a state, not an event: each later call under it ends too; what completed is never taken back. */
#include "support.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* What the calls work on: everything could complete at once, unless it is made to block. */
struct things {
    covey_chan *full, *room; /* one buffered value; space for one */
    covey_mutex mutex, mutex_of_cond;
    covey_rwmutex readable, writable;
    covey_sem *sem;
    covey_cond cond;
    covey_waitgroup wg;
    covey_singleflight *flight;
    covey_chan *never; /* closed when blocked calls of singleflight may end */
    int fd;
    atomic_int calls;
};

static int count_call(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add(&((struct things *)arg)->calls, 1);
    return 0;
}

static int fly(covey_ctx *ctx, void *arg, void **result)
{
    struct things *t = arg;
    atomic_fetch_add(&t->calls, 1);
    *result = NULL;
    int code = covey_chan_recv(ctx, t->never, NULL);
    return code == COVEY_ECLOSED ? 0 : code;
}

static int do_send(covey_ctx *ctx, struct things *t)
{
    int value = 8;
    return covey_chan_send(ctx, t->room, &value);
}

static int do_recv(covey_ctx *ctx, struct things *t)
{
    int value;
    return covey_chan_recv(ctx, t->full, &value);
}

static int do_select(covey_ctx *ctx, struct things *t)
{
    int in, out = 8;
    return covey_select(ctx, COVEY_RECV(t->full, &in), COVEY_SEND(t->room, &out));
}

static int do_select_default(covey_ctx *ctx, struct things *t)
{
    int in;
    return covey_select(ctx, COVEY_RECV(t->full, &in), COVEY_DEFAULT);
}

static int do_sleep(covey_ctx *ctx, struct things *t)
{
    (void)t;
    return covey_sleep(ctx, 0); /* sleeps: not at all */
}

static int do_lock(covey_ctx *ctx, struct things *t)
{
    return covey_mutex_lock_ctx(ctx, &t->mutex);
}

static int do_rlock(covey_ctx *ctx, struct things *t)
{
    return covey_rwmutex_rlock_ctx(ctx, &t->readable);
}

static int do_wlock(covey_ctx *ctx, struct things *t)
{
    return covey_rwmutex_lock_ctx(ctx, &t->writable);
}

static int do_acquire(covey_ctx *ctx, struct things *t)
{
    return covey_sem_acquire(ctx, t->sem, 1);
}

static int do_wait_group(covey_ctx *ctx, struct things *t)
{
    return covey_waitgroup_wait(ctx, &t->wg);
}

static int do_blocking(covey_ctx *ctx, struct things *t)
{
    return covey_blocking(ctx, count_call, t);
}

static int do_fly(covey_ctx *ctx, struct things *t)
{
    void *result;
    bool shared;
    return covey_singleflight_do(ctx, t->flight, "key", fly, t, &result, &shared);
}

static int do_wait_fd(covey_ctx *ctx, struct things *t)
{
    return covey_wait_fd(ctx, t->fd, COVEY_FD_READ);
}

static int do_cond_wait(covey_ctx *ctx, struct things *t)
{
    covey_mutex_lock(&t->mutex_of_cond);
    int code = covey_cond_wait(ctx, &t->cond, &t->mutex_of_cond);
    /* Held again, whatever the outcome. */
    CHECK(!covey_mutex_try_lock(&t->mutex_of_cond));
    covey_mutex_unlock(&t->mutex_of_cond);
    return code;
}

static const struct call {
    const char *name;
    int (*fn)(covey_ctx *ctx, struct things *t);
    bool can_wait; /* once the things are taken */
} calls[] = {
    {"send", do_send, true},
    {"recv", do_recv, true},
    {"select", do_select, true},
    {"select with default", do_select_default, false},
    {"sleep", do_sleep, false},
    {"mutex", do_lock, true},
    {"rwmutex reader", do_rlock, true},
    {"rwmutex writer", do_wlock, true},
    {"semaphore", do_acquire, true},
    {"wait group", do_wait_group, true},
    {"blocking", do_blocking, false},
    {"singleflight", do_fly, true},
    {"descriptor", do_wait_fd, true},
    {"condition", do_cond_wait, true},
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void open_things(struct things *t)
{
    int value = 7;

    *t = (struct things){.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
    CHECK(t->fd >= 0);
    t->full = covey_chan_new(sizeof(int), 1);
    t->room = covey_chan_new(sizeof(int), 1);
    CHECK_EQ(covey_chan_send(NULL, t->full, &value), 0);
    t->sem = covey_sem_new(1);
    t->flight = covey_singleflight_new();
    t->never = covey_chan_new(0, 0);
}

static void close_things(struct things *t)
{
    (void)covey_chan_close(t->never);
    covey_singleflight_free(t->flight);
    covey_chan_unref(t->never);
    covey_chan_unref(t->full);
    covey_chan_unref(t->room);
    covey_sem_free(t->sem);
    CHECK_EQ(close(t->fd), 0);
}

/* Nothing was taken, given, locked, counted or run. */
static void check_untouched(struct things *t)
{
    CHECK_EQ(covey_chan_len(t->full), 1);
    CHECK_EQ(covey_chan_len(t->room), 0);
    CHECK(covey_mutex_try_lock(&t->mutex));
    CHECK(covey_rwmutex_try_lock(&t->readable));
    CHECK(covey_rwmutex_try_lock(&t->writable));
    CHECK(covey_sem_try_acquire(t->sem, 1));
    CHECK_EQ(atomic_load(&t->calls), 0);
    covey_mutex_unlock(&t->mutex);
    covey_rwmutex_unlock(&t->readable);
    covey_rwmutex_unlock(&t->writable);
    covey_sem_release(t->sem, 1);
}

static void every_call_under(covey_ctx *done, int code)
{
    struct things t;

    open_things(&t);
    for (int i = 0; i < CALLS; i++) {
        for (int again = 0; again < 3; again++) {
            int got = calls[i].fn(done, &t);
            if (got != code) {
                (void)fprintf(stderr, "# %s: %d\n", calls[i].name, got);
            }
            CHECK_EQ(got, code);
            CHECK(strstr(covey_errmsg(), covey_strerror(code)));
        }
    }
    check_untouched(&t);
    close_things(&t);
}

TASK_TEST(every_call_under_a_cancelled_context_ends_each_time_and_does_nothing)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);

    every_call_under(done, COVEY_ECANCELED);
    covey_ctx_unref(done);
}

TASK_TEST(every_call_after_a_deadline_ends_each_time_and_does_nothing)
{
    covey_ctx *done = done_ctx(COVEY_EDEADLINE);

    every_call_under(done, COVEY_EDEADLINE);
    covey_ctx_unref(done);
}

static int everything(covey_ctx *ctx, void *arg)
{
    (void)arg;
    every_call_under(ctx, COVEY_ECANCELED);
    return 0;
}

TASK_TEST(every_call_of_a_task_in_a_cancelled_group_ends_too)
{
    covey_group *g = covey_group_new(ctx);

    covey_group_cancel(g, -EINTR);
    GO(g, everything, NULL);
    JOIN(g);
}

/* ---- waits that a cancellation ends ---- */

static void take_things(struct things *t)
{
    int value;
    uint64_t count;

    CHECK_EQ(covey_chan_recv(NULL, t->full, &value), 0);
    CHECK_EQ(covey_chan_send(NULL, t->room, &value), 0);
    covey_mutex_lock(&t->mutex);
    covey_rwmutex_lock(&t->readable);
    covey_rwmutex_rlock(&t->writable);
    CHECK(covey_sem_try_acquire(t->sem, 1));
    covey_waitgroup_add(&t->wg, 1);
    CHECK_EQ(read(t->fd, &count, sizeof(count)), sizeof(count));
}

static void give_things(struct things *t)
{
    int value = 7;
    uint64_t one = 1;

    CHECK_EQ(covey_chan_send(NULL, t->full, &value), 0);
    CHECK_EQ(covey_chan_recv(NULL, t->room, &value), 0);
    covey_mutex_unlock(&t->mutex);
    covey_rwmutex_unlock(&t->readable);
    covey_rwmutex_runlock(&t->writable);
    covey_sem_release(t->sem, 1);
    covey_waitgroup_done(&t->wg);
    CHECK_EQ(write(t->fd, &one, sizeof(one)), sizeof(one));
}

struct waiting {
    const struct call *call;
    struct things *things;
    covey_ctx *ctx;
    int code;
};

static int wait_under(covey_ctx *ctx, void *arg)
{
    struct waiting *w = arg;
    (void)ctx;
    w->code = w->call->fn(w->ctx, w->things);
    return 0;
}

TASK_TEST(every_wait_ends_with_its_context_and_has_done_nothing)
{
    for (int i = 0; i < CALLS; i++) {
        if (!calls[i].can_wait) {
            continue;
        }
        struct things t;
        open_things(&t);
        take_things(&t);
        struct waiting w = {&calls[i], &t, covey_ctx_with_cancel(ctx), 1};
        covey_group *g = covey_group_new(NULL);
        go_waiting(g, "waiter", wait_under, &w);
        covey_ctx_cancel(w.ctx);
        JOIN(g);
        CHECK_EQ(w.code, COVEY_ECANCELED);
        give_things(&t);
        /* A run of singleflight did start: its caller left it. */
        atomic_store(&t.calls, 0);
        check_untouched(&t);
        covey_ctx_unref(w.ctx);
        close_things(&t);
    }
}

/* Cancel and the event at once: either the call is cancelled and has done nothing, or it is not and
 * has done all. */
struct race {
    struct things *t;
    covey_ctx *ctx;
};

static int release_all(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    give_things(((struct race *)arg)->t);
    return 0;
}

static int cancel_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(((struct race *)arg)->ctx);
    return 0;
}

TASK_TEST(an_event_and_a_cancellation_at_once_have_one_outcome)
{
    for (int round = 0; round < 40; round++) {
        struct things t;
        open_things(&t);
        take_things(&t);
        struct race r = {&t, covey_ctx_with_cancel(ctx)};
        struct waiting lock = {&calls[5], &t, r.ctx, 1}, acquire = {&calls[8], &t, r.ctx, 1};
        covey_group *g = covey_group_new(NULL);
        go_waiting(g, "lock", wait_under, &lock);
        go_waiting(g, "acquire", wait_under, &acquire);
        GO(g, round & 1 ? release_all : cancel_it, &r);
        GO(g, round & 1 ? cancel_it : release_all, &r);
        JOIN(g);
        CHECK(lock.code == 0 || lock.code == COVEY_ECANCELED);
        CHECK(acquire.code == 0 || acquire.code == COVEY_ECANCELED);
        CHECK_EQ(covey_mutex_try_lock(&t.mutex), lock.code != 0);
        covey_mutex_unlock(&t.mutex);
        CHECK_EQ(covey_sem_try_acquire(t.sem, 1), acquire.code != 0);
        covey_sem_release(t.sem, 1);
        check_untouched(&t);
        covey_ctx_unref(r.ctx);
        close_things(&t);
    }
}
