/* SPDX-License-Identifier: MIT
 * covey/redis.h - Redis: commands that many tasks send over one connection, connections of one's
 * own, subscriptions, scripts (library libcovey-redis on hiredis' parser, not part of <covey.h>).
 *
 * A handle is for any number of tasks and threads at once. Commands of all of them go over the same
 * connection, many in one write, without waiting for each other's replies. What must not be mixed
 * with others' commands, MULTI, WATCH, or would hold them up, BLPOP, XREADGROUP with BLOCK, needs a
 * connection of its own: covey_redis_own().
 *
 * What takes a context may switch tasks and ends with it: COVEY_ECANCELED, COVEY_EDEADLINE. A
 * command that was not sent yet then has no effect; one that was sent may take effect, and its
 * reply is dropped when it comes: nobody else's reply is mistaken for it.
 *
 * A connection that is lost is made again when a command needs it, with pauses (see options). A
 * command that had not been sent waits for that. One that had been sent, or perhaps, fails with
 * -ECONNRESET, as its effect is not known; unless its caller said that it may be run twice.
 *
 * Codes: COVEY_EREDIS (the server refused: "redis: WRONGTYPE Operation against ..."), -EACCES
 * (refused for want of authority: NOAUTH, WRONGPASS, NOPERM), -ECONNRESET, -ETIMEDOUT (no
 * connection, or no reply, in time), -ECONNREFUSED and others of covey/net.h and covey/tls.h (no
 * connection could be made), COVEY_EPROTO (what came is not the protocol; the connection is closed,
 * as with) COVEY_ETOOLARGE (a reply beyond max_reply), -ENOMEM, -EINVAL, COVEY_ECLOSED (the handle
 * is closed, or the runtime that it was opened in has ended; then only covey_redis_close() may
 * follow).
 *
 * The protocol is RESP2: hiredis 0.14, Debian 12's, reads no RESP3; subscriptions have connections
 * of their own instead of pushes. Of a cluster one node is spoken to: MOVED and ASK are refusals
 * that name the node (COVEY_EREDIS, covey_redis_refused("MOVED")), and not followed. Sentinels are:
 * covey_redis_open(). Tasks need an ordinary stack, with TLS one of 64 KiB. */
#ifndef COVEY_REDIS_H
#define COVEY_REDIS_H

#include <covey/defs.h>
#include <covey/error.h>
#include <covey/retry.h>
#include <covey/sync.h>

#include <stdarg.h>

COVEY_BEGIN

typedef struct covey_redis covey_redis;
struct covey_conn;
struct covey_tls_config;

/* ---- replies ---- */

typedef enum covey_redis_type {
    COVEY_REDIS_NIL,
    COVEY_REDIS_INT,
    COVEY_REDIS_STRING, /* any bytes */
    COVEY_REDIS_STATUS, /* "OK" */
    COVEY_REDIS_ARRAY,
    COVEY_REDIS_ERROR /* within an array only: a command that fails returns a code */
} covey_redis_type;

typedef struct covey_redis_reply {
    covey_redis_type type;
    int64_t integer;                          /* INT */
    const char *text;                         /* STRING, STATUS, ERROR; with a NUL behind it */
    size_t len;                               /* of text, without that */
    size_t count;                             /* ARRAY */
    const struct covey_redis_reply *elements; /* count of them */
} covey_redis_reply;

/* With all that it points to; only what a call has returned, not its elements. NULL is allowed. */
COVEY_API void covey_redis_reply_free(covey_redis_reply *reply);

/* An element; NULL if there is none, reply is no array, or NULL: so looks can be chained. */
static inline const covey_redis_reply *covey_redis_at(const covey_redis_reply *reply, size_t i)
{
    return reply && reply->type == COVEY_REDIS_ARRAY && i < reply->count ? &reply->elements[i]
                                                                         : NULL;
}
/* Its bytes; NULL if it is neither string nor status, or is NULL. len may be NULL. */
static inline const char *covey_redis_text(const covey_redis_reply *reply, size_t *len)
{
    bool is_text =
        reply && (reply->type == COVEY_REDIS_STRING || reply->type == COVEY_REDIS_STATUS);

    if (len) {
        *len = is_text ? reply->len : 0;
    }
    return is_text ? reply->text : NULL;
}
static inline bool covey_redis_is_nil(const covey_redis_reply *reply)
{
    return reply && reply->type == COVEY_REDIS_NIL;
}
/* Its integer, or what its text says in decimal if that is nothing but an integer, as of INCR and
 * of GET. 0; COVEY_ETYPE, without words: it is none, or NULL; *n is left alone. */
COVEY_API int covey_redis_int(const covey_redis_reply *reply, int64_t *n);

/* ---- the handle ---- */

typedef struct covey_redis_options {
    int connections;            /* shared ones, opened as needed; 0: 1 */
    int own_max;                /* connections of covey_redis_own() in use at once; 0: 64 */
    int own_idle;               /* and kept for the next who asks; 0: 4; < 0: none */
    int64_t connect_timeout_ns; /* with TLS and AUTH; 0: 5 s */
    int64_t silence_ns;         /* shared connections: replies are waited for, and nothing comes for
                                   so long: it is given up with -ETIMEDOUT; 0: 30 s; < 0: never */
    size_t max_reply;           /* bytes a reply may take in memory; 0: 64 MiB */
    covey_backoff reconnect; /* pauses between attempts to connect, and how many (max_tries, 0: 3) a
                                command waits for before it fails with what the last one said. 0:
                                base 50 ms, cap 2 s. Budget and callbacks are not used */
    bool lazy;               /* covey_redis_open() does not connect */
    const char *name;        /* copied. With one covey_metrics_write() shows it, redis="name", and
                                the server's CLIENT LIST has it */
    /* For rediss://, so that this library needs no OpenSSL: covey_tls_client and a config of
     * covey/tls.h, which must outlive the handle. */
    int (*secure)(covey_ctx *ctx, struct covey_conn **c, struct covey_tls_config *tls,
                  const char *host);
    struct covey_tls_config *tls;
} covey_redis_options;

/* url: "redis://host", "redis://user:password@host:6379/3", "redis://:password@[::1]:6380",
 * "rediss://..." (TLS), "unix:///run/redis.sock", "unix://user:password@/run/redis.sock?db=3".
 * Names and passwords may have %XX.
 *
 * "redis://:password@host1,host2:26380/3?sentinel=NAME": the hosts (at most 16, port 26379) are
 * sentinels. They are asked, in this order, where the master NAME is, for each connection that is
 * made; user, password, number and TLS are the master's, TLS also theirs. A password of theirs
 * follows: "...?sentinel=NAME&sentinel_user=USER&sentinel_password=PASSWORD", a user being one of
 * their ACL (Redis 6.2), and may be left out.
 * After a failover they cut the old master's connections, and what is made again goes to the new
 * one: with options.reconnect commands can wait that long. -ENOENT: no sentinel knows NAME.
 *
 * *r is owned. opts (NULL: defaults) and url are borrowed for the
 * call. Connects, so that a wrong address or password is heard of now. -EINVAL: the URL or an
 * option; -ENOTSUP: rediss:// without options.secure; and the codes above. Needs a runtime. */
COVEY_API int covey_redis_open(covey_ctx *ctx, covey_redis **r, const char *url,
                               const covey_redis_options *opts);
/* Each of a list of URLs with commas between, as the servers of a lease (covey/lock.h), in r, which
 * has room for max; how many. All or none: a code is the first failure's, whose words name the
 * server by its place in the list, never by its URL, which may hold a password. Commas between
 * sentinels are their URL's own. With options.name each is called "NAME-1", "NAME-2", ...; with
 * options.lazy servers may be down that are not needed yet. -EINVAL: more than max, or a URL. */
COVEY_API int covey_redis_open_list(covey_ctx *ctx, covey_redis **r, size_t max, const char *urls,
                                    const covey_redis_options *opts);
/* Whoever waits in a call on r gets COVEY_ECLOSED, and subscriptions and connections of one's own
 * end: those must still be closed, before or after this. The handle must not be used again by
 * anyone who is not inside a call. A connection of one's own goes back to be used again if it is
 * whole. Does not wait; may switch. NULL is allowed. */
COVEY_API void covey_redis_close(covey_redis *r);

typedef struct covey_redis_stats {
    int connections;   /* shared ones that are up */
    int own, own_idle; /* of one's own in use, and kept */
    int subscriptions;
    uint64_t pending;   /* commands that are queued or wait for their reply */
    uint64_t commands;  /* ended in a reply, */
    uint64_t refused;   /* of these with an error's, */
    uint64_t failed;    /* without one */
    uint64_t abandoned; /* sent, and then left by a caller whose context ended */
    uint64_t resent;    /* sent again over a new connection */
    uint64_t connected, lost, connects_failed; /* connections; a close is no loss */
    uint64_t writes; /* of shared connections: how many commands shared one tells how well they pack
                      */
} covey_redis_stats;
/* A moment's view. */
COVEY_API void covey_redis_stats_of(covey_redis *r, covey_redis_stats *out);

/* ---- commands ---- */

/* One command, printf-like: "SET %s %b", key, value, (size_t)len. %s is one argument, or part of
 * one, whatever bytes it has; so is %b, which takes a pointer and a size_t; %d, %lld and their like
 * as in printf. Blanks in fmt separate arguments. *reply (reply may be NULL) is owned and written
 * only on success. */
COVEY_API int covey_redis_command(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                                  const char *fmt, ...);
COVEY_API int covey_redis_vcommand(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                                   const char *fmt, va_list args);
/* The same for a command that may be run twice: if the connection is lost it is sent again. */
COVEY_API int covey_redis_command_again(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                                        const char *fmt, ...);
/* The same from argc arguments, argv[i] of lens[i] bytes; lens NULL: strings. */
COVEY_API int covey_redis_commandv(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                                   int argc, const char *const *argv, const size_t *lens);

/* Several commands in one go: they follow each other without anybody's in between, but are no
 * transaction unless MULTI and EXEC are the first and the last. */
typedef struct covey_redis_args {
    int argc;
    const char *const *argv;
    const size_t *lens; /* NULL: strings */
} covey_redis_args;

#define COVEY_REDIS_AGAIN                                                                          \
    1u /* they may be run twice: send them again if the connection is lost                         \
        */

/* *replies is an array of n; a command that was refused has an ERROR in its place. */
COVEY_API int covey_redis_batch(covey_ctx *ctx, covey_redis *r, covey_redis_reply **replies,
                                const covey_redis_args *commands, size_t n, unsigned flags);

/* Whether the calling task's last failure was a refusal (COVEY_EREDIS, -EACCES) of this kind, the
 * first word of what the server said: covey_redis_refused("BUSYGROUP"). Does not switch. */
COVEY_API bool covey_redis_refused(const char *kind);

/* ---- scripts ---- */

/* A Lua script, sent by its hash where the server knows it. Static or anywhere: COVEY_REDIS_SCRIPT.
 * Fields ending in _ are covey's. */
typedef struct covey_redis_script {
    const char *text; /* must not change */
    covey_once_flag once_;
    char hash_[41];
} covey_redis_script;
#define COVEY_REDIS_SCRIPT(text)                                                                   \
    {                                                                                              \
        text, {0}, ""                                                                              \
    }

/* EVALSHA with the first n_keys of argc arguments as KEYS and the others as ARGV; EVAL if the
 * server does not know it yet. flags as of covey_redis_batch(). */
COVEY_API int covey_redis_eval(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                               covey_redis_script *script, int n_keys, int argc,
                               const char *const *argv, const size_t *lens, unsigned flags);

/* ---- a connection of one's own ---- */

/* Takes a connection out of the handle's store, or makes one: first come, first served when own_max
 * are in use. *own is a handle on which all the calls above run, by one task at a time; *own is
 * owned: covey_redis_close().
 *
 * MULTI, WATCH, blocking commands, SELECT: what one sets holds until the close. It is not made
 * again when it is lost: everything then gives -ECONNRESET. A context that ends while a command
 * waits for its reply ends the connection too, which stops a command that blocks in the server; if
 * that had just taken an element, the element is lost: BLMOVE and XREADGROUP leave one where it can
 * be found. -EBUSY: another task is inside a call. -EINVAL: r is such a handle itself. */
COVEY_API int covey_redis_own(covey_ctx *ctx, covey_redis *r, covey_redis **own);

/* ---- subscriptions ---- */

typedef struct covey_redis_subscription covey_redis_subscription;

typedef enum covey_redis_message_kind {
    COVEY_REDIS_MESSAGE,
    COVEY_REDIS_GAP /* the connection was lost and is back: messages may have been missed here */
} covey_redis_message_kind;

/* One allocation; the receiver's: covey_redis_message_free(). Texts have a NUL behind them. */
typedef struct covey_redis_message {
    covey_redis_message_kind kind;
    const char *pattern; /* that matched; "" without one */
    const char *channel;
    const char *data;
    size_t channel_len, len; /* len: of data */
} covey_redis_message;
COVEY_API void covey_redis_message_free(covey_redis_message *m); /* NULL is allowed */

typedef struct covey_redis_subscribe_options {
    bool patterns;        /* PSUBSCRIBE: "orders.*" */
    size_t capacity;      /* messages of the channel; 0: 64. When it is full reading stops, and the
                             server holds them, up to its client-output-buffer-limit: then it hangs
                             up, which is a gap */
    int64_t keepalive_ns; /* without a message for so long the server is asked, and given up after
                             as long again; 0: 10 s; < 0: never */
} covey_redis_subscribe_options;

/* Subscribes to n channels, on a connection of its own; when it returns the server has confirmed
 * all of them. ctx is for that alone; the subscription lasts until covey_redis_unsubscribe(), and
 * is made again, without end, when the connection is lost. opts is borrowed, NULL: the defaults.
 * *s is owned. */
COVEY_API int covey_redis_subscribe(covey_ctx *ctx, covey_redis *r, covey_redis_subscription **s,
                                    const char *const *channels, size_t n,
                                    const covey_redis_subscribe_options *opts);
/* Its channel, of covey_redis_message *; s's own. Closed when r is closed or the runtime ends. */
COVEY_API covey_chan *covey_redis_messages(covey_redis_subscription *s);
/* Closes its channel and frees what nobody has received. Does not wait; may switch. NULL is
 * allowed. Nobody may wait on the channel then without a reference of its own to it. */
COVEY_API void covey_redis_unsubscribe(covey_redis_subscription *s);

COVEY_END
#endif
