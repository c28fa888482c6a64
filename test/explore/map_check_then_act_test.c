/* SPDX-License-Identifier: MIT
 * map_check_then_act_test.c - get or create in a covey_map by a load and a store: two tasks may
 * both find nothing, and one session is lost. load_or_store is the one call for it. */
#include "explore.h"

struct sessions {
    covey_map *map;
    int numbers[2], lost;
};

struct client {
    struct sessions *s;
    int index;
};

static int open_session(covey_ctx *ctx, void *arg)
{
    struct client *c = arg;
    void *session;

    (void)ctx;
    if (!covey_map_load(c->s->map, "alice", 5, &session)) {
        session = &c->s->numbers[c->index];
        (void)covey_map_swap(c->s->map, "alice", 5, session, &session);
        c->s->lost += session != NULL;
    }
    return 0;
}

static int open_session_at_once(covey_ctx *ctx, void *arg)
{
    struct client *c = arg;

    (void)ctx;
    (void)covey_map_load_or_store(c->s->map, "alice", 5, &c->s->numbers[c->index], NULL);
    return 0;
}

static int open_twice(covey_ctx *ctx, covey_fn *fn)
{
    struct sessions s = {.map = covey_map_new(NULL)};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 2; i++) {
        struct client c = {&s, i};
        (void)covey_group_go_copy(g, fn, &c, sizeof(c));
    }
    (void)covey_group_wait(g);
    covey_map_free(s.map);
    return s.lost == 0 ? 0 : covey_errorf(-EEXIST, "%d session lost", s.lost);
}

static int broken(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return open_twice(ctx, open_session);
}

static int corrected(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return open_twice(ctx, open_session_at_once);
}

BUG(map_check_then_act, COVEY_TEST_FAILED, 300)
