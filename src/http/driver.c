/* SPDX-License-Identifier: MIT
 * driver.c - see driver.h. A turn: take orders, start, poll, let libcurl's timer run, collect what
 * has ended, then tell the tasks. What tells them comes last and outside libcurl. */
#include "http/driver.h"

#include "http/client.h"
#include "http/easy.h"
#include "http/failure.h"

#include <stdlib.h>
#include <string.h>

#define STACK_SIZE ((size_t)256 << 10) /* TLS handshakes and name look-ups need tens of KiB */
#define IDLE_CONNECTIONS 128L          /* kept open by a client's drivers together, at least */
#define IDLE_HANDLES 64u
#define NEVER INT64_MAX

static struct cvy_http_transfer *transfer_of(struct cvy_http_link *link)
{
    return (struct cvy_http_transfer *)(void *)((char *)link -
                                                offsetof(struct cvy_http_transfer, link));
}

void cvy_http_driver_note(struct cvy_http_driver *d, struct cvy_http_transfer *t)
{
    if (!t->is_noted) {
        t->is_noted = true;
        t->next_noted = d->noted;
        d->noted = t;
    }
}

/* ---- libcurl's callbacks ---- */

static int watch_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct cvy_http_driver *d = arg;
    (void)curl;
    (void)socket_arg;

    return cvy_http_sockets_watch(&d->sockets, fd, what);
}

/* Counts from the start of the turn: a little early is harmless, libcurl then asks again. */
static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct cvy_http_driver *d = arg;
    (void)multi;

    d->due_at = ms < 0 ? NEVER : d->now + ms * COVEY_MS;
    return 0;
}

/* ---- the end of a transfer ---- */

/* Everything about t but telling its task. Its easy handle is already out of the multi handle. */
static void end_transfer(struct cvy_http_driver *d, struct cvy_http_transfer *t, int code)
{
    t->code = code;
    t->state = CVY_HTTP_FINISHED;
    if (cvy_http_hosts_is_leader(t)) {
        cvy_http_hosts_leave(&d->hosts, t, false, d->now, &d->ready);
    }
    t->host = NULL;
    cvy_http_driver_note(d, t);
}

/* The same, and for those whose only hope t was. */
static void finish(struct cvy_http_driver *d, struct cvy_http_transfer *t, int code)
{
    struct cvy_http_link failed;

    cvy_http_list_init(&failed);
    if (code == COVEY_EDNS && cvy_http_hosts_is_leader(t)) {
        cvy_http_hosts_fail(t, &failed);
    }
    end_transfer(d, t, code);
    for (struct cvy_http_link *link; (link = cvy_http_list_pop(&failed));) {
        struct cvy_http_transfer *other = transfer_of(link);
        memcpy(other->words, t->words, sizeof(other->words));
        end_transfer(d, other, code);
    }
}

static int outcome(struct cvy_http_easy *e, CURLcode result)
{
    struct cvy_http_transfer *t = e->transfer;
    long os_error = 0;

    if (result == CURLE_OK) {
        return 0;
    }
    if (t->own_code < 0) {
        if (t->own_code == COVEY_ETOOLARGE) {
            (void)snprintf(t->words, sizeof(t->words), "the %s is longer than %zu bytes",
                           t->head.is_closed ? "body" : "head of the response",
                           t->head.is_closed ? t->body_max : CVY_HTTP_HEAD_MAX);
        }
        return t->own_code;
    }
    if (e->socket_code < 0 && result == CURLE_COULDNT_CONNECT) {
        return e->socket_code;
    }
    (void)curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &os_error);
    struct cvy_http_failure f = {.result = result,
                                 .os_error = (int)os_error,
                                 .words = e->words,
                                 .host = t->location.host,
                                 .host_len = t->location.host_len};
    return cvy_http_failure_code(&f, t->words, sizeof(t->words));
}

/* Keeps as many idle handles as there are busy ones, and a few. */
static void give_easy(struct cvy_http_driver *d, struct cvy_http_easy *e)
{
    e->transfer = NULL;
    if (d->idle_count >= IDLE_HANDLES && d->idle_count >= d->running) {
        cvy_http_easy_free(e);
        return;
    }
    e->next_idle = d->idle;
    d->idle = e;
    d->idle_count++;
}

/* Takes t's easy handle back. An unfinished transfer loses its connection by that. */
static void release_easy(struct cvy_http_driver *d, struct cvy_http_transfer *t)
{
    struct cvy_http_easy *e = t->easy;

    cvy_http_easy_measure(e);
    (void)curl_multi_remove_handle(d->multi, e->curl);
    cvy_http_list_remove(&t->link);
    d->running--;
    t->easy = NULL;
    give_easy(d, e);
}

static void collect(struct cvy_http_driver *d)
{
    struct CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(d->multi, &left))) {
        char *private = NULL;
        CURLcode result = message->data.result; /* gone with the handle's removal */

        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        struct cvy_http_easy *e = (struct cvy_http_easy *)(void *)private;
        struct cvy_http_transfer *t = e->transfer;
        int code = outcome(e, result);
        release_easy(d, t);
        finish(d, t, code);
    }
}

static void abort_transfer(struct cvy_http_driver *d, struct cvy_http_transfer *t, int code)
{
    if (t->state == CVY_HTTP_FINISHED) {
        return;
    }
    if (t->state == CVY_HTTP_RUNNING) {
        release_easy(d, t);
    } else {
        cvy_http_list_remove(&t->link);
    }
    finish(d, t, code);
}

/* ---- its start ---- */

static struct cvy_http_easy *take_easy(struct cvy_http_driver *d)
{
    struct cvy_http_easy *e = d->idle;

    if (!e) {
        return cvy_http_easy_new(d);
    }
    d->idle = e->next_idle;
    d->idle_count--;
    return e;
}

/* Lets idle connections stay as long as there are no more than were ever used at once. */
static void keep_connections(struct cvy_http_driver *d)
{
    if ((long)d->running > d->connections_kept) {
        d->connections_kept = (long)d->running;
        (void)curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, d->connections_kept);
    }
}

static void start_transfer(struct cvy_http_driver *d, struct cvy_http_transfer *t)
{
    struct cvy_http_easy *e = d->multi ? take_easy(d) : NULL;
    int code = e ? cvy_http_easy_prepare(e, t) : -ENOMEM;

    if (code == 0 && curl_multi_add_handle(d->multi, e->curl) != CURLM_OK) {
        code = -ENOMEM;
    }
    if (code < 0) {
        if (e) {
            give_easy(d, e);
        }
        finish(d, t, code);
        return;
    }
    t->easy = e;
    t->state = CVY_HTTP_RUNNING;
    cvy_http_list_append(&d->active, &t->link);
    d->running++;
    keep_connections(d);
}

static void start_ready(struct cvy_http_driver *d)
{
    for (struct cvy_http_link *link; (link = cvy_http_list_pop(&d->ready));) {
        start_transfer(d, transfer_of(link));
    }
}

/* ---- orders ---- */

/* True: there was one. */
static bool obey(struct cvy_http_driver *d, struct cvy_http_node *node)
{
    bool any = node != NULL;

    while (node) {
        struct cvy_http_transfer *t = (struct cvy_http_transfer *)(void *)node;
        node = node->next; /* before the orders are taken: then the task may push again */
        /* Acquire: pairs with the release of cvy_http_order(). */
        uint32_t orders =
            atomic_fetch_and_explicit(&t->orders, CVY_HTTP_CLOSED, memory_order_acq_rel);
        if (t->state == CVY_HTTP_FINISHED) {
            cvy_http_driver_note(d, t); /* its last order is taken: now it can be told */
            continue;
        }
        if (orders & CVY_HTTP_START) {
            t->state = CVY_HTTP_LINKED;
            if (cvy_http_hosts_enter(&d->hosts, t, d->now)) {
                cvy_http_list_append(&d->ready, &t->link);
            }
        }
        if (orders & CVY_HTTP_CANCEL) {
            abort_transfer(d, t, COVEY_ECANCELED);
        } else if (orders & CVY_HTTP_RESUME) {
            t->is_head_seen = true;
            cvy_http_driver_note(d, t);
        }
    }
    return any;
}

/* ---- telling ---- */

/* After it t is its task's. */
static void tell_end(struct cvy_http_driver *d, struct cvy_http_transfer *t)
{
    struct covey_http_client *c = d->client;

    /* Acquire and release: an order that came before is seen here, one that comes later sees
     * CLOSED. One that is still in the inbox holds t back; obey() notes it again. */
    uint32_t orders = atomic_fetch_or_explicit(&t->orders, CVY_HTTP_CLOSED, memory_order_acq_rel);
    if ((orders & ~(uint32_t)CVY_HTTP_CLOSED) && !d->is_closing) {
        return;
    }
    atomic_fetch_add_explicit(&c->finished, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->failed, t->code < 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->connections_opened, t->connections, memory_order_relaxed);
    cvy_http_publish(t, CVY_HTTP_DONE);
}

/* Whether what made us hold the body back is over. */
static bool can_resume(const struct cvy_http_transfer *t)
{
    return t->is_paused && (t->keep == CVY_HTTP_STREAM ? t->fill.len == 0 : t->is_head_seen);
}

static void tell(struct cvy_http_driver *d)
{
    while (d->noted) {
        struct cvy_http_transfer *t = d->noted;
        d->noted = t->next_noted;
        t->is_noted = false;
        if (t->state == CVY_HTTP_FINISHED) {
            tell_end(d, t);
            continue;
        }
        if (t->has_address && cvy_http_hosts_is_leader(t)) {
            cvy_http_hosts_leave(&d->hosts, t, true, d->now, &d->ready);
        }
        if (t->is_head_due) {
            t->is_head_due = false;
            cvy_http_publish(t, CVY_HTTP_HEAD);
        }
        cvy_http_offer(t);
        if (can_resume(t)) {
            t->is_paused = false;
            (void)curl_easy_pause(t->easy->curl, CURLPAUSE_CONT); /* calls take_body, notes t */
        }
    }
}

/* ---- turns ---- */

static void act_on_socket(curl_socket_t fd, int bits, void *arg)
{
    struct cvy_http_driver *d = arg;
    int running;

    (void)curl_multi_socket_action(d->multi, fd, bits, &running);
}

static int open_multi(struct cvy_http_driver *d)
{
    const struct covey_http_client *c = d->client;

    d->multi = curl_multi_init();
    if (!d->multi) {
        return -ENOMEM;
    }
    d->due_at = NEVER;
    d->connections_kept = IDLE_CONNECTIONS / c->driver_count;
    (void)curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    (void)curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    (void)curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, d->connections_kept);
    (void)curl_multi_setopt(d->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                            (long)c->options.max_connections);
    (void)curl_multi_setopt(d->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                            (long)c->options.max_connections_per_host);
    return 0;
}

static void abort_all(struct cvy_http_driver *d, int code)
{
    struct cvy_http_link all;

    cvy_http_list_init(&all);
    /* Those that wait first, so that the end of a leader starts nobody. */
    cvy_http_hosts_drain(&d->hosts, &all);
    cvy_http_list_splice(&all, &d->ready);
    cvy_http_list_splice(&all, &d->active);
    while (!cvy_http_list_is_empty(&all)) {
        abort_transfer(d, transfer_of(all.next), code);
    }
}

/* A failure to watch a descriptor leaves the multi handle of no use (libcurl calls it dead). */
static void replace_multi(struct cvy_http_driver *d)
{
    int code = d->sockets.code;

    d->sockets.code = 0;
    abort_all(d, code);
    (void)curl_multi_cleanup(d->multi);
    d->multi = NULL;
    (void)open_multi(d); /* without one every start fails with -ENOMEM */
}

/* True: something was done, so look again before sleeping. */
static bool take_turn(struct cvy_http_driver *d)
{
    int running;

    d->now = covey_now();
    bool busy = obey(d, cvy_http_inbox_take(&d->inbox));
    start_ready(d);
    if (d->multi && d->running > 0) {
        busy |= cvy_http_sockets_poll(&d->sockets, act_on_socket, d);
        if (d->due_at <= d->now) {
            d->due_at = NEVER;
            busy = true;
            (void)curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        collect(d);
    }
    if (d->sockets.code < 0) {
        replace_multi(d);
    }
    tell(d);
    return busy || !cvy_http_list_is_empty(&d->ready);
}

/* Until there is something to do. A code of ctx. */
static int sleep_until_work(covey_ctx *ctx, struct cvy_http_driver *d)
{
    if (!cvy_http_inbox_sleep(&d->inbox)) {
        return 0;
    }
    if (d->running == 0) {
        /* No descriptor is watched then, so that covey can tell when all tasks are asleep. */
        return covey_chan_recv(ctx, d->wake, NULL);
    }
    covey_case cases[] = {COVEY_RECV(d->wake, NULL), COVEY_READABLE(d->sockets.epoll),
                          COVEY_AFTER(d->due_at == NEVER ? 0 : d->due_at - d->now)};
    int which = covey_select_n(ctx, cases, d->due_at == NEVER ? 2 : 3);
    if (which < 0 && covey_ctx_err(ctx) == 0) {
        return covey_sleep(ctx, COVEY_MS); /* no memory to wait with: look again */
    }
    return which < 0 ? which : 0;
}

/* Ends every transfer, and lets no new one in. */
static void close_inbox(struct cvy_http_driver *d)
{
    struct cvy_http_node *last = cvy_http_inbox_close(&d->inbox);

    (void)obey(d, last);
    d->is_closing = true; /* no order is in the inbox any more, whatever t->orders say */
    abort_all(d, COVEY_ECANCELED);
    tell(d);
}

static void close_handles(struct cvy_http_driver *d)
{
    while (d->idle) {
        cvy_http_easy_free(take_easy(d));
    }
    if (d->multi) {
        (void)curl_multi_cleanup(d->multi);
        d->multi = NULL;
    }
    if (d->share) {
        (void)curl_share_cleanup(d->share);
        d->share = NULL;
    }
    cvy_http_hosts_fini(&d->hosts);
    cvy_http_sockets_close(&d->sockets);
}

static int drive(covey_ctx *ctx, void *arg)
{
    struct cvy_http_driver *d = arg;
    struct covey_http_client *c = d->client;

    /* Acquire: pairs with the release of cvy_http_driver_stop(). */
    while (covey_ctx_err(ctx) == 0 && !atomic_load_explicit(&d->is_stopped, memory_order_acquire)) {
        if (take_turn(d)) {
            covey_yield(); /* to those it has told, who may have new requests */
        } else if (sleep_until_work(ctx, d) < 0) {
            break;
        }
    }
    close_inbox(d);
    close_handles(d);
    covey_mutex_lock(&c->mutex);
    d->is_running = false;
    covey_mutex_unlock(&c->mutex);
    covey_waitgroup_done(&c->alive);
    return 0;
}

/* ---- for tasks ---- */

bool cvy_http_driver_order(struct cvy_http_driver *d, struct cvy_http_transfer *t, uint32_t order)
{
    if (!cvy_http_order(t, order)) {
        return true;
    }
    int code = cvy_http_inbox_push(&d->inbox, &t->node);
    if (code > 0) {
        (void)covey_chan_try_send(d->wake, NULL);
    }
    return code >= 0;
}

void cvy_http_driver_stop(struct cvy_http_driver *d)
{
    atomic_store_explicit(&d->is_stopped, true, memory_order_release);
    (void)covey_chan_try_send(d->wake, NULL);
}

static int open_handles(struct cvy_http_driver *d)
{
    d->noted = NULL;
    d->running = 0;
    d->is_closing = false;
    d->now = covey_now();
    cvy_http_list_init(&d->ready);
    cvy_http_list_init(&d->active);
    int code = cvy_http_sockets_open(&d->sockets);
    if (code == 0) {
        code = cvy_http_hosts_init(&d->hosts, d->client->options.max_connections);
    }
    if (code == 0) {
        code = open_multi(d);
    }
    d->share = code == 0 ? curl_share_init() : NULL;
    if (code == 0 && !d->share) {
        code = -ENOMEM;
    }
    if (code < 0) {
        close_handles(d);
        return code;
    }
    /* TLS sessions, for all easy handles of this driver: one task, so no locks. */
    (void)curl_share_setopt(d->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return 0;
}

int cvy_http_driver_start(struct cvy_http_driver *d)
{
    struct covey_http_client *c = d->client;
    covey_task_options options = {.name = "http driver", .stack_size = STACK_SIZE};
    int code = 0;

    covey_mutex_lock(&c->mutex);
    if (d->is_running) {
        goto out;
    }
    code = open_handles(d);
    if (code < 0) {
        goto out;
    }
    cvy_http_inbox_open(&d->inbox);
    covey_waitgroup_add(&c->alive, 1);
    code = covey_go_with(&options, drive, d);
    if (code < 0) {
        close_inbox(d); /* somebody may have pushed already */
        close_handles(d);
        covey_waitgroup_done(&c->alive);
        goto out;
    }
    d->is_running = true;
out:
    covey_mutex_unlock(&c->mutex);
    return code;
}
