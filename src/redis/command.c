/* SPDX-License-Identifier: MIT
 * command.c - covey_redis_command() and its kin: from arguments to a request, and to its reply.
 *
 * Commands that change the connection for all who share it, or hold them up, are refused there. */
#include "redis/client.h"

#include <covey/ctx.h>
#include <covey/debug.h>

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX ((size_t)512 * 1024 * 1024) /* the server takes no larger string either */

/* ---- what a shared connection does not take ---- */

static const char *const own_only[] = {
    "AUTH",       "BLMOVE",   "BLMPOP",  "BLPOP",    "BRPOP",   "BRPOPLPUSH", "BZMPOP",
    "BZPOPMAX",   "BZPOPMIN", "DISCARD", "EXEC",     "HELLO",   "MONITOR",    "MULTI",
    "PSUBSCRIBE", "PSYNC",    "QUIT",    "READONLY", "RESET",   "SELECT",     "SSUBSCRIBE",
    "SUBSCRIBE",  "SYNC",     "UNWATCH", "WAIT",     "WAITAOF", "WATCH",
};

static int by_name(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

/* The first word of a formatted command, in capitals; cut. */
static void name_of(const char *bytes, size_t len, char *name, size_t size)
{
    const char *at = memchr(bytes, '$', len);
    size_t n = 0;

    at = at ? memchr(at, '\n', len - (size_t)(at - bytes)) : NULL;
    while (at && ++at < bytes + len && n + 1 < size && isalpha((unsigned char)*at)) {
        name[n++] = (char)toupper((unsigned char)*at);
    }
    name[n] = '\0';
}

/* The first argument behind the name; NULL: there is none. */
static const char *second_word(const char *bytes, size_t len, size_t *word_len)
{
    const char *end = bytes + len;
    const char *at = memchr(bytes, '$', len);

    for (int word = 0; at; word++) {
        char *digits_end;
        unsigned long n = strtoul(at + 1, &digits_end, 10); /* a line's end follows */
        const char *text = digits_end + 2;
        if (text > end || n > (size_t)(end - text)) {
            return NULL;
        }
        if (word == 1) {
            *word_len = n;
            return text;
        }
        at = text + n + 2 < end && text[n + 2] == '$' ? text + n + 2 : NULL;
    }
    return NULL;
}

static int refuse_shared(const char *name)
{
    return covey_errorf(-EINVAL, "redis: %s needs a connection of its own (covey_redis_own)", name);
}

static int check_shared(const char *bytes, size_t len)
{
    char name[16];

    name_of(bytes, len, name, sizeof(name));
    return bsearch(name, own_only, sizeof(own_only) / sizeof(*own_only), sizeof(*own_only), by_name)
               ? refuse_shared(name)
               : 0;
}

static bool is_named(const char *bytes, size_t len, const char *wanted)
{
    char name[16];

    name_of(bytes, len, name, sizeof(name));
    return strcmp(name, wanted) == 0;
}

/* ---- sending ---- */

struct request_note {
    covey_wait_note note; /* first */
    const struct cvy_redis_request *request;
};

/* "GET user:7", "EVALSHA and 2 more": the name, and the key if it may be shown. */
static void describe_request(const covey_wait_note *note, char *out, size_t size)
{
    const struct cvy_redis_request *q = ((const struct request_note *)note)->request;
    char name[16];
    size_t len = 0;

    name_of(q->bytes, q->len, name, sizeof(name));
    const char *key = second_word(q->bytes, q->len, &len);
    bool is_secret = strcmp(name, "AUTH") == 0 || strcmp(name, "HELLO") == 0;
    if (q->replies > 1) {
        (void)snprintf(out, size, "%s and %zu more", name, q->replies - 1);
    } else if (key && !is_secret) {
        (void)snprintf(out, size, "%s %.*s", name, (int)(len < size ? len : size), key);
    } else {
        (void)snprintf(out, size, "%s", name);
    }
}

static int wait_for(covey_ctx *ctx, struct cvy_redis_link *l, struct cvy_redis_request *q)
{
    int code = covey_waitgroup_wait(ctx, &q->ended);

    /* What has ended at that very moment has succeeded. */
    return code < 0 && cvy_redis_link_leave(l, q) ? code : 0;
}

/* On a connection that is shared. */
static int run_shared(covey_ctx *ctx, covey_redis *r, struct cvy_redis_request *q,
                      struct cvy_redis_root **root)
{
    struct cvy_redis_client *c = r->client;
    int code = covey_ctx_err(ctx) < 0 ? covey_waitgroup_wait(ctx, &q->ended) : 0; /* its words */
    if (code == 0) {
        unsigned turn = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
        struct cvy_redis_link *l = &c->links[turn % (unsigned)c->link_count];
        cvy_redis_client_hold(c);
        code = cvy_redis_link_queue(l, q);
        code = code < 0 ? code : wait_for(ctx, l, q);
        code = code < 0 ? code : cvy_redis_request_result(q, root);
        cvy_redis_client_drop(c);
    }
    return code;
}

int cvy_redis_run(covey_ctx *ctx, covey_redis *r, struct cvy_redis_request *q,
                  struct cvy_redis_root **root)
{
    struct request_note n = {.note = {.what = "Redis command", .describe = describe_request},
                             .request = q};

    covey_wait_note_begin(&n.note);
    int code = r->own ? cvy_redis_own_run(ctx, r->own, q, root) : run_shared(ctx, r, q, root);
    covey_wait_note_end(&n.note);
    cvy_redis_request_drop(q);
    return code;
}

/* Takes a text that hiredis has made, of len bytes or its error. */
static int run_text(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, char *text, int len,
                    unsigned flags)
{
    struct cvy_redis_root *root = NULL;

    if (len < 0) {
        return len == -1 ? covey_errorf(-ENOMEM, "out of memory")
                         : covey_errorf(-EINVAL, "redis: not a format of a command");
    }
    int code = r->own ? 0 : check_shared(text, (size_t)len);
    struct cvy_redis_request *q = code < 0 ? NULL : cvy_redis_request_new((size_t)len, 1);
    if (q) {
        memcpy(q->bytes, text, (size_t)len);
        q->may_repeat = (flags & COVEY_REDIS_AGAIN) != 0;
    }
    redisFreeCommand(text);
    if (!q) {
        return code < 0 ? code : covey_errorf(-ENOMEM, "out of memory");
    }
    code = cvy_redis_run(ctx, r, q, &root);
    if (code == 0 && reply) {
        *reply = &root->reply;
    } else if (code == 0) {
        cvy_redis_root_free(root);
    }
    return code;
}

static int run_format(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, const char *fmt,
                      va_list args, unsigned flags)
{
    char *text = NULL;
    int len = redisvFormatCommand(&text, fmt, args);

    return run_text(ctx, r, reply, text, len, flags);
}

int covey_redis_vcommand(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, const char *fmt,
                         va_list args)
{
    return run_format(ctx, r, reply, fmt, args, 0);
}

int covey_redis_command(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, const char *fmt,
                        ...)
{
    va_list args;

    va_start(args, fmt);
    int code = run_format(ctx, r, reply, fmt, args, 0);
    va_end(args);
    return code;
}

int covey_redis_command_again(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                              const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int code = run_format(ctx, r, reply, fmt, args, COVEY_REDIS_AGAIN);
    va_end(args);
    return code;
}

/* ---- argument by argument ---- */

/* hiredis counts in int. The length of *text, or a code. */
static int format_args(const covey_redis_args *a, char **text)
{
    size_t total = 0;

    if (a->argc < 1) {
        return covey_errorf(-EINVAL, "redis: a command without a word");
    }
    for (int i = 0; i < a->argc; i++) {
        size_t len = a->lens ? a->lens[i] : strlen(a->argv[i]);
        if (len > COMMAND_MAX || (total += len + 32) > COMMAND_MAX) {
            return covey_errorf(COVEY_ETOOLARGE, "redis: a command of more than 512 MiB");
        }
    }
    int len = redisFormatCommandArgv(text, a->argc, (const char **)a->argv, a->lens);
    return len < 0 ? covey_errorf(-ENOMEM, "out of memory") : len;
}

int cvy_redis_run_args(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                       const covey_redis_args *args, unsigned flags)
{
    char *text = NULL;
    int len = format_args(args, &text);

    return len < 0 ? len : run_text(ctx, r, reply, text, len, flags);
}

int covey_redis_commandv(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, int argc,
                         const char *const *argv, const size_t *lens)
{
    return cvy_redis_run_args(ctx, r, reply, &(covey_redis_args){argc, argv, lens}, 0);
}

/* ---- several ---- */

struct text {
    char *bytes;
    int len;
};

/* MULTI and EXEC around the others are all right anywhere. */
static int check_batch(const struct text *texts, size_t n)
{
    bool is_transaction = n >= 2 && is_named(texts[0].bytes, (size_t)texts[0].len, "MULTI") &&
                          is_named(texts[n - 1].bytes, (size_t)texts[n - 1].len, "EXEC");
    int code = 0;

    for (size_t i = is_transaction; code == 0 && i < n - is_transaction; i++) {
        code = check_shared(texts[i].bytes, (size_t)texts[i].len);
    }
    return code;
}

static struct cvy_redis_request *join(const struct text *texts, size_t n, size_t total)
{
    struct cvy_redis_request *q = cvy_redis_request_new(total, n);
    size_t at = 0;

    for (size_t i = 0; q && i < n; i++) {
        memcpy(q->bytes + at, texts[i].bytes, (size_t)texts[i].len);
        at += (size_t)texts[i].len;
    }
    return q;
}

/* 0 and *q, or a code. */
static int make_batch(const covey_redis *r, const covey_redis_args *commands, size_t n,
                      struct text *texts, struct cvy_redis_request **q)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        texts[i].len = format_args(&commands[i], &texts[i].bytes);
        if (texts[i].len < 0) {
            return texts[i].len;
        }
        total += (size_t)texts[i].len;
        if (total > COMMAND_MAX) {
            return covey_errorf(COVEY_ETOOLARGE, "redis: commands of more than 512 MiB");
        }
    }
    int code = r->own ? 0 : check_batch(texts, n);
    if (code == 0) {
        *q = join(texts, n, total);
        code = *q ? 0 : covey_errorf(-ENOMEM, "out of memory");
    }
    return code;
}

int covey_redis_batch(covey_ctx *ctx, covey_redis *r, covey_redis_reply **replies,
                      const covey_redis_args *commands, size_t n, unsigned flags)
{
    struct cvy_redis_request *q = NULL;
    struct cvy_redis_root *root = NULL;

    if (n == 0 || n > INT_MAX) {
        return covey_errorf(-EINVAL, "redis: a batch of %zu commands", n);
    }
    struct text *texts = calloc(n, sizeof(*texts));
    if (!texts) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    int code = make_batch(r, commands, n, texts, &q);
    for (size_t i = 0; i < n && texts[i].bytes; i++) {
        redisFreeCommand(texts[i].bytes);
    }
    free(texts);
    if (code < 0) {
        return code;
    }
    q->is_batch = true;
    q->may_repeat = (flags & COVEY_REDIS_AGAIN) != 0;
    code = cvy_redis_run(ctx, r, q, &root);
    if (code == 0 && replies) {
        *replies = &root->reply;
    } else if (code == 0) {
        cvy_redis_root_free(root);
    }
    return code;
}
