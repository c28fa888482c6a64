/* SPDX-License-Identifier: MIT
 * redlock_test.c - leases over five nodes that are played: slow, silent, refusing, forgetful; in
 * virtual time, with the schedule of many seeds. */
#include "support.h"

enum { NODES = 5 };

enum mood { WELL, SILENT, REFUSING };

struct played {
    covey_redlock_node node;
    enum mood mood;
    int64_t slowness; /* an answer takes up to that, half of it before the step */
    char value[48];
    int64_t until;
    uint64_t token;
    int asked;
};

static void forget(struct played *p)
{
    p->until = 0;
    p->token = 0;
}

static int64_t some_of(int64_t ns)
{
    return ns >= COVEY_US ? covey_test_choose((uint32_t)(ns / COVEY_US)) * COVEY_US : 0;
}

/* On the way to a server a command may be lost with its caller's context, or not. */
static int reach(covey_ctx *ctx, struct played *p)
{
    p->asked++;
    if (p->mood == REFUSING) {
        return covey_errorf(-ECONNREFUSED, "played: connection refused");
    }
    int code = p->mood == SILENT ? covey_sleep(ctx, INT64_MAX / 4)
                                 : covey_sleep(ctx, some_of(p->slowness / 2));
    return code < 0 && p->mood == WELL && covey_test_choose(2) ? 1 : code;
}

static int answer(covey_ctx *ctx, struct played *p, int reached, int code)
{
    int late = reached > 0 ? COVEY_EDEADLINE : covey_sleep(ctx, some_of(p->slowness / 2));

    return late < 0 ? late : code;
}

/* One step: nobody else's turn comes in a run of this test before its end. */
static bool set(struct played *p, const covey_redlock_key *key)
{
    int64_t now = covey_now();

    if (now < p->until && strcmp(p->value, key->value) != 0) {
        return false;
    }
    (void)snprintf(p->value, sizeof(p->value), "%s", key->value);
    p->until = now + key->ttl_ns;
    return true;
}

static int acquire(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                   uint64_t *token)
{
    struct played *p = (struct played *)node;

    int reached = reach(ctx, p);
    if (reached < 0) {
        return reached;
    }
    bool is_set = set(p, key);
    p->token += is_set;
    uint64_t given = p->token;
    int code = answer(ctx, p, reached, is_set ? 0 : -EBUSY);
    *token = code == 0 ? given : 0;
    return code;
}

static int extend(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                  uint64_t token)
{
    struct played *p = (struct played *)node;

    int reached = reach(ctx, p);
    if (reached < 0) {
        return reached;
    }
    bool is_set = set(p, key);
    p->token = is_set && token > p->token ? token : p->token;
    return answer(ctx, p, reached, is_set ? 0 : -EBUSY);
}

static int release(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key)
{
    struct played *p = (struct played *)node;

    int reached = reach(ctx, p);
    if (reached < 0) {
        return reached;
    }
    int64_t now = covey_now();
    bool is_ours = now < p->until && strcmp(p->value, key->value) == 0;
    if (is_ours) {
        p->until = 0;
    }
    return answer(ctx, p, reached, is_ours ? 0 : COVEY_ELOST);
}

static const covey_redlock_ops played_ops = {
    .acquire = acquire, .extend = extend, .release = release};

static const int64_t ttl = COVEY_SEC;
static const int64_t drift = 12 * COVEY_MS; /* a hundredth, and 2 ms */

static covey_redlock *play(struct played *p, const covey_redlock_options *opts)
{
    covey_redlock_options o = opts ? *opts : (covey_redlock_options){0};
    covey_redlock_node *nodes[NODES];

    for (int i = 0; i < NODES; i++) {
        p[i] = (struct played){.node = {&played_ops}};
        nodes[i] = &p[i].node;
    }
    o.ttl_ns = ttl;
    covey_redlock *rl = covey_redlock_new_on(nodes, NODES, &o);
    COVEY_TEST_CHECK(rl);
    return rl;
}

/* A test whose body is a test run, with five servers and a lock over them. */
#define PLAYED_TEST(test) PLAYED_TEST_WITH(test, .prefix = NULL)
#define PLAYED_TEST_WITH(test, ...)                                                                \
    static void play_##test(covey_ctx *ctx, struct played *p, covey_redlock *rl);                  \
    static int body_##test(covey_ctx *ctx, __attribute__((unused)) void *arg)                      \
    {                                                                                              \
        struct played p[NODES];                                                                    \
        covey_redlock *rl = play(p, &(covey_redlock_options){__VA_ARGS__});                        \
        play_##test(ctx, p, rl);                                                                   \
        covey_redlock_free(rl);                                                                    \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(test)                                                                                     \
    {                                                                                              \
        CHECK_EQ(covey_test_run(7, body_##test, NULL), 0);                                         \
    }                                                                                              \
    static void play_##test(covey_ctx *ctx, __attribute__((unused)) struct played *p,              \
                            covey_redlock *rl)

#define MUST(call) COVEY_TEST_CHECK((call) == 0)

/* How long after begun its context ended as it was lost; which its release says, too. */
static int64_t await_loss(covey_lease *l, int64_t begun)
{
    COVEY_TEST_CHECK(covey_sleep(covey_lease_ctx(l), 10 * ttl) == COVEY_ECANCELED);
    int64_t took = covey_now() - begun;

    COVEY_TEST_CHECK(covey_ctx_cause(covey_lease_ctx(l)) == COVEY_ELOST);
    COVEY_TEST_CHECK(covey_lease_left(l) == 0);
    COVEY_TEST_CHECK(covey_lease_extend(NULL, l) == COVEY_ELOST);
    COVEY_TEST_CHECK(covey_lease_release(l) == COVEY_ELOST);
    return took;
}

PLAYED_TEST(a_lease_is_extended_for_as_long_as_it_is_wanted)
{
    covey_lease *l = NULL;

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    MUST(covey_sleep(covey_lease_ctx(l), 100 * ttl));
    COVEY_TEST_CHECK(covey_lease_left(l) > ttl / 2);
    MUST(covey_lease_release(l));
    for (int i = 0; i < NODES; i++) {
        COVEY_TEST_CHECK(p[i].until == 0);
    }
}

PLAYED_TEST_WITH(without_extension_it_ends_a_drift_before_its_time, .extend_every_ns = -1)
{
    covey_lease *l = NULL;
    int64_t begun = covey_now();

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    COVEY_TEST_CHECK(await_loss(l, begun) == ttl - drift);
}

PLAYED_TEST_WITH(no_extension_reaches_beyond_the_most_that_is_allowed, .max_ns = 5 * ttl)
{
    covey_lease *l = NULL;
    int64_t begun = covey_now();

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    COVEY_TEST_CHECK(await_loss(l, begun) == 5 * ttl);
}

PLAYED_TEST(two_servers_of_five_may_be_down)
{
    for (int mood = SILENT; mood <= REFUSING; mood++) {
        covey_lease *l = NULL;
        p[0].mood = p[3].mood = mood;
        MUST(covey_redlock_acquire(ctx, rl, "x", &l));
        MUST(covey_sleep(covey_lease_ctx(l), 5 * ttl));
        p[0].mood = WELL; /* extending asks the missing ones again */
        p[1].mood = mood;
        MUST(covey_sleep(covey_lease_ctx(l), 5 * ttl));
        MUST(covey_lease_release(l));
        p[1].mood = p[3].mood = WELL;
    }
}

PLAYED_TEST(a_silent_server_costs_an_acquisition_next_to_nothing)
{
    covey_lease *l = NULL;
    int64_t begun = covey_now();

    p[2].mood = SILENT;
    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    COVEY_TEST_CHECK(covey_now() - begun <= COVEY_MS);
    MUST(covey_lease_release(l));
}

PLAYED_TEST(without_a_majority_a_lease_is_lost_when_its_time_is_over)
{
    covey_lease *l = NULL;
    int64_t begun = covey_now();

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    p[0].mood = p[1].mood = SILENT;
    p[2].mood = REFUSING;
    COVEY_TEST_CHECK(await_loss(l, begun) == ttl - drift);
}

PLAYED_TEST_WITH(without_a_majority_nothing_is_acquired_and_the_reason_is_told,
                 .retry = {.max_tries = 3})
{
    covey_lease *l = NULL;

    p[0].mood = p[1].mood = p[4].mood = REFUSING;
    COVEY_TEST_CHECK(covey_redlock_acquire(ctx, rl, "x", &l) == -ENOTCONN);
    COVEY_TEST_CHECK(strstr(covey_errmsg(), "lease x: 2 of 5 servers answered, 3 must: "
                                            "played: connection refused"));
    COVEY_TEST_CHECK(p[2].asked >= 6 && p[2].until == 0); /* asked, and released */
}

PLAYED_TEST(another_holder_of_the_majority_ends_a_lease_at_its_next_extension)
{
    covey_lease *l = NULL, *thief = NULL;
    int64_t begun = covey_now();

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    for (int i = 0; i < 3; i++) {
        forget(&p[i]); /* more than may: a majority */
    }
    MUST(covey_redlock_acquire(ctx, rl, "x", &thief));
    COVEY_TEST_CHECK(await_loss(l, begun) < ttl / 2);
    MUST(covey_lease_release(thief));
}

PLAYED_TEST(servers_that_forgot_a_lease_are_told_again)
{
    covey_lease *l = NULL, *other = NULL;

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    uint64_t token = covey_lease_token(l);
    for (int i = 0; i < NODES; i++) {
        forget(&p[i]);
        MUST(covey_sleep(covey_lease_ctx(l), ttl));
    }
    COVEY_TEST_CHECK(covey_redlock_try_acquire(ctx, rl, "x", &other) == COVEY_EAGAIN);
    MUST(covey_lease_release(l));
    MUST(covey_redlock_acquire(ctx, rl, "x", &other));
    COVEY_TEST_CHECK(covey_lease_token(other) > token);
    MUST(covey_lease_release(other));
}

PLAYED_TEST(a_crashed_holders_lease_passes_on_after_its_time)
{
    covey_lease *l = NULL;
    int64_t begun = covey_now();

    for (int i = 0; i < NODES; i++) {
        (void)snprintf(p[i].value, sizeof(p[i].value), "gone");
        p[i].until = covey_now() + ttl;
    }
    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    COVEY_TEST_CHECK(covey_now() - begun >= ttl && covey_now() - begun < 2 * ttl);
    MUST(covey_lease_release(l));
}

PLAYED_TEST(a_release_of_a_lease_that_the_majority_forgot_says_so)
{
    covey_lease *l = NULL;

    MUST(covey_redlock_acquire(ctx, rl, "x", &l));
    for (int i = 0; i < 3; i++) {
        forget(&p[i]);
    }
    COVEY_TEST_CHECK(covey_lease_release(l) == COVEY_ELOST);
}

/* In this process. */
static int body_in_process(covey_ctx *ctx, __attribute__((unused)) void *arg)
{
    covey_redlock *rl =
        covey_redlock_new(NULL, 0, &(covey_redlock_options){.ttl_ns = ttl, .extend_every_ns = -1});
    covey_lease *a = NULL, *b = NULL;
    int64_t begun = covey_now();

    MUST(covey_redlock_acquire(ctx, rl, "x", &a));
    MUST(covey_redlock_acquire(ctx, rl, "x", &b));
    COVEY_TEST_CHECK(covey_now() - begun == ttl);
    COVEY_TEST_CHECK(covey_ctx_cause(covey_lease_ctx(a)) == COVEY_ELOST);
    COVEY_TEST_CHECK(covey_lease_token(b) > covey_lease_token(a));
    COVEY_TEST_CHECK(covey_lease_release(a) == COVEY_ELOST);
    MUST(covey_lease_release(b));
    covey_redlock_free(rl);
    return 0;
}

TEST(a_holder_that_is_not_extended_gives_way_to_the_first_in_line)
{
    CHECK_EQ(covey_test_run(7, body_in_process, NULL), 0);
}

/* ---- all of it at once ---- */

struct contest {
    covey_redlock *rl;
    covey_lease *held[4];
    uint64_t last;
    int won, looking;
};

struct contestant {
    struct contest *c;
    int i;
};

static int contend(covey_ctx *ctx, void *arg)
{
    struct contest *c = ((struct contestant *)arg)->c;
    int me = ((struct contestant *)arg)->i;

    for (int turn = 0; turn < 4; turn++) {
        covey_ctx *limited = covey_ctx_with_timeout(ctx, 5 * ttl);
        covey_lease *l = NULL;
        if (covey_redlock_acquire(limited, c->rl, "x", &l) == 0) {
            c->looking++;
            for (int i = 0; i < 4; i++) { /* nobody else's is valid */
                COVEY_TEST_CHECK(!c->held[i] || covey_lease_left(c->held[i]) == 0);
            }
            c->looking--;
            COVEY_TEST_CHECK(covey_lease_token(l) > c->last);
            c->last = covey_lease_token(l);
            c->held[me] = l;
            c->won++;
            (void)covey_sleep(covey_lease_ctx(l), some_of(3 * ttl));
            c->held[me] = NULL;
            while (c->looking > 0) { /* at this one, perhaps */
                covey_yield();
            }
            int code = covey_lease_release(l);
            COVEY_TEST_CHECK(code == 0 || code == COVEY_ELOST);
        }
        covey_ctx_unref(limited);
        (void)covey_sleep(ctx, some_of(ttl / 4));
    }
    return 0;
}

/* All are slow, so that asking takes much of the TTL; a minority is away. */
static int disturb(covey_ctx *ctx, void *arg)
{
    struct played *p = arg;

    while (covey_sleep(ctx, some_of(ttl)) == 0) {
        for (int i = 0; i < NODES; i++) {
            p[i].mood = WELL;
            p[i].slowness = some_of(600 * COVEY_MS);
        }
        for (int i = 0; i < 2; i++) {
            struct played *away = &p[covey_test_choose(NODES)];
            away->mood = (enum mood)covey_test_choose(3);
            away->slowness = some_of(2 * ttl);
        }
    }
    return 0;
}

static int hold_contest(covey_ctx *ctx, void *arg)
{
    struct played p[NODES];
    struct contest c = {.rl = play(p, &(covey_redlock_options){.node_timeout_ns = 600 * COVEY_MS})};
    covey_group *g = covey_group_new(ctx), *trouble = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(trouble, disturb, p);
    for (int i = 0; i < 4; i++) {
        struct contestant me = {&c, i};
        (void)covey_group_go_copy(g, contend, &me, sizeof(me));
    }
    int code = covey_group_wait(g);
    covey_group_cancel(trouble, 0);
    (void)covey_group_wait(trouble);
    COVEY_TEST_CHECK(c.won > 0);
    covey_redlock_free(c.rl);
    return code;
}

TEST(in_any_schedule_one_lease_is_valid_and_tokens_grow)
{
    covey_explore_options opts = {.seeds = turns(300), .quiet = true};
    int code = covey_explore(&opts, hold_contest, NULL);

    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
}
