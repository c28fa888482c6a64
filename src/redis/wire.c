/* SPDX-License-Identifier: MIT
 * wire.c - see wire.h. */
#include "redis/sentinel.h"

#include <covey/ctx.h>

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

int cvy_redis_wire_fill(covey_ctx *ctx, struct cvy_redis_wire *w)
{
    ssize_t n = covey_read(ctx, w->conn, w->buf, sizeof(w->buf));

    if (n < 0) {
        return (int)n;
    }
    if (n == 0) {
        return covey_errorf(-ECONNRESET, "redis: the server closed the connection");
    }
    if (redisReaderFeed(w->reader, w->buf, (size_t)n) != REDIS_OK) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    return 0;
}

static int too_large(const struct cvy_redis_wire *w)
{
    return covey_errorf(COVEY_ETOOLARGE, "redis: a reply of more than %zu bytes", w->builder.max);
}

int cvy_redis_wire_next(struct cvy_redis_wire *w, struct cvy_redis_root **root)
{
    void *object = NULL;

    if (redisReaderGetReply(w->reader, &object) == REDIS_OK) {
        *root = object;
        if (object) {
            w->builder.root = NULL;
            return 1;
        }
        /* A long string is taken over only when it is all there. */
        return w->reader->len - w->reader->pos > w->builder.max ? too_large(w) : 0;
    }
    switch (w->builder.code) {
    case COVEY_ETOOLARGE:
        return too_large(w);
    case -ENOMEM:
        return covey_errorf(-ENOMEM, "out of memory");
    default:
        return covey_errorf(COVEY_EPROTO, "redis: %s", redisReaderGetError(w->reader));
    }
}

int cvy_redis_wire_read(covey_ctx *ctx, struct cvy_redis_wire *w, struct cvy_redis_root **root)
{
    int got;

    while ((got = cvy_redis_wire_next(w, root)) == 0) {
        int code = cvy_redis_wire_fill(ctx, w);
        if (code < 0) {
            return code;
        }
    }
    return got < 0 ? got : 0;
}

int cvy_redis_wire_say(covey_ctx *ctx, struct cvy_redis_wire *w, int argc, const char **argv,
                       const size_t *lens)
{
    char *text;
    int len = redisFormatCommandArgv(&text, argc, argv, lens);

    if (len < 0) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    ssize_t n = covey_write(ctx, w->conn, text, (size_t)len);
    redisFreeCommand(text);
    return n < 0 ? (int)n : 0;
}

/* ---- the first words ---- */

struct words {
    const char *argv[8][3];
    int argc[8];
    size_t n;
};

static void say(struct words *w, const char *a, const char *b, const char *c)
{
    w->argv[w->n][0] = a;
    w->argv[w->n][1] = b;
    w->argv[w->n][2] = c;
    w->argc[w->n++] = 1 + (b != NULL) + (c != NULL);
}

/* Says all, then hears all; a name that the server does not like is none. */
static int converse(covey_ctx *ctx, struct cvy_redis_wire *wire, const struct words *w)
{
    struct cvy_redis_root *root = NULL;
    int code = 0;

    for (size_t i = 0; code == 0 && i < w->n; i++) {
        code = cvy_redis_wire_say(ctx, wire, w->argc[i], (const char **)w->argv[i], NULL);
    }
    for (size_t i = 0; code == 0 && i < w->n; i++) {
        code = cvy_redis_wire_read(ctx, wire, &root);
        if (code == 0) {
            code = strcmp(w->argv[i][0], "CLIENT") != 0 ? cvy_redis_refusal(&root->reply) : 0;
            cvy_redis_root_free(root);
        }
    }
    return code;
}

static int greet(covey_ctx *ctx, const struct cvy_redis_config *config, struct cvy_redis_wire *wire,
                 bool is_reset)
{
    const struct cvy_redis_url *u = &config->url;
    struct words w = {0};
    char db[16];

    if (is_reset) {
        say(&w, "RESET", NULL, NULL);
    }
    if (u->password) {
        say(&w, "AUTH", u->user ? u->user : u->password, u->user ? u->password : NULL);
    }
    if (u->db > 0) {
        (void)snprintf(db, sizeof(db), "%d", u->db);
        say(&w, "SELECT", db, NULL);
    }
    if (config->options.name) {
        say(&w, "CLIENT", "SETNAME", config->options.name);
    }
    /* A server may accept only to refuse: too many clients, still loading, a password wanted. */
    say(&w, "PING", NULL, NULL);
    return converse(ctx, wire, &w);
}

int cvy_redis_wire_reset(covey_ctx *ctx, const struct cvy_redis_config *config,
                         struct cvy_redis_wire *wire)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, config->options.connect_timeout_ns);
    int code = greet(limited, config, wire, true);

    covey_ctx_unref(limited);
    return code;
}

/* ---- opening ---- */

static int make(covey_conn *conn, const struct cvy_redis_config *config,
                struct cvy_redis_wire **wire)
{
    struct cvy_redis_wire *w = malloc(sizeof(*w));

    if (!w) {
        goto fail;
    }
    w->conn = conn;
    w->next = NULL;
    w->builder = (struct cvy_redis_builder){.max = config->options.max_reply};
    w->reader = redisReaderCreateWithFunctions(&cvy_redis_reply_functions);
    if (!w->reader) {
        free(w);
        goto fail;
    }
    w->reader->privdata = &w->builder;
    *wire = w;
    return 0;
fail:
    covey_close(conn);
    return covey_errorf(-ENOMEM, "out of memory");
}

int cvy_redis_wire_dial(covey_ctx *ctx, const struct cvy_redis_config *config,
                        const struct cvy_redis_place *to, struct cvy_redis_wire **wire)
{
    const covey_redis_options *o = &config->options;
    covey_conn *conn = NULL;

    int code = covey_dial(ctx, &conn, to->addr);
    if (code == 0 && config->url.is_tls) {
        code = o->secure(ctx, &conn, o->tls, to->host);
    }
    return code < 0 ? code : make(conn, config, wire);
}

static int open_at(covey_ctx *ctx, const struct cvy_redis_config *config,
                   const struct cvy_redis_place *to, struct cvy_redis_wire **wire)
{
    int code = cvy_redis_wire_dial(ctx, config, to, wire);

    if (code == 0) {
        code = greet(ctx, config, *wire, false);
        if (code == 0 && config->url.master) {
            code = cvy_redis_sentinel_check(ctx, *wire, to);
        }
        if (code < 0) {
            cvy_redis_wire_close(*wire);
        }
    }
    return code;
}

static int open_within(covey_ctx *ctx, const struct cvy_redis_config *config,
                       struct cvy_redis_wire **wire)
{
    struct cvy_redis_place master = {0};

    if (!config->url.master) {
        return open_at(ctx, config, &config->url.places[0], wire);
    }
    int code = cvy_redis_sentinel_find(ctx, config, &master);
    code = code < 0 ? code : open_at(ctx, config, &master, wire);
    cvy_redis_place_fini(&master);
    return code;
}

int cvy_redis_wire_open(covey_ctx *ctx, const struct cvy_redis_config *config,
                        struct cvy_redis_wire **wire)
{
    covey_ctx *limited = covey_ctx_with_timeout(ctx, config->options.connect_timeout_ns);
    struct cvy_redis_wire *made = NULL;
    int code = open_within(limited, config, &made);

    covey_ctx_unref(limited);
    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        code =
            covey_errorf(-ETIMEDOUT, "redis %s: no connection in time", config->url.places[0].addr);
    } else if (code == COVEY_ECANCELED && covey_ctx_err(ctx) == 0) {
        code = covey_errorf(-ENOMEM, "out of memory"); /* for the limit */
    }
    if (code == 0) {
        *wire = made;
    }
    return code;
}

void cvy_redis_wire_close(struct cvy_redis_wire *w)
{
    if (!w) {
        return;
    }
    covey_close(w->conn);
    redisReaderFree(w->reader);
    cvy_redis_root_free(w->builder.root); /* a reply that was not all there */
    free(w);
}
