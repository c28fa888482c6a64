/* SPDX-License-Identifier: MIT */
#include "http/inbox.h"

#include "harness.h"

#include <pthread.h>
#include <stdlib.h>

TEST(take_gives_the_oldest_first)
{
    struct cvy_http_inbox in;
    struct cvy_http_node a, b, c;

    cvy_http_inbox_open(&in);
    CHECK(cvy_http_inbox_take(&in) == NULL);
    CHECK_EQ(cvy_http_inbox_push(&in, &a), 0);
    CHECK_EQ(cvy_http_inbox_push(&in, &b), 0);
    CHECK_EQ(cvy_http_inbox_push(&in, &c), 0);
    struct cvy_http_node *list = cvy_http_inbox_take(&in);
    CHECK(list == &a && a.next == &b && b.next == &c && c.next == NULL);
    CHECK(cvy_http_inbox_take(&in) == NULL);
}

TEST(only_the_first_push_to_a_sleeper_has_to_wake_it)
{
    struct cvy_http_inbox in;
    struct cvy_http_node a, b;

    cvy_http_inbox_open(&in);
    CHECK(cvy_http_inbox_sleep(&in));
    CHECK_EQ(cvy_http_inbox_push(&in, &a), 1);
    CHECK_EQ(cvy_http_inbox_push(&in, &b), 0);
    CHECK(!cvy_http_inbox_sleep(&in));
    struct cvy_http_node *list = cvy_http_inbox_take(&in);
    CHECK(list == &a && a.next == &b && b.next == NULL);
    CHECK(cvy_http_inbox_sleep(&in));
    CHECK(cvy_http_inbox_take(&in) == NULL); /* woken by something else */
    CHECK_EQ(cvy_http_inbox_push(&in, &a), 0);
}

TEST(a_closed_inbox_takes_nothing)
{
    struct cvy_http_inbox in;
    struct cvy_http_node a, b;

    cvy_http_inbox_open(&in);
    CHECK_EQ(cvy_http_inbox_push(&in, &a), 0);
    CHECK(cvy_http_inbox_close(&in) == &a);
    CHECK_EQ(cvy_http_inbox_push(&in, &b), COVEY_ECLOSED);
    CHECK(cvy_http_inbox_close(&in) == NULL);
    cvy_http_inbox_open(&in);
    CHECK_EQ(cvy_http_inbox_push(&in, &b), 0);
}

enum { PUSHERS = 4, EACH = 20000 };

struct numbered {
    struct cvy_http_node node;
    int pusher, number;
};

struct pusher {
    pthread_t thread;
    struct cvy_http_inbox *in;
    struct numbered *nodes;
};

static void *push_all(void *arg)
{
    struct pusher *p = arg;

    for (int i = 0; i < EACH; i++) {
        (void)cvy_http_inbox_push(p->in, &p->nodes[i].node);
    }
    return NULL;
}

TEST(many_pushers_lose_nothing_and_each_keeps_its_order)
{
    static struct numbered nodes[PUSHERS][EACH];
    struct pusher pushers[PUSHERS];
    struct cvy_http_inbox in;
    int next[PUSHERS] = {0}, seen = 0;

    cvy_http_inbox_open(&in);
    for (int p = 0; p < PUSHERS; p++) {
        for (int i = 0; i < EACH; i++) {
            nodes[p][i].pusher = p;
            nodes[p][i].number = i;
        }
        pushers[p].in = &in;
        pushers[p].nodes = nodes[p];
        CHECK(pthread_create(&pushers[p].thread, NULL, push_all, &pushers[p]) == 0);
    }
    while (seen < PUSHERS * EACH) {
        for (struct cvy_http_node *n = cvy_http_inbox_take(&in); n; n = n->next) {
            struct numbered *x = (struct numbered *)(void *)n;
            CHECK_EQ(x->number, next[x->pusher]);
            next[x->pusher]++;
            seen++;
        }
        (void)cvy_http_inbox_sleep(&in);
    }
    for (int p = 0; p < PUSHERS; p++) {
        CHECK(pthread_join(pushers[p].thread, NULL) == 0);
    }
}
