/* SPDX-License-Identifier: MIT
 * local.c - the engine in this process: a node whose names are in memory, with a line of waiters
 * for each, first come first served.
 *
 * A name has an entry while it is held or waited for. It goes from holder to waiter in one step,
 * under the mutex; so nobody comes in between, and an entry without a holder does not exist. What
 * has run out passes on when anybody looks. One counter gives the tokens of all names. */
#include "lock/lock.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/error.h>
#include <covey/select.h>
#include <covey/time.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct waiter {
    const covey_redlock_key *key;
    covey_chan *turn; /* capacity 1 */
    bool is_granted;
    struct waiter *next;
};

struct entry {
    struct entry *next;
    char value[48];
    int64_t until;
    struct waiter *first, **last;
    char name[];
};

struct local {
    covey_redlock_node node;
    covey_mutex mutex; /* guards the rest */
    uint64_t token;
    struct entry *buckets[256];
};

/* ---- entries; the mutex is held ---- */

static struct entry **find(struct local *n, const char *name)
{
    size_t hash = 5381;

    for (const char *c = name; *c; c++) {
        hash = hash * 33 + (unsigned char)*c;
    }
    struct entry **at = &n->buckets[hash % 256];
    while (*at && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void give(struct entry *e, const covey_redlock_key *key)
{
    (void)snprintf(e->value, sizeof(e->value), "%s", key->value);
    e->until = covey_now() + key->ttl_ns;
}

/* To the first in line; without one the entry goes. */
static void pass_on(struct entry **at)
{
    struct entry *e = *at;
    struct waiter *w = e->first;

    if (!w) {
        *at = e->next;
        free(e);
        return;
    }
    e->first = w->next;
    e->last = e->first ? e->last : &e->first;
    give(e, w->key);
    w->is_granted = true;
    (void)covey_chan_try_send(w->turn, NULL);
}

/* The entry of a name whose holder still is one; its place is at *at. NULL: free. */
static struct entry *present(struct local *n, const char *name, struct entry ***at)
{
    *at = find(n, name);
    while (**at && covey_now() >= (**at)->until) {
        pass_on(*at);
        *at = find(n, name);
    }
    return **at;
}

static struct entry *add(struct entry **at, const covey_redlock_key *key)
{
    size_t len = strlen(key->name);
    struct entry *e = calloc(1, sizeof(*e) + len + 1);

    if (e) {
        memcpy(e->name, key->name, len + 1);
        e->last = &e->first;
        *at = e;
    }
    return e;
}

static int set(struct local *n, const covey_redlock_key *key)
{
    struct entry **at, *e = present(n, key->name, &at);

    if (e && strcmp(e->value, key->value) != 0) {
        return -EBUSY;
    }
    e = e ? e : add(at, key);
    if (!e) {
        return -ENOMEM;
    }
    give(e, key);
    return 0;
}

/* ---- the node ---- */

static struct local *local_of(covey_redlock_node *node)
{
    return (struct local *)node;
}

static int acquire(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                   uint64_t *token)
{
    struct local *n = local_of(node);

    int code = covey_mutex_lock_ctx(ctx, &n->mutex);
    if (code == 0) {
        code = set(n, key);
        if (code == 0) {
            *token = ++n->token;
        }
        covey_mutex_unlock(&n->mutex);
    }
    return code;
}

static int extend(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key,
                  uint64_t token)
{
    struct local *n = local_of(node);

    int code = covey_mutex_lock_ctx(ctx, &n->mutex);
    if (code == 0) {
        code = set(n, key);
        n->token = token > n->token ? token : n->token;
        covey_mutex_unlock(&n->mutex);
    }
    return code;
}

static int release(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key)
{
    struct local *n = local_of(node);
    struct entry **at;

    (void)ctx; /* it does not wait for anything that takes time */
    covey_mutex_lock(&n->mutex);
    const struct entry *e = present(n, key->name, &at);
    bool is_ours = e && strcmp(e->value, key->value) == 0;
    if (is_ours) {
        pass_on(at);
    }
    covey_mutex_unlock(&n->mutex);
    return is_ours ? 0 : COVEY_ELOST;
}

static void leave_line(struct entry *e, struct waiter *w)
{
    struct waiter **link = &e->first;

    while (*link != w) {
        link = &(*link)->next;
    }
    *link = w->next;
    for (e->last = &e->first; *e->last; e->last = &(*e->last)->next) {
    }
}

/* In line, until it is w's turn; the mutex is held, and let go while it waits. */
static int stand_in_line(covey_ctx *ctx, struct local *n, struct waiter *w)
{
    struct entry **at, *e = present(n, w->key->name, &at);
    int code = 0;

    if (!e) {
        return set(n, w->key);
    }
    *e->last = w;
    e->last = &w->next;
    while (!w->is_granted && code >= 0) {
        int64_t left = e->until - covey_now();
        if (left <= 0) {
            pass_on(at);
            continue;
        }
        covey_mutex_unlock(&n->mutex);
        code = covey_select(ctx, COVEY_RECV(w->turn, NULL), COVEY_AFTER(left));
        covey_mutex_lock(&n->mutex);
        at = find(n, w->key->name); /* while w stands in line there is one */
    }
    if (!w->is_granted) {
        leave_line(e, w);
        return code;
    }
    return 0;
}

static int wait_turn(covey_ctx *ctx, covey_redlock_node *node, const covey_redlock_key *key)
{
    struct local *n = local_of(node);
    struct waiter w = {.key = key, .turn = covey_chan_new(0, 1)};

    if (!w.turn) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    covey_mutex_lock(&n->mutex);
    int code = stand_in_line(ctx, n, &w);
    covey_mutex_unlock(&n->mutex);
    covey_chan_unref(w.turn);
    return code;
}

static const covey_redlock_ops local_ops = {
    .acquire = acquire, .extend = extend, .release = release, .wait = wait_turn};

covey_redlock_node *cvy_lock_local_new(void)
{
    struct local *n = calloc(1, sizeof(*n));
    struct timespec now = {0};

    if (!n) {
        return NULL;
    }
    n->node.ops = &local_ops;
    /* So tokens that were written down grow over restarts of the process, too. */
    (void)clock_gettime(CLOCK_REALTIME, &now);
    n->token = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    return &n->node;
}

void cvy_lock_local_free(covey_redlock_node *node)
{
    struct local *n = (struct local *)node;

    for (size_t i = 0; n && i < 256; i++) {
        while (n->buckets[i]) { /* a lease that was lost, and not yet looked at */
            struct entry *e = n->buckets[i];
            n->buckets[i] = e->next;
            free(e);
        }
    }
    free(n);
}
