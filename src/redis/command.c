/* SPDX-License-Identifier: MIT
 * command.c - covey_redis_command() and its kin: from arguments to a request, and to its reply. */
#include "redis/client.h"
#include "redis/format.h"

#include <covey/ctx.h>
#include <covey/debug.h>

#include <hiredis/hiredis.h>
#include <limits.h>
#include <string.h>

#define BATCH_MAX (INT64_C(512) << 20) /* bytes */

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

struct request_note {
    covey_wait_note note; /* first */
    const struct cvy_redis_request *request;
};

static void describe(const covey_wait_note *note, char *out, size_t size)
{
    cvy_redis_describe(((const struct request_note *)note)->request, out, size);
}

int cvy_redis_run(covey_ctx *ctx, covey_redis *r, struct cvy_redis_request *q,
                  struct cvy_redis_root **root)
{
    struct request_note n = {.note = {.what = "Redis command", .describe = describe}, .request = q};

    covey_wait_note_begin(&n.note);
    int code = r->own ? cvy_redis_own_run(ctx, r->own, q, root) : run_shared(ctx, r, q, root);
    covey_wait_note_end(&n.note);
    cvy_redis_request_drop(q);
    return code;
}

/* Sends q, which it takes. */
static int run_request(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                       struct cvy_redis_request *q, unsigned flags)
{
    struct cvy_redis_root *root = NULL;

    if (!q) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    q->may_repeat = (flags & COVEY_REDIS_AGAIN) != 0;
    int code = cvy_redis_run(ctx, r, q, &root);
    if (code == 0 && reply) {
        *reply = &root->reply;
    } else if (code == 0) {
        cvy_redis_root_free(root);
    }
    return code;
}

/* ---- as printf ---- */

/* Takes a text that hiredis has made, of len bytes or its error. */
static int run_text(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, char *text, int len,
                    unsigned flags)
{
    if (len < 0) {
        return len == -1 ? covey_errorf(-ENOMEM, "out of memory")
                         : covey_errorf(-EINVAL, "redis: not a format of a command");
    }
    struct cvy_redis_word word = cvy_redis_first_word_of(text);
    struct cvy_redis_request *q = NULL;
    int code = word.len == 0 ? covey_errorf(-EINVAL, "redis: a command without a word")
               : r->own      ? 0
                             : cvy_redis_check_shared(word);
    if (code == 0) {
        q = cvy_redis_request_new((size_t)len, 1);
    }
    if (q) {
        memcpy(q->bytes, text, (size_t)len);
    }
    redisFreeCommand(text);
    return code < 0 ? code : run_request(ctx, r, reply, q, flags);
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

int cvy_redis_run_args(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                       const covey_redis_args *args, unsigned flags)
{
    int64_t len = cvy_redis_format_len(args);
    int code = len < 0 ? (int)len : r->own ? 0 : cvy_redis_check_shared(cvy_redis_first_word(args));

    if (code < 0) {
        return code;
    }
    struct cvy_redis_request *q = cvy_redis_request_new((size_t)len, 1);
    if (q) {
        (void)cvy_redis_format(q->bytes, args);
    }
    return run_request(ctx, r, reply, q, flags);
}

int covey_redis_commandv(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply, int argc,
                         const char *const *argv, const size_t *lens)
{
    return cvy_redis_run_args(ctx, r, reply, &(covey_redis_args){argc, argv, lens}, 0);
}

/* ---- several ---- */

/* MULTI and EXEC around the others are all right anywhere. */
static int check_batch(const covey_redis_args *commands, size_t n)
{
    bool is_transaction = n >= 2 &&
                          cvy_redis_word_is(cvy_redis_first_word(&commands[0]), "MULTI") &&
                          cvy_redis_word_is(cvy_redis_first_word(&commands[n - 1]), "EXEC");
    int code = 0;

    for (size_t i = is_transaction; code == 0 && i < n - is_transaction; i++) {
        code = cvy_redis_check_shared(cvy_redis_first_word(&commands[i]));
    }
    return code;
}

/* Of all together, or a code. */
static int64_t batch_len(const covey_redis_args *commands, size_t n)
{
    int64_t total = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t len = cvy_redis_format_len(&commands[i]);
        if (len < 0) {
            return len;
        }
        total += len;
        if (total > BATCH_MAX) {
            return covey_errorf(COVEY_ETOOLARGE, "redis: commands of more than 512 MiB");
        }
    }
    return total;
}

int covey_redis_batch(covey_ctx *ctx, covey_redis *r, covey_redis_reply **replies,
                      const covey_redis_args *commands, size_t n, unsigned flags)
{
    if (n == 0 || n > INT_MAX) {
        return covey_errorf(-EINVAL, "redis: a batch of %zu commands", n);
    }
    int64_t len = batch_len(commands, n);
    int code = len < 0 ? (int)len : r->own ? 0 : check_batch(commands, n);
    if (code < 0) {
        return code;
    }
    struct cvy_redis_request *q = cvy_redis_request_new((size_t)len, n);
    char *to = q ? q->bytes : NULL;
    for (size_t i = 0; q && i < n; i++) {
        to = cvy_redis_format(to, &commands[i]);
    }
    if (q) {
        q->is_batch = true;
    }
    return run_request(ctx, r, replies, q, flags);
}
