/* SPDX-License-Identifier: MIT
 * traffic.c - see traffic.h. */
#include "http/traffic.h"

#include "http/client.h"
#include "http/easy.h"
#include "http/failure.h"

#include <string.h>

#define IDLE_HANDLES 64u

void cvy_http_driver_note(struct cvy_http_driver *d, struct cvy_http_transfer *t)
{
    if (!t->is_noted) {
        t->is_noted = true;
        t->next_noted = d->noted;
        d->noted = t;
    }
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
        struct cvy_http_transfer *other = cvy_http_transfer_of(link);
        memcpy(other->words, t->words, sizeof(other->words));
        end_transfer(d, other, code);
    }
}

static int outcome(struct cvy_http_easy *e, CURLcode result)
{
    struct cvy_http_transfer *t = e->transfer;
    long os_error = 0;

    if (result == CURLE_OK && t->head.is_ended) {
        return 0;
    }
    /* To libcurl the end of a connection is that of a head as well. */
    if (result == CURLE_OK) {
        (void)snprintf(t->words, sizeof(t->words), "the connection was cut off");
        return -ECONNRESET;
    }
    if (t->own_code < 0) {
        if (t->own_code == COVEY_ETOOLARGE) {
            bool is_head = t->head.spent > CVY_HTTP_HEAD_MAX;
            (void)snprintf(t->words, sizeof(t->words), "the %s is longer than %zu bytes",
                           is_head ? "head of the response" : "body",
                           is_head ? CVY_HTTP_HEAD_MAX : t->body_max);
        }
        if (t->own_code == COVEY_EPROTO) {
            (void)snprintf(t->words, sizeof(t->words), "bad answer: its length is not one number");
        }
        if (t->own_code == -ECONNRESET) {
            (void)snprintf(t->words, sizeof(t->words),
                           "the connection was closed without an answer");
        }
        return t->own_code;
    }
    if (e->socket_code < 0 && result == CURLE_COULDNT_CONNECT) {
        return e->socket_code;
    }
    (void)curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &os_error);
    struct cvy_http_failure f = {.result = result,
                                 .os_error = (int)os_error,
                                 .is_in_head = cvy_http_transfer_is_in_head(t),
                                 .words = e->words,
                                 .host = t->location.host,
                                 .host_len = t->location.host_len};
    int code = cvy_http_failure_code(&f, t->words, sizeof(t->words));
    /* Where a redirect leads is not the caller's fault. */
    return code == -EINVAL && t->head.status != 0 ? COVEY_EPROTO : code;
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

void cvy_http_traffic_collect(struct cvy_http_driver *d)
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

void cvy_http_traffic_start(struct cvy_http_driver *d)
{
    for (struct cvy_http_link *link; (link = cvy_http_list_pop(&d->ready));) {
        start_transfer(d, cvy_http_transfer_of(link));
    }
}

/* ---- orders ---- */

/* True: there was one. */
bool cvy_http_traffic_obey(struct cvy_http_driver *d, struct cvy_http_node *node)
{
    bool any = node != NULL;

    while (node) {
        struct cvy_http_transfer *t = (struct cvy_http_transfer *)(void *)node;
        node = node->next; /* before the orders are taken: then the task may push again */
        /* Acquire: pairs with the release of cvy_http_order(). */
        uint32_t orders =
            atomic_fetch_and_explicit(&t->orders, CVY_HTTP_CLOSED, memory_order_acq_rel);
        if (t->state == CVY_HTTP_FINISHED) {
            cvy_http_list_remove(&t->link); /* from held: its last order is taken */
            cvy_http_driver_note(d, t);
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
     * CLOSED. One that is still on its way to the inbox, or in it, holds t back. */
    uint32_t orders = atomic_fetch_or_explicit(&t->orders, CVY_HTTP_CLOSED, memory_order_acq_rel);
    if ((orders & ~(uint32_t)CVY_HTTP_CLOSED) && !d->is_closing) {
        cvy_http_list_append(&d->held, &t->link);
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

void cvy_http_traffic_tell(struct cvy_http_driver *d)
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

/* ---- all at once ---- */

void cvy_http_traffic_abort(struct cvy_http_driver *d, int code)
{
    struct cvy_http_link all;

    cvy_http_list_init(&all);
    /* Those that wait first, so that the end of a leader starts nobody. */
    cvy_http_hosts_drain(&d->hosts, &all);
    cvy_http_list_splice(&all, &d->ready);
    cvy_http_list_splice(&all, &d->active);
    while (!cvy_http_list_is_empty(&all)) {
        abort_transfer(d, cvy_http_transfer_of(all.next), code);
    }
}

void cvy_http_traffic_close(struct cvy_http_driver *d)
{
    d->is_closing = true; /* no order is in the inbox any more, whatever t->orders say */
    for (struct cvy_http_link *link; (link = cvy_http_list_pop(&d->held));) {
        cvy_http_driver_note(d, cvy_http_transfer_of(link));
    }
    cvy_http_traffic_abort(d, COVEY_ECANCELED);
    cvy_http_traffic_tell(d);
}

void cvy_http_traffic_free_idle(struct cvy_http_driver *d)
{
    while (d->idle) {
        cvy_http_easy_free(take_easy(d));
    }
}
