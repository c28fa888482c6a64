/* SPDX-License-Identifier: MIT
 * litmus.h - the edges of covey's memory model, each shown by plain data.
 *
 * An edge has two sides. The first writes plain data and then does what the contract says comes
 * before; the second does what comes after, and then reads. ThreadSanitizer sees a race unless the
 * library makes the edge; without it the values are checked. Either side runs as a task and as a
 * plain thread. The broken variants (broken.sh) show that a missing edge is seen. */
#ifndef CVY_LITMUS_H
#define CVY_LITMUS_H

#include "../conformance/support.h"

#include <pthread.h>

#define ROUNDS 60

/* What the two sides share. Each test uses what it needs; all is fresh for each round. */
struct litmus {
    long data[4]; /* plain */
    void *object;
    void *other;
    union {
        covey_mutex mutex;
        covey_rwmutex rwmutex;
        covey_waitgroup waitgroup;
        covey_once_flag once;
    };
    covey_mutex turn; /* for a condition */
    bool is_there;    /* plain, under a lock */
};

static inline void litmus_write(struct litmus *l)
{
    for (int i = 0; i < 4; i++) {
        l->data[i] = i + 1;
    }
}

static inline void litmus_read(const struct litmus *l)
{
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(l->data[i], i + 1);
    }
}

/* object and other are made and freed by the edge; either may be NULL. */
struct litmus_edge {
    void (*open)(struct litmus *l);
    void (*first)(struct litmus *l);
    void (*second)(struct litmus *l); /* NULL: first starts what comes after, and waits for it */
    void (*close)(struct litmus *l);
};

struct litmus_side {
    void (*fn)(struct litmus *l);
    struct litmus *l;
    pthread_t thread;
    bool is_thread;
};

static inline int litmus_task(covey_ctx *ctx, void *arg)
{
    struct litmus_side *s = arg;
    (void)ctx;
    s->fn(s->l);
    return 0;
}

static inline void *litmus_thread(void *arg)
{
    struct litmus_side *s = arg;
    s->fn(s->l);
    return NULL;
}

static inline void litmus_start(covey_group *g, struct litmus_side *s)
{
    if (s->is_thread) {
        CHECK_EQ(pthread_create(&s->thread, NULL, litmus_thread, s), 0);
    } else {
        GO(g, litmus_task, s);
    }
}

static inline int litmus_join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(((struct litmus_side *)arg)->thread, NULL);
}

static inline void litmus_round(covey_ctx *ctx, const struct litmus_edge *edge, int round,
                                int kinds)
{
    struct litmus l = {0};
    struct litmus_side sides[] = {{.fn = edge->first, .l = &l, .is_thread = kinds & 1},
                                  {.fn = edge->second, .l = &l, .is_thread = kinds & 2}};
    int n = edge->second ? 2 : 1;

    if (edge->open) {
        edge->open(&l);
    }
    covey_group *g = covey_group_new(ctx);
    for (int i = 0; i < n; i++) {
        litmus_start(g, &sides[(i + round) % n]);
    }
    for (int i = 0; i < n; i++) {
        if (sides[i].is_thread) {
            CHECK_EQ(covey_blocking(NULL, litmus_join_thread, &sides[i]), 0);
        }
    }
    JOIN(g);
    if (edge->close) {
        edge->close(&l);
    }
}

static inline int litmus_main(covey_ctx *ctx, void *arg)
{
    const struct litmus_edge *edge = arg;

    for (int round = 0; round < ROUNDS; round++) {
        for (int kinds = 0; kinds < (edge->second ? 4 : 2); kinds++) {
            litmus_round(ctx, edge, round, kinds);
        }
    }
    return 0;
}

/* LITMUS(name, .open = ..., .first = ..., .second = ..., .close = ...) */
#define LITMUS(name, ...)                                                                          \
    static const struct litmus_edge edge_##name = {__VA_ARGS__};                                   \
    TEST(name)                                                                                     \
    {                                                                                              \
        CHECK_EQ(covey_run(litmus_main, (void *)(uintptr_t)&edge_##name), 0);                      \
    }

#endif
