/* SPDX-License-Identifier: MIT
 * singleflight_stress_test.c - callers come, join, lose patience and leave at random: each that
 * gets a result gets one of its own key that was made while it asked, with a reference; none is
 * lost. */
#include "stress.h"

enum { TASKS = 12, THREADS = 2, KEYS = 4 };

struct result {
    atomic_int refs;
    int key;
};

struct arena {
    covey_singleflight *f;
    atomic_long runs, results, freed, got, left, failed;
};

struct fighter {
    struct arena *a;
    int index;
};

static struct arena arena;

static void result_ref(void *value)
{
    CHECK(atomic_fetch_add(&((struct result *)value)->refs, 1) > 0);
}

static void result_unref(void *value)
{
    if (atomic_fetch_sub(&((struct result *)value)->refs, 1) == 1) {
        atomic_fetch_add(&arena.freed, 1);
        free(value);
    }
}

struct order {
    int key, index;
    uint64_t random;
};

static int make(covey_ctx *ctx, void *arg, void **out)
{
    struct order *o = arg;
    struct result *r;

    atomic_fetch_add(&arena.runs, 1);
    if (random_below(&o->random, 2)) {
        int code = covey_sleep(ctx, random_below(&o->random, 300) * COVEY_US);
        if (code < 0 && random_below(&o->random, 2)) {
            return code;
        }
    }
    if (random_below(&o->random, 8) == 0) {
        return covey_errorf(-EDOM, "key %d", o->key);
    }
    r = malloc(sizeof(*r));
    CHECK(r);
    atomic_init(&r->refs, 1);
    r->key = o->key;
    atomic_fetch_add(&arena.results, 1);
    *out = r;
    return 0;
}

static void ask(struct fighter *f, uint64_t *random)
{
    struct order o = {random_below(random, KEYS), f->index, random_next(random)};
    covey_ctx *ctx = random_ctx(random, NULL);
    char key[16], words[16];
    void *got = NULL;
    bool shared;

    (void)snprintf(key, sizeof(key), "%d", o.key);
    int code = covey_singleflight_do_copy(random_below(random, 3) ? ctx : NULL, arena.f, key, make,
                                          &o, sizeof(o), &got, &shared);
    struct result *r = got;
    if (code == 0) {
        CHECK_EQ(r->key, o.key);
        random_pause(random);
        CHECK_EQ(r->key, o.key);
        result_unref(r);
        atomic_fetch_add(&arena.got, 1);
    } else if (code == -EDOM) {
        (void)snprintf(words, sizeof(words), "key %d", o.key);
        CHECK_STR(covey_errmsg(), words);
        atomic_fetch_add(&arena.failed, 1);
    } else {
        /* Its own context's end. That of the run cannot come to one that has not left. */
        CHECK(code == COVEY_ECANCELED || code == COVEY_EDEADLINE);
        CHECK(covey_ctx_err(ctx) == code);
        atomic_fetch_add(&arena.left, 1);
    }
    covey_ctx_unref(ctx);
    if (random_below(random, 20) == 0) {
        covey_singleflight_forget(arena.f, key);
    }
}

static void fight(void *arg)
{
    struct fighter *f = arg;
    uint64_t random = random_of(f->index);

    for (int i = 0; i < turns(400); i++) {
        ask(f, &random);
    }
}

static int ask_all(covey_ctx *ctx, void *arg)
{
    struct fighter f[TASKS + THREADS];

    (void)arg;
    for (int i = 0; i < TASKS + THREADS; i++) {
        f[i] = (struct fighter){&arena, i};
    }
    fight_all(ctx, fight, f, sizeof(f[0]), THREADS, TASKS);
    covey_singleflight_free(arena.f);
    return 0;
}

STRESS_TEST(callers_get_results_of_their_key_and_none_is_lost)
{
    arena.f = covey_singleflight_new_with(&(covey_singleflight_options){result_ref, result_unref});
    CHECK(arena.f);
    CHECK_EQ(covey_run(ask_all, NULL), 0); /* joins the runs that were left, too */
    fprintf(stderr, "# %ld runs for %ld results, %ld failures; %ld left\n", (long)arena.runs,
            (long)arena.got, (long)arena.failed, (long)arena.left);
    CHECK_EQ(arena.freed, arena.results);
    CHECK(arena.runs <= arena.got + arena.failed + arena.left);
}
