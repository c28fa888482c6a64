/* SPDX-License-Identifier: MIT
 * threads_stress_test.c - plain threads and tasks hammer the same objects. */
#include "stress.h"

#include "../conformance/dump_text.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 4, TASKS = 8 };

struct arena {
    covey_chan *ch[3];
    covey_mutex mutex;
    covey_sem *sem;
    covey_rwmutex rw;
    covey_waitgroup spawned;
    int plain; /* guarded by mutex */
    atomic_long sent, received, locked, started, ran, permits;
};

struct fighter {
    struct arena *a;
    int index;
};

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_long *)arg, 1);
    return 0;
}

static void fight(void *arg)
{
    struct fighter *f = arg;
    struct arena *a = f->a;
    uint64_t random = random_of(f->index);

    for (int i = 0; i < turns(5000); i++) {
        covey_chan *ch = a->ch[random_below(&random, 3)];
        covey_ctx *c = random_ctx(&random, NULL);
        covey_group *g;
        long v = 1 + random_below(&random, 1000), got = 0;
        bool ok = false;

        switch (random_below(&random, 9)) {
        case 0:
            if (covey_chan_send(c, ch, &v) == 0) {
                atomic_fetch_add(&a->sent, v);
            }
            break;
        case 1:
            if (covey_chan_recv(c, ch, &got) == 0) {
                atomic_fetch_add(&a->received, got);
            }
            break;
        case 2:
            switch (covey_select(c, COVEY_SEND(ch, &v), COVEY_RECV_OK(a->ch[0], &got, &ok),
                                 COVEY_AFTER(100 * COVEY_US))) {
            case 0:
                atomic_fetch_add(&a->sent, v);
                break;
            case 1:
                CHECK(ok);
                atomic_fetch_add(&a->received, got);
                break;
            default:
                CHECK(got == 0);
            }
            break;
        case 3:
            if (covey_mutex_lock_ctx(c, &a->mutex) == 0) {
                a->plain++;
                atomic_fetch_add(&a->locked, 1);
                covey_mutex_unlock(&a->mutex);
            }
            break;
        case 4:
            if (covey_sem_acquire(c, a->sem, 2) == 0) {
                CHECK(atomic_fetch_add(&a->permits, 2) + 2 <= 5);
                covey_yield();
                atomic_fetch_sub(&a->permits, 2);
                covey_sem_release(a->sem, 2);
            }
            break;
        case 5:
            CHECK_EQ(covey_waitgroup_go(&a->spawned, count_up, &a->ran), 0);
            atomic_fetch_add(&a->started, 1);
            break;
        case 6:
            g = covey_group_new(c);
            for (int j = 0; j < 3; j++) {
                GO(g, count_up, &a->ran);
                atomic_fetch_add(&a->started, 1);
            }
            JOIN(g);
            break;
        case 7:
            if (random_below(&random, 4) == 0) {
                if (covey_rwmutex_lock_ctx(c, &a->rw) == 0) {
                    covey_rwmutex_unlock(&a->rw);
                }
            } else if (covey_rwmutex_rlock_ctx(c, &a->rw) == 0) {
                covey_yield();
                covey_rwmutex_runlock(&a->rw);
            }
            break;
        default:
            (void)covey_sleep(c, random_below(&random, 100) * COVEY_US);
            break;
        }
        covey_ctx_unref(c);
    }
}

STRESS_TASK_TEST(threads_and_tasks_hammer_everything)
{
    struct arena a = {.sem = covey_sem_new(5)};
    struct fighter f[THREADS + TASKS];
    long v;

    for (int i = 0; i < 3; i++) {
        a.ch[i] = covey_chan_new(sizeof(long), (size_t)i);
    }
    for (int i = 0; i < THREADS + TASKS; i++) {
        f[i] = (struct fighter){&a, i};
    }
    fight_all(ctx, fight, f, sizeof(f[0]), THREADS, TASKS);
    CHECK_EQ(covey_waitgroup_wait(NULL, &a.spawned), 0);
    for (int i = 0; i < 3; i++) {
        while (covey_chan_try_recv(a.ch[i], &v) == 0) {
            atomic_fetch_add(&a.received, v);
        }
        covey_chan_unref(a.ch[i]);
    }
    CHECK_EQ(atomic_load(&a.sent), atomic_load(&a.received));
    CHECK_EQ(a.plain, atomic_load(&a.locked));
    CHECK_EQ(atomic_load(&a.started), atomic_load(&a.ran));
    CHECK(covey_mutex_try_lock(&a.mutex));
    covey_mutex_unlock(&a.mutex);
    CHECK(covey_rwmutex_try_lock(&a.rw));
    covey_rwmutex_unlock(&a.rw);
    CHECK(covey_sem_try_acquire(a.sem, 5));
    covey_sem_release(a.sem, 5);
    covey_sem_free(a.sem);
}

/* Threads that start tasks while runtimes come and go: started, or told that none is up. */

struct coming {
    atomic_int stop;
    atomic_long started, ran, refused;
};

static void *start_for_ever(void *arg)
{
    struct coming *c = arg;

    while (!atomic_load(&c->stop)) {
        int rc = covey_go(count_up, &c->ran);

        CHECK(rc == 0 || rc == COVEY_ECLOSED);
        atomic_fetch_add(rc == 0 ? &c->started : &c->refused, 1);
    }
    return NULL;
}

static int short_run(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, 300 * COVEY_US);
}

STRESS_TEST(threads_start_tasks_while_runtimes_come_and_go)
{
    struct coming c = {0, 0, 0, 0};
    pthread_t t[2];

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, start_for_ever, &c), 0);
    }
    for (int i = 0; i < turns(50); i++) {
        CHECK_EQ(covey_run(short_run, NULL), 0);
    }
    atomic_store(&c.stop, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    CHECK_EQ(atomic_load(&c.started), atomic_load(&c.ran));
    fprintf(stderr, "# %ld started, %ld refused\n", atomic_load(&c.started),
            atomic_load(&c.refused));
}

/* A thread that waits for a descriptor over the ends of runtimes: told, and nothing is touched. */

struct watching {
    atomic_int stop;
    int fds[2];
};

static void *watch_for_ever(void *arg)
{
    struct watching *w = arg;

    while (!atomic_load(&w->stop)) {
        int rc = covey_select(NULL, COVEY_READABLE(w->fds[0]), COVEY_AFTER(COVEY_MS));
        CHECK(rc == 1 || rc == COVEY_ECLOSED);
        rc = covey_wait_fd(NULL, w->fds[1], COVEY_FD_WRITE);
        CHECK_EQ(rc, (int)COVEY_FD_WRITE);
    }
    return NULL;
}

STRESS_TEST(threads_select_on_descriptors_while_runtimes_come_and_go)
{
    struct watching w = {0};
    pthread_t t[2];

    CHECK_EQ(pipe(w.fds), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, watch_for_ever, &w), 0);
    }
    for (int i = 0; i < turns(100); i++) {
        CHECK_EQ(covey_run(short_run, NULL), 0);
    }
    atomic_store(&w.stop, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
    CHECK_EQ(close(w.fds[0]), 0);
    CHECK_EQ(close(w.fds[1]), 0);
}

/* Deadlines of threads while runtimes come and go: whether a runtime's timer sees to one, or nobody
 * but who looks, it comes. */

struct setting {
    atomic_int *stop;
    int index;
};

static void *set_deadlines_for_ever(void *arg)
{
    struct setting *s = arg;
    uint64_t random = random_of(s->index);

    while (!atomic_load(s->stop)) {
        covey_ctx *c = covey_ctx_with_timeout(NULL, random_below(&random, 600) * COVEY_US);
        covey_ctx *child = covey_ctx_with_cancel(c);

        switch (random_below(&random, 4)) {
        case 0:
            CHECK_EQ(covey_sleep(child, 3600 * COVEY_SEC), COVEY_EDEADLINE);
            break;
        case 1:
            while (covey_ctx_err(child) == 0) {
                (void)sched_yield();
            }
            CHECK_EQ(covey_ctx_err(child), COVEY_EDEADLINE);
            break;
        case 2:
            covey_ctx_cancel(c);
            CHECK(covey_ctx_err(child) < 0);
            break;
        default:
            break; /* given up */
        }
        covey_ctx_unref(child);
        covey_ctx_unref(c);
    }
    return NULL;
}

STRESS_TEST(threads_set_deadlines_while_runtimes_come_and_go)
{
    atomic_int stop = 0;
    struct setting s[3];
    pthread_t t[3];

    for (int i = 0; i < 3; i++) {
        s[i] = (struct setting){&stop, i};
        CHECK_EQ(pthread_create(&t[i], NULL, set_deadlines_for_ever, &s[i]), 0);
    }
    for (int i = 0; i < turns(200); i++) {
        CHECK_EQ(covey_run(short_run, NULL), 0);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
}

/* Threads that look at runtimes which come and go: figures, dumps, profiles. */

static void *look_for_ever(void *arg)
{
    atomic_int *stop = arg;
    FILE *out = fopen("/dev/null", "w");

    CHECK(out != NULL);
    while (!atomic_load(stop)) {
        covey_stats s;
        covey_stats_get(&s);
        CHECK_EQ(covey_metrics_write(out), 0);
        covey_dump(out);
        int rc = covey_profile_write("task", COVEY_PROFILE_FOLDED, out);
        CHECK(rc == 0 || rc == COVEY_ECLOSED);
    }
    CHECK_EQ(fclose(out), 0);
    return NULL;
}

/* ... and at what is left of one, while that is cleared away. */

enum { LEFT = 400 };

static void do_nothing(void *arg)
{
    (void)arg;
}

static int stay(covey_ctx *ctx, void *arg)
{
    covey_wait_note note = {.what = "nothing"};

    (void)ctx;
    covey_wait_note_begin(&note);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(covey_defer(do_nothing, arg), 0);
    }
    return covey_chan_recv(NULL, arg, NULL);
}

static int leave_many(covey_ctx *ctx, void *arg)
{
    bool is_there = false;

    (void)ctx;
    for (int i = 0; i < LEFT; i++) {
        CHECK_EQ(covey_go(stay, arg), 0);
    }
    /* One that still ran would be fatal. */
    while (!is_there) {
        covey_yield();
        char *text = dump_as(COVEY_DUMP_FOLDED);
        is_there = strstr(text, "400 tasks \"stay\" waiting in chan receive");
        free(text);
    }
    return 0;
}

STRESS_TEST(threads_look_at_tasks_that_a_run_has_left)
{
    covey_options o = {.exit_grace_ns = 200 * COVEY_MS}; /* for the first task to be gone */
    covey_chan *never = covey_chan_new(0, 0);
    atomic_int stop = 0;
    pthread_t t;
    int err = dup(2), none = open("/dev/null", O_WRONLY);

    CHECK(err >= 0 && none >= 0);
    CHECK_EQ(pthread_create(&t, NULL, look_for_ever, &stop), 0);
    CHECK_EQ(dup2(none, 2), 2); /* each is told of */
    for (int i = 0; i < turns(10); i++) {
        CHECK_EQ(covey_run_with(&o, leave_many, never), 0);
    }
    CHECK_EQ(dup2(err, 2), 2);
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(close(err) | close(none), 0);
    covey_chan_unref(never);
}

static int use_the_pool(covey_ctx *ctx, void *arg)
{
    return covey_blocking(ctx, short_run, arg);
}

STRESS_TEST(threads_look_at_runtimes_that_come_and_go)
{
    atomic_int stop = 0;
    pthread_t t[2];

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&t[i], NULL, look_for_ever, &stop), 0);
    }
    for (int i = 0; i < turns(200); i++) {
        CHECK_EQ(covey_run(use_the_pool, NULL), 0);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(t[i], NULL), 0);
    }
}
