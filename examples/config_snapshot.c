/* SPDX-License-Identifier: MIT
 * config_snapshot.c - a configuration that is replaced while it is read.
 *
 * The reloader builds each new configuration aside, then publishes it whole. Readers take the
 * present one without a lock, and keep it as long as they need: a request sees one configuration
 * from its start to its end. An old one is destroyed by whoever lets go of it last. */
#include "example.h"

struct config {
    int version;
    int limit, burst; /* burst is always twice the limit: half a change would show */
    char name[32];
};

static atomic_int destroyed, alive;

static struct config *config_new(int version)
{
    struct config *c = malloc(sizeof(*c));

    if (c) {
        c->version = version;
        c->limit = 100 + version;
        c->burst = 2 * c->limit;
        snprintf(c->name, sizeof(c->name), "version %d", version);
        atomic_fetch_add(&alive, 1);
    }
    return c;
}

static void config_destroy(void *snapshot)
{
    struct config *c = snapshot;

    c->limit = c->burst = -1; /* so that a reader that still had it would notice */
    free(c);
    atomic_fetch_add(&destroyed, 1);
    atomic_fetch_sub(&alive, 1);
}

static bool is_whole(const struct config *c)
{
    char name[32];

    snprintf(name, sizeof(name), "version %d", c->version);
    return c->limit == 100 + c->version && c->burst == 2 * c->limit && strcmp(c->name, name) == 0;
}

struct service {
    covey_value *config;
    atomic_bool is_over;
    atomic_llong requests, torn, backwards;
    int64_t reloads;
};

/* One request after the other, each under the configuration that was there at its start. */
static int serve(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;
    int last = 0;

    while (!atomic_load(&s->is_over) && covey_ctx_err(ctx) == 0) {
        const struct config *c = covey_value_acquire(s->config);
        int64_t n = atomic_fetch_add(&s->requests, 1);
        if (n % 16 == 0) {
            covey_yield(); /* the request waits for something, and still has its configuration */
        }
        if (!is_whole(c)) {
            atomic_fetch_add(&s->torn, 1);
        }
        if (c->version < last) {
            atomic_fetch_add(&s->backwards, 1);
        }
        last = c->version;
        covey_value_release(s->config, c);
    }
    return 0;
}

static int reload(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;
    int err = 0;

    for (int i = 2; i <= s->reloads && err == 0; i++) {
        struct config *c = config_new(i); /* takes its time: nobody waits for it */
        err = c ? covey_value_store(s->config, c) : -ENOMEM;
        if (err == 0) {
            err = covey_sleep(ctx, 100 * COVEY_US);
        }
    }
    atomic_store(&s->is_over, true);
    return err;
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct service *s = arg;
    covey_group *g = covey_group_new(ctx);
    int err = 0;

    s->config = covey_value_new(config_new(1), config_destroy);
    /* A long request, from before the first reload to after the last. */
    const struct config *first = covey_value_acquire(s->config);
    for (int i = 0; i < 8 && err == 0; i++) {
        err = covey_group_go(g, serve, s);
    }
    if (err == 0) {
        err = covey_group_go(g, reload, s);
    }
    int failed = covey_group_wait(g);

    printf("%lld configurations were published while %lld requests read them:\n",
           (long long)s->reloads, (long long)atomic_load(&s->requests));
    expect(atomic_load(&s->torn) == 0, "no request saw half a change");
    expect(atomic_load(&s->backwards) == 0, "no request saw an older one than the one before it");
    expect(atomic_load(&alive) == 2, "%d are left: the present one, and one that is still read",
           atomic_load(&alive));
    expect(is_whole(first) && first->version == 1, "the long request still reads version 1, whole");
    covey_value_release(s->config, first);
    expect(atomic_load(&alive) == 1, "it was destroyed when that request let go");
    covey_value_free(s->config);
    expect(atomic_load(&alive) == 0 && atomic_load(&destroyed) == s->reloads,
           "in the end all %d are destroyed, each once", atomic_load(&destroyed));
    return failed < 0 ? failed : err;
}

int main(int argc, char **argv)
{
    struct service s = {.reloads = EXAMPLE_SANITIZED ? 200 : 2000};
    const struct example_option options[] = {
        {"--reloads", &s.reloads, "configurations, 2 or more"}};

    example_options(argc, argv, "Replaces a configuration while it is read.", options, 1);
    s.reloads = s.reloads < 2 ? 2 : s.reloads;
    return example_result(covey_run(tour, &s));
}
