/* SPDX-License-Identifier: MIT
 * sentinel.c - see sentinel.h.
 *
 * Nothing is remembered: after a failover the sentinels cut the old master's connections, and each
 * new one goes where they say then. What they say may be late: so the server is asked too. */
#define _GNU_SOURCE
#include "redis/sentinel.h"

#include <covey/ctx.h>

#include <stdio.h>
#include <string.h>

static int ask(covey_ctx *ctx, struct cvy_redis_wire *wire, int argc, const char **argv,
               struct cvy_redis_root **root)
{
    int code = cvy_redis_wire_say(ctx, wire, argc, argv, NULL);

    return code < 0 ? code : cvy_redis_wire_read(ctx, wire, root);
}

static int log_in(covey_ctx *ctx, struct cvy_redis_wire *wire, const struct cvy_redis_url *u)
{
    const char *argv[] = {"AUTH", u->sentinel_user ? u->sentinel_user : u->sentinel_password,
                          u->sentinel_password};
    struct cvy_redis_root *root = NULL;

    int code = ask(ctx, wire, u->sentinel_user ? 3 : 2, argv, &root);
    if (code == 0) {
        code = cvy_redis_refusal(&root->reply);
        cvy_redis_root_free(root);
    }
    return code;
}

/* An array of address and port; nil: there is no such master. */
static int read_place(const covey_redis_reply *reply, const char *name,
                      struct cvy_redis_place *master)
{
    const char *host = covey_redis_text(covey_redis_at(reply, 0), NULL);
    const char *port = covey_redis_text(covey_redis_at(reply, 1), NULL);

    if (!host || !port) {
        int code = cvy_redis_refusal(reply);
        return code < 0 ? code
                        : covey_errorf(-ENOENT, "redis: no master \"%s\" at the sentinels", name);
    }
    bool is_v6 = strchr(host, ':') != NULL;
    if (asprintf(&master->addr, is_v6 ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port) < 0) {
        master->addr = NULL;
    }
    master->host = master->addr ? strdup(host) : NULL;
    if (!master->host) {
        cvy_redis_place_fini(master);
        *master = (struct cvy_redis_place){0};
        return covey_errorf(-ENOMEM, "out of memory");
    }
    return 0;
}

static int ask_sentinel(covey_ctx *ctx, const struct cvy_redis_config *config,
                        const struct cvy_redis_place *sentinel, struct cvy_redis_place *master)
{
    const char *argv[] = {"SENTINEL", "get-master-addr-by-name", config->url.master};
    struct cvy_redis_wire *wire = NULL;
    struct cvy_redis_root *root = NULL;

    int code = cvy_redis_wire_dial(ctx, config, sentinel, &wire);
    if (code < 0) {
        return code;
    }
    if (config->url.sentinel_password) {
        code = log_in(ctx, wire, &config->url);
    }
    code = code < 0 ? code : ask(ctx, wire, 3, argv, &root);
    if (code == 0) {
        code = read_place(&root->reply, config->url.master, master);
        cvy_redis_root_free(root);
    }
    cvy_redis_wire_close(wire);
    return code;
}

int cvy_redis_sentinel_find(covey_ctx *ctx, const struct cvy_redis_config *config,
                            struct cvy_redis_place *master)
{
    const struct cvy_redis_url *u = &config->url;
    /* So that silent ones leave time for the others, and for the master. */
    int64_t share = config->options.connect_timeout_ns / (int64_t)(u->count + 1);
    int code = -ENOENT;

    for (size_t i = 0; i < u->count; i++) {
        covey_ctx *limited = covey_ctx_with_timeout(ctx, share);
        code = ask_sentinel(limited, config, &u->places[i], master);
        bool is_over = code == 0 || code == -ENOMEM || covey_ctx_err(ctx) < 0;
        covey_ctx_unref(limited);
        if (is_over) {
            return code;
        }
    }
    return code == COVEY_EDEADLINE
               ? covey_errorf(-ETIMEDOUT, "redis: no answer of the sentinels in time")
               : code;
}

int cvy_redis_sentinel_check(covey_ctx *ctx, struct cvy_redis_wire *wire,
                             const struct cvy_redis_place *found)
{
    const char *argv[] = {"ROLE"};
    struct cvy_redis_root *root = NULL;

    int code = ask(ctx, wire, 1, argv, &root);
    if (code < 0) {
        return code;
    }
    /* Who may not ask is told nothing. */
    const char *role = covey_redis_text(covey_redis_at(&root->reply, 0), NULL);
    if (role && strcmp(role, "master") != 0) {
        code = covey_errorf(-ENOTCONN, "redis %s: it is no master, or not yet", found->addr);
    }
    cvy_redis_root_free(root);
    return code;
}
