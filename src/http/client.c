/* SPDX-License-Identifier: MIT
 * client.c - makes and frees clients. */
#define _GNU_SOURCE
#include "http/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_REDIRECTS 10
#define CONNECT_TIMEOUT (30 * COVEY_SEC)
#define MAX_BODY ((size_t)64 << 20)

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* A driver can use one core; transfers to one host share a driver anyway. */
static int choose_driver_count(const covey_http_client_options *o)
{
    long n = covey_workers();

    if (o->max_connections > 0) {
        return 1; /* libcurl counts connections per multi handle */
    }
    if (n == 0) {
        n = sysconf(_SC_NPROCESSORS_ONLN);
    }
    return n < 1 ? 1 : n > CVY_HTTP_DRIVERS_MAX ? CVY_HTTP_DRIVERS_MAX : (int)n;
}

/* libcurl 7.87 keeps the parsed certificates of a file, but not if a directory is searched too;
 * without that each connection parses the file again: tens of milliseconds. So where the system has
 * the file, the directory is left out. */
static void choose_ca_path(struct covey_http_client *c)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    bool has_file = c->options.ca_file != NULL;

#if LIBCURL_VERSION_NUM >= 0x074600
    has_file = has_file || (info->age >= CURLVERSION_SEVENTH && info->cainfo &&
                            access(info->cainfo, R_OK) == 0);
#else
    (void)info;
#endif
    c->is_ca_path_unset = has_file;
}

static bool copy_string(const char **to)
{
    if (*to) {
        *to = strdup(*to);
        return *to != NULL;
    }
    return true;
}

static bool copy_options(struct covey_http_client *c, const covey_http_client_options *opts)
{
    covey_http_client_options *o = &c->options;

    if (opts) {
        *o = *opts;
    }
    o->max_redirects = o->max_redirects == 0 ? MAX_REDIRECTS : o->max_redirects;
    o->connect_timeout_ns = o->connect_timeout_ns <= 0 ? CONNECT_TIMEOUT : o->connect_timeout_ns;
    o->max_body = o->max_body == 0 ? MAX_BODY : o->max_body;
    o->user_agent = o->user_agent ? o->user_agent : "covey/" COVEY_VERSION;
    o->name = o->name ? o->name : "";
    o->guards = NULL; /* borrowed for the call; copied by the guards */
    bool all = copy_string(&o->user_agent);
    all = copy_string(&o->name) && all;
    all = copy_string(&o->ca_file) && all;
    return copy_string(&o->proxy) && all;
}

static bool make_drivers(struct covey_http_client *c)
{
    bool all = true;

    c->driver_count = choose_driver_count(&c->options);
    for (int i = 0; i < c->driver_count; i++) {
        struct cvy_http_driver *d = &c->drivers[i];
        d->client = c;
        (void)cvy_http_inbox_close(&d->inbox); /* until it is started */
        d->wake = covey_chan_new(0, 1);
        all = all && d->wake;
    }
    return all;
}

covey_http_client *covey_http_client_new(const covey_http_client_options *opts)
{
    (void)pthread_once(&curl_once, init_curl);
    if (curl_ready != CURLE_OK) {
        return NULL;
    }
    struct covey_http_client *c = calloc(1, sizeof(*c));
    if (!c) {
        return NULL;
    }
    bool has_options = copy_options(c, opts);
    bool has_drivers = make_drivers(c);
    if (!has_options || !has_drivers ||
        cvy_http_guards_init(&c->guards, opts ? opts->guards : NULL, c->options.name) < 0) {
        covey_http_client_free(c);
        return NULL;
    }
    choose_ca_path(c);
    cvy_http_client_metrics_begin(c);
    return c;
}

void covey_http_client_free(covey_http_client *c)
{
    if (!c) {
        return;
    }
    cvy_http_client_metrics_end(c);
    for (int i = 0; i < c->driver_count; i++) {
        if (c->drivers[i].wake) {
            cvy_http_driver_stop(&c->drivers[i]);
        }
    }
    (void)covey_waitgroup_wait(NULL, &c->alive);
    for (int i = 0; i < c->driver_count; i++) {
        covey_chan_unref(c->drivers[i].wake);
    }
    while (c->idle) {
        struct cvy_http_transfer *t = c->idle;
        c->idle = t->next_idle;
        cvy_http_transfer_free(t);
    }
    cvy_http_guards_fini(&c->guards);
    free((char *)c->options.name);
    free((char *)c->options.user_agent);
    free((char *)c->options.ca_file);
    free((char *)c->options.proxy);
    free(c);
}

static uint64_t count_of(struct covey_http_client *c, enum cvy_http_count what)
{
    return atomic_load_explicit(&c->counts[what], memory_order_relaxed);
}

void covey_http_client_stats_get(covey_http_client *c, covey_http_client_stats *out)
{
    *out = (covey_http_client_stats){
        .started = atomic_load_explicit(&c->started, memory_order_relaxed),
        .finished = atomic_load_explicit(&c->finished, memory_order_relaxed),
        .failed = atomic_load_explicit(&c->failed, memory_order_relaxed),
        .connections_opened = atomic_load_explicit(&c->connections_opened, memory_order_relaxed),
        .retries = count_of(c, CVY_HTTP_RETRIES),
        .hedges = count_of(c, CVY_HTTP_HEDGES),
        .hedges_won = count_of(c, CVY_HTTP_HEDGES_WON),
        .refused = count_of(c, CVY_HTTP_REFUSED),
    };
}
