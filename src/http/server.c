/* SPDX-License-Identifier: MIT
 * server.c - covey_http_serve: accepts, and drains.
 *
 * Two groups: the connections', whose context is the grace period's and not the caller's, and the
 * watch's, which looks after them until the last one has ended. */
#define _GNU_SOURCE
#include "http/server.h"
#include "http/server_metrics.h"
#include "http/server_watch.h"

#include <covey/error.h>

#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

#define HEADER_SIZE_MAX ((size_t)64 << 10)
#define WINDOW_MAX (INT64_C(1) << 30) /* HTTP/2's own bound is twice that */
#define ACCEPT_RETRY_NS (100 * COVEY_MS)

/* ---- options ---- */

#define LIMIT(field, preset, most)                                                                 \
    do {                                                                                           \
        if (o->field < COVEY_HTTP_UNLIMITED) {                                                     \
            return covey_errorf(-EINVAL, "http server: option " #field " is negative");            \
        }                                                                                          \
        o->field = o->field == 0 ? (preset) : o->field < 0 ? (most) : o->field;                    \
    } while (0)

/* A century, which can be added to the time that it is. */
#define FOREVER_NS (INT64_MAX / 4)

/* NOLINTNEXTLINE(readability-function-size): a line an option; LIMIT has the branches */
static int set_defaults(covey_http_server_options *o)
{
    LIMIT(max_connections, 10000, INT_MAX);
    LIMIT(max_running, INT_MAX, INT_MAX);
    LIMIT(max_header_count, 100, INT_MAX);
    LIMIT(max_streams, 100, INT_MAX);
    LIMIT(gzip_min, 1024, INT64_MAX);
    LIMIT(max_body, INT64_C(16) << 20, INT64_MAX);
    LIMIT(max_stream_window, INT64_C(1) << 20, WINDOW_MAX);
    LIMIT(header_timeout_ns, 10 * COVEY_SEC, FOREVER_NS);
    LIMIT(idle_timeout_ns, 75 * COVEY_SEC, FOREVER_NS);
    LIMIT(io_timeout_ns, 30 * COVEY_SEC, FOREVER_NS);
    LIMIT(request_timeout_ns, 60 * COVEY_SEC, FOREVER_NS);
    LIMIT(grace_ns, 5 * COVEY_SEC, FOREVER_NS);
    o->max_stream_window = o->max_stream_window < WINDOW_MAX ? o->max_stream_window : WINDOW_MAX;
    if (o->gzip < 0 || o->gzip > 9) {
        return covey_errorf(-EINVAL, "http server: gzip is not a level from 1 to 9");
    }
    if (o->gzip > 0 && !cvy_gzip_is_built) {
        return covey_errorf(-EOPNOTSUPP, "http server: built without gzip");
    }
    if (o->max_header_size == 0) {
        o->max_header_size = HEADER_SIZE_MAX / 2;
    }
    return o->max_header_size > HEADER_SIZE_MAX
               ? covey_errorf(-EINVAL, "http server: max_header_size is more than 64 KiB")
               : 0;
}

/* ---- accepting ---- */

static void start(struct cvy_http_server *s, covey_conn *conn)
{
    covey_task_options task = {.name = "http connection", .stack_size = s->opts.stack_size};
    struct cvy_http_server_conn *c = cvy_http_conn_new(s, conn);

    if (!c) {
        covey_close(conn);
        covey_sem_release(s->slots, 1);
        CVY_HTTP_COUNT(s, accept_failures, 1);
        return;
    }
    CVY_HTTP_COUNT(s, accepted, 1);
    CVY_HTTP_COUNT(s, open, 1);
    if (covey_group_go_with(s->group, &task, cvy_http_conn_serve, c) < 0) {
        cvy_http_conn_free(c);
        CVY_HTTP_COUNT(s, accept_failures, 1);
    }
}

/* Until ctx is done or the listener is closed: what covey_accept said. */
static int accept_all(covey_ctx *ctx, struct cvy_http_server *s, covey_listener *l)
{
    for (;;) {
        covey_conn *conn;
        int code = covey_sem_acquire(ctx, s->slots, 1);
        if (code < 0) {
            return code;
        }
        code = covey_accept(ctx, l, &conn);
        if (code == 0) {
            start(s, conn);
            continue;
        }
        covey_sem_release(s->slots, 1);
        if (code == COVEY_ECANCELED || code == COVEY_EDEADLINE || code == COVEY_ECLOSED) {
            return code;
        }
        CVY_HTTP_COUNT(s, accept_failures, 1);
        code = covey_sleep(ctx, ACCEPT_RETRY_NS);
        if (code < 0) {
            return code;
        }
    }
}

/* ---- draining ---- */

/* Joins the connections. 0, or -ETIMEDOUT if some had to be cut. */
static int drain(struct cvy_http_server *s)
{
    int code = 0;

    s->is_draining = true;
    covey_ctx_cancel(s->until_drain);
    cvy_http_watch_end_idle(s);
    int which = covey_select(NULL, COVEY_JOINED(s->group), COVEY_AFTER(s->opts.grace_ns));
    if (which != 0) {
        covey_group_cancel(s->group, COVEY_ECANCELED);
        cvy_http_watch_cut(s);
        code = -ETIMEDOUT;
    }
    (void)covey_group_wait(s->group);
    return code;
}

static int serve(covey_ctx *ctx, struct cvy_http_server *s, covey_listener *l)
{
    covey_group *watch = covey_group_new(covey_group_ctx(s->group));
    int code = covey_group_go(watch, cvy_http_watch_run, s);

    if (code == 0) {
        code = accept_all(ctx, s, l);
    }
    int drained = drain(s);
    covey_group_cancel(watch, COVEY_ECANCELED);
    (void)covey_group_wait(watch);
    if (code != COVEY_ECANCELED && code != COVEY_EDEADLINE) {
        return code;
    }
    return drained < 0 ? covey_errorf(drained, "http server: requests outlasted the grace period")
                       : 0;
}

int covey_http_serve(covey_ctx *ctx, covey_listener *l, covey_http_handler *h, void *arg,
                     const covey_http_server_options *opts)
{
    struct cvy_http_server s = {.handler = h, .arg = arg};

    s.opts = opts ? *opts : s.opts;
    s.stats = s.opts.stats ? s.opts.stats : &s.own_stats;
    cvy_http_list_init(&s.conns);
    int code = set_defaults(&s.opts);
    if (code < 0) {
        return code;
    }
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s.epoll < 0) {
        return covey_errorf(-errno, "http server: %s", covey_strerror(-errno));
    }
    s.slots = covey_sem_new(s.opts.max_connections);
    covey_ctx *base = covey_ctx_without_cancel(ctx);
    if (!s.slots || !base) {
        code = covey_errorf(-ENOMEM, "http server: %s", covey_strerror(-ENOMEM));
    } else {
        covey_group_options all = {.policy = COVEY_ALL};
        struct cvy_http_server_metrics metrics = {0};
        cvy_http_server_metrics_begin(&metrics, &s.opts, s.stats);
        s.group = covey_group_new_with(base, &all);
        s.until_drain = covey_ctx_with_cancel(base);
        code = serve(ctx, &s, l);
        covey_ctx_unref(s.until_drain);
        cvy_http_server_metrics_end(&metrics);
    }
    covey_ctx_unref(base);
    covey_sem_free(s.slots);
    (void)close(s.epoll);
    return code;
}

const char *covey_http_alpn(void)
{
    return cvy_h2_is_built ? "h2,http/1.1" : "http/1.1";
}

void covey_http_server_stats_get(const covey_http_server_stats *s, covey_http_server_stats *out)
{
    const uint64_t *from = (const uint64_t *)s;
    uint64_t *to = (uint64_t *)out;

    for (size_t i = 0; i < sizeof(*s) / sizeof(*from); i++) {
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}
