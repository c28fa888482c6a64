/* SPDX-License-Identifier: MIT
 * server_watch.c - see server_watch.h.
 *
 * One epoll of the server's own holds each connection once, edge-triggered and for hang-ups only,
 * so that a request costs nothing here. It is polled like any descriptor. Deadlines are looked at a
 * few times a second: they are there to get rid of a client, not to be exact. */
#define _GNU_SOURCE
#include "http/server_watch.h"

#include <covey/error.h>

#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS_MAX 64
#define TICK_MAX_NS (COVEY_SEC / 4)
#define TICK_MIN_NS (10 * COVEY_MS)

int cvy_http_watch_add(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};

    covey_mutex_lock(&s->lock);
    int code = epoll_ctl(s->epoll, EPOLL_CTL_ADD, covey_conn_fd(c->conn), &event) < 0 ? -errno : 0;
    if (code == 0) {
        cvy_http_list_append(&s->conns, &c->link);
    }
    covey_mutex_unlock(&s->lock);
    return code;
}

/* Under the lock, as the reading of events is: none that is read later names c. */
void cvy_http_watch_remove(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;

    covey_mutex_lock(&s->lock);
    (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, covey_conn_fd(c->conn), NULL);
    cvy_http_list_remove(&c->link);
    covey_mutex_unlock(&s->lock);
}

static struct cvy_http_server_conn *conn_of(struct cvy_http_link *link)
{
    return (struct cvy_http_server_conn *)((char *)link -
                                           offsetof(struct cvy_http_server_conn, link));
}

/* ---- hang-ups ---- */

static void on_event(struct cvy_http_server_conn *c, uint32_t events)
{
    bool is_half = !(events & (EPOLLHUP | EPOLLERR));

    if (is_half && (c->is_shut || c->server->opts.half_close)) {
        return;
    }
    c->is_gone = true;
    covey_ctx_cancel_cause(c->ctx, -ECONNRESET);
}

static void read_events(struct cvy_http_server *s)
{
    struct epoll_event events[EVENTS_MAX];
    int n;

    do {
        covey_mutex_lock(&s->lock);
        n = epoll_wait(s->epoll, events, EVENTS_MAX, 0);
        for (int i = 0; i < n; i++) {
            on_event(events[i].data.ptr, events[i].events);
        }
        covey_mutex_unlock(&s->lock);
    } while (n == EVENTS_MAX);
}

/* ---- deadlines ---- */

/* A reader gets the end of the stream, and can still answer; a writer fails. */
static void end_wait_locked(struct cvy_http_server_conn *c, int phase)
{
    bool is_writing = phase == CVY_HTTP_WRITING;

    if (c->read_ctx && !is_writing) {
        covey_ctx_cancel(c->read_ctx);
        return;
    }
    c->is_shut = true;
    (void)shutdown(covey_conn_fd(c->conn), is_writing ? SHUT_RDWR : SHUT_RD);
}

static void look_at_wait_locked(struct cvy_http_server_conn *c, struct cvy_http_wait *w,
                                int64_t now)
{
    int phase = w->phase; /* before deadline, which is set before it */

    if (phase != CVY_HTTP_RUNNING && w->deadline <= now && !c->is_overdue) {
        c->is_overdue = true;
        end_wait_locked(c, phase);
    }
}

static void look_at_deadlines(struct cvy_http_server *s)
{
    int64_t now = covey_now();

    covey_mutex_lock(&s->lock);
    for (struct cvy_http_link *l = s->conns.next; l != &s->conns; l = l->next) {
        struct cvy_http_server_conn *c = conn_of(l);
        look_at_wait_locked(c, &c->reading, now);
        look_at_wait_locked(c, &c->writing, now);
    }
    covey_mutex_unlock(&s->lock);
}

/* An eighth of the shortest time-out. */
static int64_t tick_of(const covey_http_server_options *o)
{
    const int64_t limits[] = {o->header_timeout_ns, o->idle_timeout_ns, o->io_timeout_ns};
    int64_t tick = TICK_MAX_NS;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        tick = limits[i] / 8 < tick ? limits[i] / 8 : tick;
    }
    return tick < TICK_MIN_NS ? TICK_MIN_NS : tick;
}

int cvy_http_watch_run(covey_ctx *ctx, void *server)
{
    struct cvy_http_server *s = server;
    int64_t tick = tick_of(&s->opts), next = covey_now() + tick;

    for (;;) {
        int which = covey_select(ctx, COVEY_READABLE(s->epoll), COVEY_AFTER(next - covey_now()));
        if (which == COVEY_ECANCELED) {
            return 0;
        }
        read_events(s);
        if (covey_now() >= next) {
            look_at_deadlines(s);
            next = covey_now() + tick;
        }
        if (which <
            0) { /* it cannot be watched for lack of memory: hang-ups are seen by the tick */
            (void)covey_sleep(ctx, tick);
        }
    }
}

/* ---- the end ---- */

/* A task that becomes idle looks at is_draining after it has said so; both are sequentially
 * consistent, so one of the two sees the other. */
void cvy_http_watch_end_idle(struct cvy_http_server *s)
{
    covey_mutex_lock(&s->lock);
    for (struct cvy_http_link *l = s->conns.next; l != &s->conns; l = l->next) {
        struct cvy_http_server_conn *c = conn_of(l);
        if (c->reading.phase == CVY_HTTP_IDLE || c->read_ctx) {
            end_wait_locked(c, CVY_HTTP_IDLE);
        }
    }
    covey_mutex_unlock(&s->lock);
}

void cvy_http_watch_end_read(struct cvy_http_server_conn *c)
{
    covey_mutex_lock(&c->server->lock);
    end_wait_locked(c, CVY_HTTP_IDLE);
    covey_mutex_unlock(&c->server->lock);
}

void cvy_http_watch_set_read_ctx(struct cvy_http_server_conn *c, covey_ctx *ctx)
{
    covey_mutex_lock(&c->server->lock);
    c->read_ctx = ctx;
    covey_mutex_unlock(&c->server->lock);
}

void cvy_http_watch_cut(struct cvy_http_server *s)
{
    covey_mutex_lock(&s->lock);
    for (struct cvy_http_link *l = s->conns.next; l != &s->conns; l = l->next) {
        end_wait_locked(conn_of(l), CVY_HTTP_WRITING);
    }
    covey_mutex_unlock(&s->lock);
}
