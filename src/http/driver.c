/* SPDX-License-Identifier: MIT
 * driver.c - see driver.h. A turn: take orders, start, poll, let libcurl's timer run, collect what
 * has ended, then tell the tasks. What tells them comes last and outside libcurl. */
#include "http/driver.h"

#include "http/client.h"
#include "http/traffic.h"

#define STACK_SIZE ((size_t)256 << 10) /* TLS handshakes and name look-ups need tens of KiB */
#define IDLE_CONNECTIONS 128L          /* kept open by a client's drivers together, at least */
#define NEVER INT64_MAX

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

/* A failure to watch a descriptor leaves the multi handle of no use (libcurl calls it dead). */
static void replace_multi(struct cvy_http_driver *d)
{
    int code = d->sockets.code;

    d->sockets.code = 0;
    cvy_http_traffic_abort(d, code);
    (void)curl_multi_cleanup(d->multi);
    d->multi = NULL;
    (void)open_multi(d); /* without one every start fails with -ENOMEM */
}

/* True: something was done, so look again before sleeping. */
static bool take_turn(struct cvy_http_driver *d)
{
    int running;

    d->now = covey_now();
    bool busy = cvy_http_traffic_obey(d, cvy_http_inbox_take(&d->inbox));
    cvy_http_traffic_start(d);
    if (d->multi && d->running > 0) {
        busy |= cvy_http_sockets_poll(&d->sockets, act_on_socket, d);
        if (d->due_at <= d->now) {
            d->due_at = NEVER;
            busy = true;
            (void)curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        cvy_http_traffic_collect(d);
    }
    if (d->sockets.code < 0) {
        replace_multi(d);
    }
    cvy_http_traffic_tell(d);
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
    covey_case cases[] = {COVEY_RECV(d->wake, NULL), COVEY_READABLE(d->sockets.watched),
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

    (void)cvy_http_traffic_obey(d, last);
    cvy_http_traffic_close(d);
}

static void close_handles(struct cvy_http_driver *d)
{
    cvy_http_traffic_free_idle(d);
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
    cvy_http_list_init(&d->held);
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
