/* SPDX-License-Identifier: MIT
 * wire.h - one connection to a server, ready for commands: address, TLS, AUTH, SELECT are done.
 *
 * One task may read while another writes. After a failure of either the wire can only be closed. */
#ifndef CVY_REDIS_WIRE_H
#define CVY_REDIS_WIRE_H

#include "redis/reply.h"
#include "redis/url.h"

#include <covey/net.h>

/* What all connections of a handle share; immutable. */
struct cvy_redis_config {
    struct cvy_redis_url url;
    covey_redis_options options; /* the defaults filled in; name is owned */
};

/* Fills in the options, for the URL that is there; opts may be NULL. -EINVAL, -ENOTSUP, -ENOMEM. */
int cvy_redis_options_set(struct cvy_redis_config *config, const covey_redis_options *opts);

struct cvy_redis_wire {
    covey_conn *conn;
    struct cvy_redis_wire *next; /* among the idle ones */
    /* The reader's. */
    redisReader *reader;
    struct cvy_redis_builder builder;
    char buf[16 * 1024];
};

/* *wire is owned: cvy_redis_wire_close(). -ETIMEDOUT: it took longer than connect_timeout_ns. */
int cvy_redis_wire_open(covey_ctx *ctx, const struct cvy_redis_config *config,
                        struct cvy_redis_wire **wire);
void cvy_redis_wire_close(struct cvy_redis_wire *wire); /* NULL is allowed */
/* Connects, with TLS, and says nothing yet. */
int cvy_redis_wire_dial(covey_ctx *ctx, const struct cvy_redis_config *config,
                        const struct cvy_redis_place *to, struct cvy_redis_wire **wire);
/* Makes one that was used as it was at first. */
int cvy_redis_wire_reset(covey_ctx *ctx, const struct cvy_redis_config *config,
                         struct cvy_redis_wire *wire);

/* Writes one command. */
int cvy_redis_wire_say(covey_ctx *ctx, struct cvy_redis_wire *wire, int argc, const char **argv,
                       const size_t *lens);
/* Reads what has come, at least a byte. 0 or a code; the server's hang-up is -ECONNRESET. */
int cvy_redis_wire_fill(covey_ctx *ctx, struct cvy_redis_wire *wire);
/* Takes the next reply out of what was read. 1: *root is the caller's; 0: it is not all there. */
int cvy_redis_wire_next(struct cvy_redis_wire *wire, struct cvy_redis_root **root);
/* Both, until there is one: 0 or a code. */
int cvy_redis_wire_read(covey_ctx *ctx, struct cvy_redis_wire *wire, struct cvy_redis_root **root);

#endif
