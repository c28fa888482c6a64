/* SPDX-License-Identifier: MIT
 * host_limit.c - see host_limit.h. */
#include "tools/host_limit.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cvy_host {
    /* Guarded by the mutex. */
    struct cvy_host *next;
    size_t users; /* with a permit, or waiting for one */
    /* Immutable. */
    covey_sem *permits;
    size_t bucket, len;
    char name[];
};

static size_t bucket_of(struct cvy_text name)
{
    uint32_t h = 0;

    for (size_t i = 0; i < name.len; i++) {
        h = 31 * h + ((unsigned char)name.at[i] | 0x20); /* upper and lower case alike */
    }
    return h % CVY_HOST_BUCKETS;
}

static struct cvy_host *make(struct cvy_host_limit *l, struct cvy_text name, size_t bucket)
{
    struct cvy_host *host = calloc(1, sizeof(*host) + name.len);
    if (!host) {
        return NULL;
    }
    host->permits = covey_sem_new(l->per_host);
    if (!host->permits) {
        free(host);
        return NULL;
    }
    host->bucket = bucket;
    host->len = name.len;
    memcpy(host->name, name.at, name.len);
    host->next = l->buckets[bucket];
    l->buckets[bucket] = host;
    return host;
}

/* The host, with one user more. NULL: out of memory. */
static struct cvy_host *join(struct cvy_host_limit *l, struct cvy_text name)
{
    size_t bucket = bucket_of(name);

    covey_mutex_lock(&l->mutex);
    struct cvy_host *host = l->buckets[bucket];
    while (host && !(host->len == name.len && strncasecmp(host->name, name.at, name.len) == 0)) {
        host = host->next;
    }
    if (!host) {
        host = make(l, name, bucket);
    }
    if (host) {
        host->users++;
    }
    covey_mutex_unlock(&l->mutex);
    return host;
}

static void leave(struct cvy_host_limit *l, struct cvy_host *host)
{
    covey_mutex_lock(&l->mutex);
    bool is_last = --host->users == 0;
    if (is_last) {
        struct cvy_host **at = &l->buckets[host->bucket];
        while (*at != host) {
            at = &(*at)->next;
        }
        *at = host->next;
    }
    covey_mutex_unlock(&l->mutex);
    if (is_last) {
        covey_sem_free(host->permits);
        free(host);
    }
}

int cvy_host_acquire(covey_ctx *ctx, struct cvy_host_limit *l, struct cvy_text name,
                     struct cvy_host **host)
{
    struct cvy_host *h = join(l, name);
    if (!h) {
        return -ENOMEM;
    }
    int code = covey_sem_acquire(ctx, h->permits, 1);
    if (code < 0) {
        leave(l, h);
        return code;
    }
    *host = h;
    return 0;
}

void cvy_host_release(struct cvy_host_limit *l, struct cvy_host *host)
{
    covey_sem_release(host->permits, 1);
    leave(l, host);
}
