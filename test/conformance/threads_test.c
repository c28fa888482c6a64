/* SPDX-License-Identifier: MIT
 * threads_test.c - every primitive from plain pthreads, mixed with tasks: a thread blocks itself, a
 * task only itself, and they meet as equals. */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static const int64_t hour = 3600 * COVEY_SEC;

/* A plain thread; joining it parks the task. */
struct thread {
    pthread_t id;
};

static struct thread thread_start(void *(*fn)(void *), void *arg)
{
    struct thread t;

    CHECK_EQ(pthread_create(&t.id, NULL, fn, arg), 0);
    return t;
}

static int join_fn(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(((struct thread *)arg)->id, NULL);
}

static void thread_join(struct thread t)
{
    CHECK_EQ(covey_blocking(NULL, join_fn, &t), 0);
}

/* What a thread is given. */
struct job {
    covey_ctx *ctx;
    covey_chan *in, *out;
    void *object;
    int value, result;
    atomic_int ended;
};

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Identity. */

static void *check_identity(void *arg)
{
    (void)arg;
    CHECK_EQ(covey_task_id(), 0);
    CHECK_STR(covey_task_name(), "");
    CHECK_STR(covey_errmsg(), "");
    CHECK_EQ(covey_errorf(-EIO, "thread's own"), -EIO);
    covey_yield();
    covey_pin();
    covey_unpin();
    CHECK(covey_now() > 0);
    CHECK_STR(covey_errmsg(), "thread's own");
    errno = 77;
    CHECK_EQ(errno, 77);
    CHECK(covey_workers() >= 1);
    return NULL;
}

TASK_TEST(a_plain_thread_is_no_task_and_has_words_of_its_own)
{
    (void)covey_errorf(-EINVAL, "the task's");
    errno = 5;
    thread_join(thread_start(check_identity, NULL));
    CHECK_STR(covey_errmsg(), "the task's");
    CHECK_EQ(errno, 5);
}

/* Channels. */

static void *echo_thread(void *arg)
{
    struct job *j = arg;
    int v;

    while (covey_chan_recv(NULL, j->in, &v) == 0) {
        v++;
        CHECK_EQ(covey_chan_send(NULL, j->out, &v), 0);
    }
    CHECK_EQ(covey_chan_close(j->out), 0);
    return NULL;
}

TASK_TEST(a_thread_and_a_task_play_ping_pong)
{
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct job j = {.in = covey_chan_new(sizeof(int), capacity),
                        .out = covey_chan_new(sizeof(int), capacity)};
        struct thread t = thread_start(echo_thread, &j);

        for (int i = 0; i < 1000; i++) {
            send_int(j.in, i);
            CHECK_EQ(recv_int(j.out), i + 1);
        }
        CHECK_EQ(covey_chan_close(j.in), 0);
        CHECK_EQ(covey_chan_recv(NULL, j.out, NULL), COVEY_ECLOSED);
        thread_join(t);
        covey_chan_unref(j.in);
        covey_chan_unref(j.out);
    }
}

TASK_TEST(two_threads_play_ping_pong)
{
    struct job a = {.in = covey_chan_new(sizeof(int), 0), .out = covey_chan_new(sizeof(int), 0)};
    struct job b = {.in = a.out, .out = covey_chan_new(sizeof(int), 0)};
    struct thread ta = thread_start(echo_thread, &a), tb = thread_start(echo_thread, &b);

    for (int i = 0; i < 500; i++) {
        send_int(a.in, i);
        CHECK_EQ(recv_int(b.out), i + 2);
    }
    CHECK_EQ(covey_chan_close(a.in), 0);
    CHECK_EQ(covey_chan_recv(NULL, b.out, NULL), COVEY_ECLOSED);
    thread_join(ta);
    thread_join(tb);
    covey_chan_unref(a.in);
    covey_chan_unref(a.out);
    covey_chan_unref(b.out);
}

static void *recv_thread(void *arg)
{
    struct job *j = arg;

    j->result = covey_chan_recv(j->ctx, j->in, &j->value);
    atomic_store(&j->ended, 1);
    return NULL;
}

static void *send_thread(void *arg)
{
    struct job *j = arg;

    j->result = covey_chan_send(j->ctx, j->out, &j->value);
    atomic_store(&j->ended, 1);
    return NULL;
}

TASK_TEST(a_waiting_thread_is_woken_by_close)
{
    struct job r = {.in = covey_chan_new(sizeof(int), 0), .value = 77};
    struct job s = {.out = covey_chan_new(sizeof(int), 0)};
    struct thread tr = thread_start(recv_thread, &r), ts = thread_start(send_thread, &s);

    settle();
    CHECK_EQ(atomic_load(&r.ended) + atomic_load(&s.ended), 0);
    CHECK_EQ(covey_chan_close(r.in), 0);
    CHECK_EQ(covey_chan_close(s.out), 0);
    thread_join(tr);
    thread_join(ts);
    CHECK_EQ(r.result, COVEY_ECLOSED);
    CHECK_EQ(r.value, 0);
    CHECK_EQ(s.result, COVEY_ECLOSED);
    covey_chan_unref(r.in);
    covey_chan_unref(s.out);
}

TASK_TEST(a_waiting_thread_is_woken_by_cancellation_and_deadline)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    struct job r = {.in = ch, .ctx = c}, s = {.out = ch, .ctx = late};
    struct thread ts = thread_start(send_thread, &s), tr;

    thread_join(ts);
    CHECK_EQ(s.result, COVEY_EDEADLINE);
    tr = thread_start(recv_thread, &r);
    settle();
    CHECK_EQ(atomic_load(&r.ended), 0);
    covey_ctx_cancel(c);
    thread_join(tr);
    CHECK_EQ(r.result, COVEY_ECANCELED);
    CHECK_EQ(covey_chan_try_recv(ch, NULL), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_send(ch, &r.value), COVEY_EAGAIN);
    covey_chan_unref(ch);
    covey_ctx_unref(c);
    covey_ctx_unref(late);
}

enum { STREAM = 2000 };

static void *produce_thread(void *arg)
{
    struct job *j = arg;

    for (int i = 1; i <= STREAM; i++) {
        send_int(j->out, i);
    }
    return NULL;
}

static int produce_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)produce_thread(arg);
    return 0;
}

static void *consume_thread(void *arg)
{
    struct job *j = arg;
    long sum = 0;
    int v;

    while (covey_chan_recv(NULL, j->in, &v) == 0) {
        sum += v;
    }
    atomic_fetch_add((atomic_long *)j->object, sum);
    return NULL;
}

static int consume_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)consume_thread(arg);
    return 0;
}

TASK_TEST(threads_and_tasks_share_a_channel_and_lose_nothing)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 3);
    atomic_long sum = 0;
    struct job j = {.in = ch, .out = ch, .object = &sum};
    covey_group *producers = covey_group_new(ctx), *consumers = covey_group_new(ctx);
    struct thread p[2], c[2];

    for (int i = 0; i < 2; i++) {
        p[i] = thread_start(produce_thread, &j);
        c[i] = thread_start(consume_thread, &j);
        GO(producers, produce_task, &j);
        GO(consumers, consume_task, &j);
    }
    JOIN(producers);
    thread_join(p[0]);
    thread_join(p[1]);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(consumers);
    thread_join(c[0]);
    thread_join(c[1]);
    CHECK_EQ(atomic_load(&sum), 4L * STREAM * (STREAM + 1) / 2);
    covey_chan_unref(ch);
}

/* Select. */

static void *select_thread(void *arg)
{
    struct job *j = arg;

    j->result = covey_select(j->ctx, COVEY_RECV(j->in, &j->value), COVEY_SEND(j->out, &j->value),
                             COVEY_DONE(j->object), COVEY_AFTER(hour));
    atomic_store(&j->ended, 1);
    return NULL;
}

TASK_TEST(a_thread_selects)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx), *done = covey_ctx_with_cancel(ctx);
    struct job j = {.ctx = c,
                    .in = covey_chan_new(sizeof(int), 0),
                    .out = covey_chan_new(sizeof(int), 0),
                    .object = done,
                    .value = 1};
    struct thread t = thread_start(select_thread, &j);

    settle();
    CHECK_EQ(atomic_load(&j.ended), 0);
    send_int(j.in, 5);
    thread_join(t);
    CHECK_EQ(j.result, 0);
    CHECK_EQ(j.value, 5);
    t = thread_start(select_thread, &j);
    CHECK_EQ(recv_int(j.out), 5);
    thread_join(t);
    CHECK_EQ(j.result, 1);
    t = thread_start(select_thread, &j);
    settle();
    covey_ctx_cancel(done);
    thread_join(t);
    CHECK_EQ(j.result, 2);
    j.object = NULL;
    t = thread_start(select_thread, &j);
    settle();
    covey_ctx_cancel(c);
    thread_join(t);
    CHECK_EQ(j.result, COVEY_ECANCELED);
    covey_chan_unref(j.in);
    covey_chan_unref(j.out);
    covey_ctx_unref(c);
    covey_ctx_unref(done);
}

static void *select_default_thread(void *arg)
{
    struct job *j = arg;

    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_DEFAULT), 1);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_AFTER(COVEY_MS)), 1);
    CHECK_EQ(covey_select(NULL, COVEY_AFTER(0)), 0);
    return NULL;
}

TASK_TEST(a_threads_select_takes_default_and_after)
{
    struct job j = {.in = covey_chan_new(0, 0)};

    thread_join(thread_start(select_default_thread, &j));
    covey_chan_unref(j.in);
}

/* Locks and counters. */

struct counters {
    covey_mutex mutex;
    covey_rwmutex rw;
    covey_cond cond;
    covey_sem *sem;
    covey_waitgroup wg;
    covey_once_flag once;
    int under_mutex, under_rw, under_sem, turn;
    atomic_int onces;
};

enum { TURNS = 300 };

static void run_once(void *arg)
{
    struct counters *c = arg;

    atomic_fetch_add(&c->onces, 1);
    covey_yield();
}

static void *count_thread(void *arg)
{
    struct counters *c = arg;

    covey_once(&c->once, run_once, c);
    CHECK_EQ(atomic_load(&c->onces), 1);
    for (int i = 0; i < TURNS; i++) {
        covey_mutex_lock(&c->mutex);
        c->under_mutex++;
        covey_mutex_unlock(&c->mutex);
        if (i % 4 == 0) {
            covey_rwmutex_lock(&c->rw);
            c->under_rw++;
            covey_rwmutex_unlock(&c->rw);
        } else {
            covey_rwmutex_rlock(&c->rw);
            CHECK(c->under_rw >= 0);
            covey_rwmutex_runlock(&c->rw);
        }
        CHECK_EQ(covey_sem_acquire(NULL, c->sem, 1 + i % 2), 0);
        if (i % 2) { /* both permits: alone */
            c->under_sem++;
        }
        covey_sem_release(c->sem, 1 + i % 2);
    }
    covey_waitgroup_done(&c->wg);
    return NULL;
}

static int count_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)count_thread(arg);
    return 0;
}

TASK_TEST(threads_and_tasks_share_locks)
{
    struct counters c = {.sem = covey_sem_new(2)};
    struct thread t[3];
    covey_group *g = covey_group_new(ctx);

    covey_waitgroup_add(&c.wg, 6);
    for (int i = 0; i < 3; i++) {
        t[i] = thread_start(count_thread, &c);
        GO(g, count_task, &c);
    }
    CHECK_EQ(covey_waitgroup_wait(ctx, &c.wg), 0);
    CHECK_EQ(c.under_mutex, 6 * TURNS);
    CHECK_EQ(c.under_rw, 6 * TURNS / 4);
    CHECK_EQ(c.under_sem, 6 * TURNS / 2);
    JOIN(g);
    for (int i = 0; i < 3; i++) {
        thread_join(t[i]);
    }
    covey_sem_free(c.sem);
}

static void take_turns(struct counters *c, int me)
{
    for (int i = 0; i < TURNS; i++) {
        covey_mutex_lock(&c->mutex);
        while (c->turn % 2 != me) {
            CHECK_EQ(covey_cond_wait(NULL, &c->cond, &c->mutex), 0);
        }
        c->turn++;
        covey_cond_signal(&c->cond);
        covey_mutex_unlock(&c->mutex);
    }
}

static void *turn_thread(void *arg)
{
    take_turns(arg, 1);
    return NULL;
}

TASK_TEST(a_thread_and_a_task_take_turns_by_a_condition)
{
    struct counters c = {.turn = 0};
    struct thread t = thread_start(turn_thread, &c);

    take_turns(&c, 0);
    thread_join(t);
    CHECK_EQ(c.turn, 2 * TURNS);
}

static void *cancelled_waits_thread(void *arg)
{
    struct counters *c = arg;
    covey_ctx *done = done_ctx(COVEY_ECANCELED);

    for (int i = 0; i < 5; i++) {
        covey_ctx *late =
            i == 0 ? covey_ctx_ref(done) : covey_ctx_with_timeout(NULL, 200 * COVEY_US);
        int expected = i == 0 ? COVEY_ECANCELED : COVEY_EDEADLINE;
        covey_mutex own = {0};

        CHECK_EQ(covey_mutex_lock_ctx(late, &c->mutex), expected);
        CHECK_EQ(covey_rwmutex_lock_ctx(late, &c->rw), expected);
        CHECK_EQ(covey_rwmutex_rlock_ctx(late, &c->rw), expected);
        CHECK_EQ(covey_sem_acquire(late, c->sem, 1), expected);
        CHECK_EQ(covey_waitgroup_wait(late, &c->wg), expected);
        covey_mutex_lock(&own);
        CHECK_EQ(covey_cond_wait(late, &c->cond, &own), expected);
        CHECK(!covey_mutex_try_lock(&own));
        covey_mutex_unlock(&own);
        CHECK_EQ(covey_sleep(late, hour), expected);
        covey_ctx_unref(late);
    }
    CHECK(!covey_mutex_try_lock(&c->mutex));
    CHECK(!covey_rwmutex_try_rlock(&c->rw));
    CHECK(!covey_sem_try_acquire(c->sem, 1));
    covey_ctx_unref(done);
    return NULL;
}

TASK_TEST(every_wait_of_a_thread_ends_with_its_context)
{
    struct counters c = {.sem = covey_sem_new(1)};

    covey_mutex_lock(&c.mutex);
    covey_rwmutex_lock(&c.rw);
    CHECK_EQ(covey_sem_acquire(ctx, c.sem, 1), 0);
    covey_waitgroup_add(&c.wg, 1);
    thread_join(thread_start(cancelled_waits_thread, &c));
    covey_mutex_unlock(&c.mutex);
    covey_rwmutex_unlock(&c.rw);
    covey_sem_release(c.sem, 1);
    covey_waitgroup_done(&c.wg);
    CHECK(covey_mutex_try_lock(&c.mutex));
    covey_mutex_unlock(&c.mutex);
    CHECK(covey_rwmutex_try_lock(&c.rw));
    covey_rwmutex_unlock(&c.rw);
    covey_sem_free(c.sem);
}

static void *unlock_thread(void *arg)
{
    covey_mutex_unlock(arg);
    return NULL;
}

TASK_TEST(a_thread_may_unlock_what_a_task_locked)
{
    covey_mutex m = {0};
    struct thread t;

    covey_mutex_lock(&m);
    t = thread_start(unlock_thread, &m);
    covey_mutex_lock(&m);
    covey_mutex_unlock(&m);
    thread_join(t);
}

/* Time. */

static void *time_thread(void *arg)
{
    int64_t start = covey_now(), at;
    covey_timer *t = covey_timer_new(COVEY_MS);
    covey_ticker *tick = covey_ticker_new(COVEY_MS);

    (void)arg;
    CHECK_EQ(covey_sleep(NULL, 2 * COVEY_MS), 0);
    CHECK(covey_now() - start >= 2 * COVEY_MS);
    CHECK_EQ(covey_sleep(NULL, 0), 0);
    CHECK_EQ(covey_chan_recv(NULL, covey_timer_chan(t), &at), 0);
    CHECK(at >= start + COVEY_MS);
    CHECK(!covey_timer_reset(t, COVEY_MS));
    CHECK_EQ(covey_chan_recv(NULL, covey_timer_chan(t), &at), 0);
    CHECK(!covey_timer_reset(t, hour));
    CHECK(covey_timer_stop(t));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_chan_recv(NULL, covey_ticker_chan(tick), &at), 0);
    }
    covey_timer_free(t);
    covey_ticker_free(tick);
    return NULL;
}

TASK_TEST(threads_sleep_and_use_timers)
{
    struct thread t[4];

    for (int i = 0; i < 4; i++) {
        t[i] = thread_start(time_thread, NULL);
    }
    for (int i = 0; i < 4; i++) {
        thread_join(t[i]);
    }
}

static int signal_task(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK(covey_task_id() != 0);
    return covey_chan_send(NULL, arg, NULL);
}

static void *after_thread(void *arg)
{
    covey_ctx *c = covey_ctx_with_cancel(NULL);
    covey_timer *t = covey_after_func(0, signal_task, arg);
    covey_stop *s = covey_ctx_after_func(c, signal_task, arg);

    CHECK_EQ(covey_chan_recv(NULL, arg, NULL), 0);
    CHECK(!covey_timer_stop(t));
    covey_ctx_cancel(c);
    CHECK_EQ(covey_chan_recv(NULL, arg, NULL), 0);
    CHECK(!covey_stop_call(s));
    covey_timer_free(t);
    covey_ctx_unref(c);
    return NULL;
}

TASK_TEST(threads_start_after_funcs)
{
    covey_chan *ch = covey_chan_new(0, 0);

    thread_join(thread_start(after_thread, ch));
    covey_chan_unref(ch);
}

/* Contexts. */

static void *cancel_thread(void *arg)
{
    covey_ctx_cancel_cause(arg, -EIO);
    return NULL;
}

TASK_TEST(a_thread_cancels_a_tasks_context)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct thread t = thread_start(cancel_thread, c);

    CHECK_EQ(covey_sleep(c, hour), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(c), -EIO);
    thread_join(t);
    covey_ctx_unref(c);
}

static void *done_channel_thread(void *arg)
{
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(arg), NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_ctx_err(arg), COVEY_ECANCELED);
    return NULL;
}

TASK_TEST(a_thread_waits_for_a_contexts_end)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct thread t = thread_start(done_channel_thread, c);

    settle();
    covey_ctx_cancel(c);
    thread_join(t);
    covey_ctx_unref(c);
}

/* Starting tasks. */

static void *start_tasks_thread(void *arg)
{
    atomic_int *count = arg;
    covey_waitgroup wg = {0};
    covey_task_options opts = {.name = "from a thread"};

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_waitgroup_go(&wg, count_up, count), 0);
    }
    CHECK_EQ(covey_waitgroup_wait(NULL, &wg), 0);
    CHECK(atomic_load(count) >= 100);
    CHECK_EQ(covey_go(count_up, count), 0);
    CHECK_EQ(covey_go_with(&opts, count_up, count), 0);
    return NULL;
}

static int start_from_threads(covey_ctx *ctx, void *arg)
{
    struct thread t[3];

    (void)ctx;
    for (int i = 0; i < 3; i++) {
        t[i] = thread_start(start_tasks_thread, arg);
    }
    for (int i = 0; i < 3; i++) {
        thread_join(t[i]);
    }
    return 0;
}

TEST(threads_start_tasks)
{
    atomic_int count = 0;

    CHECK_EQ(covey_run(start_from_threads, &count), 0);
    CHECK_EQ(atomic_load(&count), 3 * 102);
}

static int fail_with_words(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-EIO, "for the thread");
}

static void *group_thread(void *arg)
{
    covey_group_options opts = {.limit = 2};
    covey_group *g = covey_group_new_with(arg, &opts);
    atomic_int count = 0;

    for (int i = 0; i < 50; i++) { /* and waits for the limit */
        GO(g, count_up, &count);
    }
    CHECK_EQ(covey_select(NULL, COVEY_JOINED(g)), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 50);
    g = covey_group_new(arg);
    GO(g, fail_with_words, NULL);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_STR(covey_errmsg(), "for the thread");
    return NULL;
}

TASK_TEST(a_thread_opens_and_joins_groups)
{
    struct thread t[3];

    for (int i = 0; i < 3; i++) {
        t[i] = thread_start(group_thread, i ? ctx : NULL);
    }
    for (int i = 0; i < 3; i++) {
        thread_join(t[i]);
    }
}

static int block_fn(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK(pthread_equal(pthread_self(), *(pthread_t *)arg));
    return 9;
}

static void *blocking_thread(void *arg)
{
    pthread_t me = pthread_self();
    covey_ctx *done = done_ctx(COVEY_ECANCELED);

    (void)arg;
    CHECK_EQ(covey_blocking(NULL, block_fn, &me), 9); /* simply called */
    CHECK_EQ(covey_blocking(done, block_fn, &me), COVEY_ECANCELED);
    covey_ctx_unref(done);
    return NULL;
}

TASK_TEST(blocking_in_a_thread_simply_calls_fn)
{
    thread_join(thread_start(blocking_thread, NULL));
}

/* Descriptors. */

static void *fd_thread(void *arg)
{
    int *p = arg;
    char byte;
    covey_ctx *late = covey_ctx_with_timeout(NULL, COVEY_MS);

    CHECK_EQ(covey_wait_fd(late, p[0], COVEY_FD_READ), COVEY_EDEADLINE);
    CHECK_EQ(write(p[3], "a", 1), 1); /* ready for more */
    CHECK_EQ(covey_wait_fd(NULL, p[0], COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(read(p[0], &byte, 1), 1);
    CHECK_EQ(covey_select(NULL, COVEY_READABLE(p[0]), COVEY_AFTER(0)), 1);
    covey_ctx_unref(late);
    return NULL;
}

TASK_TEST(a_thread_waits_for_descriptors)
{
    int p[4];
    struct thread t;

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(pipe2(p + 2, O_CLOEXEC | O_NONBLOCK), 0);
    t = thread_start(fd_thread, p);
    CHECK_EQ(covey_wait_fd(ctx, p[2], COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(write(p[1], "x", 1), 1);
    thread_join(t);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(close(p[i]), 0);
    }
}

static void *serve_thread(void *arg)
{
    struct job *j = arg;
    covey_conn *c = NULL;
    char text[64];
    ssize_t n;

    CHECK_EQ(covey_accept(NULL, j->object, &c), 0);
    while ((n = covey_read(NULL, c, text, sizeof(text))) > 0) {
        CHECK_EQ(covey_write(NULL, c, text, (size_t)n), n);
    }
    CHECK_EQ(n, 0);
    covey_close(c);
    return NULL;
}

static void *dial_thread(void *arg)
{
    struct job *j = arg;
    covey_conn *c = NULL;
    covey_ctx *late = covey_ctx_with_timeout(NULL, COVEY_MS);
    char text[8] = {0};

    CHECK_EQ(covey_dial(NULL, &c, covey_listener_addr(j->object)), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_write(NULL, c, "hello", 5), 5);
        CHECK_EQ(covey_read_full(NULL, c, text, 5), 5);
        CHECK_STR(text, "hello");
    }
    CHECK_EQ(covey_read(late, c, text, 1), COVEY_EDEADLINE);
    covey_close(c);
    covey_ctx_unref(late);
    return NULL;
}

TASK_TEST(threads_accept_dial_read_and_write)
{
    covey_listener *l = NULL;
    struct job j = {.value = 0};
    struct thread server, client;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    j.object = l;
    server = thread_start(serve_thread, &j);
    client = thread_start(dial_thread, &j);
    thread_join(client);
    thread_join(server);
    covey_listener_close(l);
}

/* Before, between and after runtimes. */

TEST(what_does_not_block_needs_no_runtime)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 2);
    covey_mutex m = {0};
    covey_rwmutex rw = {0};
    covey_sem *s = covey_sem_new(1);
    covey_waitgroup wg = {0};
    int v = 5;

    CHECK_EQ(covey_chan_send(NULL, ch, &v), 0);
    CHECK_EQ(covey_chan_try_send(ch, &v), 0);
    CHECK_EQ(covey_select(NULL, COVEY_SEND(ch, &v), COVEY_DEFAULT), 1);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), 0);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), 0);
    CHECK_EQ(covey_chan_recv(NULL, ch, &v), COVEY_ECLOSED);
    covey_mutex_lock(&m);
    covey_mutex_unlock(&m);
    covey_rwmutex_rlock(&rw);
    covey_rwmutex_runlock(&rw);
    CHECK_EQ(covey_sem_acquire(NULL, s, 1), 0);
    covey_sem_release(s, 1);
    CHECK_EQ(covey_waitgroup_wait(NULL, &wg), 0);
    covey_sem_free(s);
    covey_chan_unref(ch);
}

static int send_five(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    send_int(arg, 5);
    return 0;
}

TEST(a_channel_outlives_a_runtime)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 3);

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_run(send_five, ch), 0);
    }
    CHECK_EQ(covey_chan_len(ch), 3);
    CHECK_EQ(recv_int(ch), 5);
    covey_chan_unref(ch);
}

static void *wait_beyond_run(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->ended, 1);
    j->result = covey_chan_recv(NULL, j->in, &j->value);
    return NULL;
}

static int await_flag(covey_ctx *ctx, void *arg)
{
    struct job *j = arg;

    (void)ctx;
    while (!atomic_load(&j->ended)) {
        covey_yield();
    }
    settle();
    return 0;
}

TEST(a_thread_may_wait_across_the_end_of_a_runtime)
{
    struct job j = {.in = covey_chan_new(sizeof(int), 0)};
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, wait_beyond_run, &j), 0);
    CHECK_EQ(covey_run(await_flag, &j), 0);
    CHECK_EQ(covey_run(send_five, j.in), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(j.result, 0);
    CHECK_EQ(j.value, 5);
    covey_chan_unref(j.in);
}

/* Starts fn in a thread, and a runtime that ends while it waits. */
static void end_a_runtime_under(void *(*fn)(void *), struct job *j)
{
    pthread_t t;

    atomic_store(&j->ended, 0);
    CHECK_EQ(pthread_create(&t, NULL, fn, j), 0);
    CHECK_EQ(covey_run(await_flag, j), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
}

static void *await_end_beyond_run(void *arg)
{
    struct job *j = arg;
    covey_ctx *parent = covey_ctx_with_timeout(NULL, 30 * COVEY_MS);
    covey_ctx *child = covey_ctx_with_cancel(parent), *other = covey_ctx_with_timeout(NULL, hour);

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_DONE(other), COVEY_DONE(child),
                          COVEY_AFTER(hour)),
             2);
    CHECK_EQ(covey_ctx_err(parent), COVEY_EDEADLINE);
    CHECK_EQ(covey_ctx_err(child), COVEY_EDEADLINE);
    CHECK_EQ(covey_ctx_err(other), 0);
    covey_ctx_cancel(other); /* which has a deadline of its own, and an hour left */
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_DONE(other)), 1);
    CHECK_EQ(covey_ctx_err(other), COVEY_ECANCELED);
    covey_ctx_unref(other);
    covey_ctx_unref(child);
    covey_ctx_unref(parent);
    return NULL;
}

TEST(a_thread_sees_a_deadline_it_waits_for_without_a_runtime)
{
    struct job j = {.in = covey_chan_new(0, 0)};

    (void)await_end_beyond_run(&j);
    for (int i = 0; i < 5; i++) {
        end_a_runtime_under(await_end_beyond_run, &j);
    }
    covey_chan_unref(j.in);
}

static void *cancel_soon(void *arg)
{
    (void)usleep(2000); /* sleeps: so that it mostly waits by then; both orders are right */
    covey_ctx_cancel(arg);
    return NULL;
}

TEST(a_child_that_is_cancelled_under_a_thread_leaves_its_parents_deadline_alone)
{
    covey_ctx *parent = covey_ctx_with_timeout(NULL, hour);
    covey_ctx *child = covey_ctx_with_cancel(parent);
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, cancel_soon, child), 0);
    CHECK_EQ(covey_select(NULL, COVEY_DONE(child)), 0);
    CHECK_EQ(covey_ctx_err(child), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_err(parent), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    covey_ctx_unref(child);
    covey_ctx_unref(parent);
}

static void *sleep_beyond_run(void *arg)
{
    struct job *j = arg;
    int64_t start = covey_now();

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_sleep(NULL, 50 * COVEY_MS), 0);
    CHECK(covey_now() - start >= 50 * COVEY_MS);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_AFTER(COVEY_MS)), 1);
    return NULL;
}

static void *select_beyond_run(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_AFTER(50 * COVEY_MS)), 1);
    return NULL;
}

TEST(a_threads_time_goes_on_across_the_end_of_a_runtime)
{
    struct job j = {.in = covey_chan_new(0, 0)};

    for (int i = 0; i < 5; i++) {
        end_a_runtime_under(sleep_beyond_run, &j);
        end_a_runtime_under(select_beyond_run, &j);
    }
    covey_chan_unref(j.in);
}

/* Returns its deadline's error from a wait that began while a runtime was up. */
static void *outlast_a_deadline(void *arg)
{
    struct job *j = arg;
    covey_ctx *late;
    covey_ctx *child;

    while (covey_workers() == 0) {
        (void)sched_yield();
    }
    late = covey_ctx_with_timeout(NULL, 50 * COVEY_MS);
    child = covey_ctx_with_cancel(late);
    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_chan_recv(child, j->in, NULL), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "threads_test.c"));
    CHECK_EQ(covey_ctx_err(child), COVEY_EDEADLINE);
    CHECK_EQ(covey_ctx_err(late), COVEY_EDEADLINE);
    covey_ctx_unref(child);
    covey_ctx_unref(late);
    return NULL;
}

TEST(a_threads_deadline_holds_across_the_end_of_a_runtime)
{
    struct job j = {.in = covey_chan_new(0, 0)};

    for (int i = 0; i < 5; i++) {
        end_a_runtime_under(outlast_a_deadline, &j);
    }
    covey_chan_unref(j.in);
}

TEST(threads_sleep_and_keep_deadlines_without_a_runtime)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_ctx *late = covey_ctx_with_timeout(NULL, 5 * COVEY_MS);
    covey_mutex m = {0};

    CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(ch, NULL), COVEY_AFTER(COVEY_MS)), 1);
    covey_mutex_lock(&m);
    CHECK_EQ(covey_mutex_lock_ctx(late, &m), COVEY_EDEADLINE);
    CHECK_EQ(covey_select(late, COVEY_RECV(ch, NULL)), COVEY_EDEADLINE);
    CHECK_EQ(covey_ctx_err(late), COVEY_EDEADLINE);
    covey_ctx_unref(late);
    late = covey_ctx_with_timeout(NULL, COVEY_MS); /* nobody waits under it */
    while (covey_ctx_err(late) == 0) {
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
    }
    CHECK_EQ(covey_ctx_err(late), COVEY_EDEADLINE);
    covey_mutex_unlock(&m);
    covey_ctx_unref(late);
    covey_chan_unref(ch);
}

/* A deadline holds in every runtime, also in one that it is older than. */

static int sleep_under(covey_ctx *ctx, void *arg)
{
    covey_ctx *child = covey_ctx_with_cancel(arg);

    CHECK_EQ(covey_sleep(child, COVEY_SEC), COVEY_EDEADLINE);
    CHECK_EQ(covey_select(ctx, COVEY_DONE(arg), COVEY_AFTER(COVEY_SEC)), 0);
    CHECK_EQ(covey_ctx_err(arg), COVEY_EDEADLINE);
    covey_ctx_unref(child);
    return 0;
}

static int set_deadline(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(covey_ctx **)arg = covey_ctx_with_timeout(NULL, 20 * COVEY_MS);
    return 0;
}

static int return_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

TEST(a_deadline_from_before_a_runtime_holds_in_it)
{
    covey_ctx *late = covey_ctx_with_timeout(NULL, 20 * COVEY_MS);

    CHECK_EQ(covey_run(sleep_under, late), 0);
    covey_ctx_unref(late);
}

TEST(a_deadline_outlives_the_runtime_it_was_set_in)
{
    covey_ctx *late = NULL;

    CHECK_EQ(covey_run(set_deadline, &late), 0);
    CHECK_EQ(covey_run(return_at_once, NULL), 0);
    CHECK_EQ(covey_run(sleep_under, late), 0);
    covey_ctx_unref(late);
}

TEST(a_deadline_without_a_runtime_that_is_given_up_is_forgotten)
{
    covey_ctx *far = covey_ctx_with_timeout(NULL, 3600 * COVEY_SEC);
    covey_ctx *kept = covey_ctx_with_timeout(NULL, 3600 * COVEY_SEC);

    covey_ctx_unref(far);
    CHECK_EQ(covey_run(return_at_once, NULL), 0);
    covey_ctx_cancel(kept);
    CHECK_EQ(covey_run(return_at_once, NULL), 0);
    CHECK_EQ(covey_ctx_err(kept), COVEY_ECANCELED);
    covey_ctx_unref(kept);
}

/* What only a runtime brings: each wait ends with it. */

static void *wait_fd_beyond_run(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_wait_fd(NULL, j->value, COVEY_FD_READ), COVEY_ECLOSED);
    return NULL;
}

static void *select_fd_beyond_run(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(j->in, NULL), COVEY_READABLE(j->value)), COVEY_ECLOSED);
    return NULL;
}

static void *accept_beyond_run(void *arg)
{
    struct job *j = arg;
    covey_conn *c = NULL;

    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_accept(NULL, j->object, &c), COVEY_ECLOSED);
    return NULL;
}

static void *read_beyond_run(void *arg)
{
    struct job *j = arg;
    covey_conn *c = NULL;
    char byte;

    while (covey_workers() == 0) {
        (void)sched_yield();
    }
    CHECK_EQ(covey_dial(NULL, &c, covey_listener_addr(j->object)), 0);
    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_read(NULL, c, &byte, 1), COVEY_ECLOSED);
    covey_close(c);
    return NULL;
}

static void *tick_beyond_run(void *arg)
{
    struct job *j = arg;
    covey_ticker *t = NULL;
    int64_t at = 1;

    while (!(t = covey_ticker_new(hour))) {
        (void)sched_yield();
    }
    atomic_store(&j->ended, 1);
    CHECK_EQ(covey_chan_recv(NULL, covey_ticker_chan(t), &at), COVEY_ECLOSED);
    CHECK_EQ(at, 0);
    covey_ticker_free(t);
    return NULL;
}

TEST(what_needs_a_runtime_ends_with_it)
{
    int fds = count_fds();
    int p[2];
    covey_listener *l = NULL;
    struct job j = {.in = covey_chan_new(0, 0)};

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    j.value = p[0];
    for (int i = 0; i < 5; i++) {
        end_a_runtime_under(wait_fd_beyond_run, &j);
        end_a_runtime_under(select_fd_beyond_run, &j);
        end_a_runtime_under(tick_beyond_run, &j);
        CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
        j.object = l;
        end_a_runtime_under(accept_beyond_run, &j);
        end_a_runtime_under(read_beyond_run, &j);
        covey_listener_close(l);
    }
    covey_chan_unref(j.in);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
    CHECK_EQ(count_fds(), fds);
}

static void *ask_again_and_again(void *arg)
{
    struct job *j = arg;
    int asked = 0;

    while (!atomic_load(&j->ended)) {
        covey_ctx *late = covey_ctx_with_timeout(NULL, 100 * COVEY_US);
        covey_timer *t = covey_timer_new(hour);
        int code = covey_select(late, COVEY_READABLE(j->value), COVEY_RECV(j->in, NULL));
        CHECK(code == COVEY_EDEADLINE || code == COVEY_ECLOSED);
        code = covey_wait_fd(late, j->value, COVEY_FD_READ);
        CHECK(code == COVEY_EDEADLINE || code == COVEY_ECLOSED);
        covey_timer_free(t);
        covey_ctx_unref(late);
        CHECK_EQ(covey_sleep(NULL, 10 * COVEY_US), 0);
        asked++;
    }
    CHECK(asked > 0);
    return NULL;
}

TEST(runtimes_come_and_go_under_threads_that_use_them)
{
    int p[2];
    struct job j = {.in = covey_chan_new(sizeof(int), 100)}; /* nothing is ever sent here */
    covey_chan *other = covey_chan_new(sizeof(int), 1000);
    pthread_t t[3];

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    j.value = p[0];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, ask_again_and_again, &j), 0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(covey_run(send_five, other), 0);
    }
    atomic_store(&j.ended, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    CHECK_EQ(covey_chan_len(other), 50);
    covey_chan_unref(other);
    covey_chan_unref(j.in);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}
