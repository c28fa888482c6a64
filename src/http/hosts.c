/* SPDX-License-Identifier: MIT
 * hosts.c - see hosts.h. A host without a leader and past its time is as good as unknown. */
#include "http/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BUCKETS 256u
#define HOSTS_MAX 4096u           /* then those nobody uses are forgotten */
#define KNOWN_NS (50 * COVEY_SEC) /* libcurl keeps an answer for 60 s */

struct cvy_http_host {
    struct cvy_http_host *next;
    struct cvy_http_transfer *leader; /* NULL: nobody looks it up */
    struct cvy_http_link waiting;     /* for the leader */
    int64_t known_until;
    size_t len;
    char name[];
};

int cvy_http_hosts_init(struct cvy_http_hosts *h, int max_connections)
{
    unsigned most = max_connections > 0 ? (unsigned)max_connections / 8 + 1 : CVY_HTTP_LOOKUPS_MAX;

    *h = (struct cvy_http_hosts){.buckets = calloc(BUCKETS, sizeof(struct cvy_http_host *))};
    h->looking_max = most < CVY_HTTP_LOOKUPS_MAX ? most : CVY_HTTP_LOOKUPS_MAX;
    cvy_http_list_init(&h->unstarted);
    return h->buckets ? 0 : -ENOMEM;
}

static void forget_idle(struct cvy_http_hosts *h)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct cvy_http_host **at = &h->buckets[i];
        while (*at) {
            struct cvy_http_host *host = *at;
            if (host->leader) {
                at = &host->next;
                continue;
            }
            *at = host->next;
            free(host);
            h->count--;
        }
    }
}

void cvy_http_hosts_fini(struct cvy_http_hosts *h)
{
    if (h->buckets) {
        forget_idle(h); /* nobody leads any more */
        free(h->buckets);
        h->buckets = NULL;
    }
}

static struct cvy_http_host *find(struct cvy_http_hosts *h, const struct cvy_http_location *l)
{
    struct cvy_http_host **bucket = &h->buckets[cvy_http_location_hash(l) % BUCKETS];

    for (struct cvy_http_host *host = *bucket; host; host = host->next) {
        if (host->len == l->host_len && strncasecmp(host->name, l->host, l->host_len) == 0) {
            return host;
        }
    }
    if (h->count >= HOSTS_MAX) {
        forget_idle(h);
    }
    struct cvy_http_host *host = calloc(1, sizeof(*host) + l->host_len);
    if (!host) {
        return NULL;
    }
    host->len = l->host_len;
    memcpy(host->name, l->host, l->host_len);
    cvy_http_list_init(&host->waiting);
    host->next = *bucket;
    *bucket = host;
    h->count++;
    return host;
}

bool cvy_http_hosts_enter(struct cvy_http_hosts *h, struct cvy_http_transfer *t, int64_t now)
{
    if (t->location.is_numeric) {
        return true;
    }
    struct cvy_http_host *host = find(h, &t->location);
    if (!host) {
        return true; /* out of memory: a thread more is the lesser evil */
    }
    if (host->leader) {
        t->host = host;
        cvy_http_list_append(&host->waiting, &t->link);
        return false;
    }
    if (host->known_until > now) {
        return true;
    }
    if (h->looking >= h->looking_max) {
        cvy_http_list_append(&h->unstarted, &t->link);
        return false;
    }
    h->looking++;
    host->leader = t;
    t->host = host;
    return true;
}

bool cvy_http_hosts_is_leader(const struct cvy_http_transfer *t)
{
    return t->host && t->host->leader == t;
}

void cvy_http_hosts_leave(struct cvy_http_hosts *h, struct cvy_http_transfer *t, bool has_address,
                          int64_t now, struct cvy_http_link *ready)
{
    struct cvy_http_host *host = t->host;
    struct cvy_http_link *link;

    t->host = NULL;
    host->leader = NULL;
    h->looking--;
    if (has_address) {
        host->known_until = now + KNOWN_NS;
        while ((link = cvy_http_list_pop(&host->waiting))) {
            cvy_http_transfer_of(link)->host = NULL;
            cvy_http_list_append(ready, link);
        }
    } else if ((link = cvy_http_list_pop(&host->waiting))) {
        h->looking++;
        host->leader = cvy_http_transfer_of(link);
        cvy_http_list_append(ready, link);
    }
    while (h->looking < h->looking_max && (link = cvy_http_list_pop(&h->unstarted))) {
        if (cvy_http_hosts_enter(h, cvy_http_transfer_of(link), now)) {
            cvy_http_list_append(ready, link);
        }
    }
}

void cvy_http_hosts_fail(struct cvy_http_transfer *t, struct cvy_http_link *failed)
{
    cvy_http_list_splice(failed, &t->host->waiting);
}

void cvy_http_hosts_drain(struct cvy_http_hosts *h, struct cvy_http_link *list)
{
    cvy_http_list_splice(list, &h->unstarted);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct cvy_http_host *host = h->buckets[i]; host; host = host->next) {
            cvy_http_list_splice(list, &host->waiting);
        }
    }
}
