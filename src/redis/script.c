/* SPDX-License-Identifier: MIT
 * script.c - scripts by their hash: EVALSHA, and EVAL where the server does not know it. */
#include "redis/client.h"
#include "redis/sha1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_hash(void *arg)
{
    covey_redis_script *s = arg;

    cvy_sha1_hex(s->text, strlen(s->text), s->hash_);
}

/* Command, script or hash, number of keys, and what the caller gave. */
struct call {
    const char **argv;
    size_t *lens;
    char n_keys[16];
};

static int run_as(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, struct call *c,
                  const char *name, const char *script, int argc, unsigned flags)
{
    c->argv[0] = name;
    c->lens[0] = strlen(name);
    c->argv[1] = script;
    c->lens[1] = strlen(script);
    return cvy_redis_run_args(ctx, r, reply, &(covey_redis_args){3 + argc, c->argv, c->lens},
                              flags);
}

/* NOLINTNEXTLINE(readability-function-size): that many things EVAL is given */
int covey_redis_eval(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                     covey_redis_script *script, int n_keys, int argc, const char *const *argv,
                     const size_t *lens, unsigned flags)
{
    if (argc < 0 || argc > 1000000 || n_keys < 0 || n_keys > argc) {
        return covey_errorf(-EINVAL, "redis: %d keys of %d arguments", n_keys, argc);
    }
    struct call c = {.argv = calloc((size_t)argc + 3, sizeof(*c.argv)),
                     .lens = calloc((size_t)argc + 3, sizeof(*c.lens))};
    int code;
    if (!c.argv || !c.lens) {
        code = covey_errorf(-ENOMEM, "out of memory");
        goto out;
    }
    covey_once(&script->once_, set_hash, script);
    c.argv[2] = c.n_keys;
    c.lens[2] = (size_t)snprintf(c.n_keys, sizeof(c.n_keys), "%d", n_keys);
    for (int i = 0; i < argc; i++) {
        c.argv[3 + i] = argv[i];
        c.lens[3 + i] = lens ? lens[i] : strlen(argv[i]);
    }
    code = run_as(ctx, r, reply, &c, "EVALSHA", script->hash_, argc, flags);
    if (code == COVEY_EREDIS && covey_redis_refused("NOSCRIPT")) {
        code = run_as(ctx, r, reply, &c, "EVAL", script->text, argc, flags);
    }
out:
    free(c.argv);
    free(c.lens);
    return code;
}
