/* SPDX-License-Identifier: MIT
 * fetch_all.c - fetches a list of URLs at once, under one group.
 *
 * The first failure cancels the rest at once, and wait() returns that failure with its URL and its
 * cause. When fetch_all() has returned, nothing that it started is left: no task, no connection.
 * fetch_all_detached.c does the same without a group and a context, and shows what that costs.
 *
 * With URLs as arguments it fetches those. Without, it talks to a small server of its own (below)
 * and to a port that nobody listens on. */
#include "example.h"

#include <covey/http.h>

#include <dirent.h>

struct download {
    covey_http_client *client;
    const char *url;
    covey_http_response resp;
    int code; /* how it ended */
};

static int fetch(covey_ctx *ctx, void *arg)
{
    struct download *d = arg;

    d->code = covey_http_get(ctx, d->client, d->url, &d->resp);
    return d->code;
}

/* Fetches all n at once. The first failure cancels the others and is what it returns. */
static int fetch_all(covey_ctx *ctx, struct download *downloads, size_t n)
{
    covey_group *g = covey_group_new(ctx);

    for (size_t i = 0; i < n; i++) {
        (void)covey_group_go(g, fetch, &downloads[i]);
    }
    return covey_group_wait(g); /* also tells of what could not be started */
}

static void free_responses(struct download *downloads, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        covey_http_response_free(&downloads[i].resp);
    }
}

/* The server: /page answers at once, /slow after a minute, unless its client leaves before. */

static struct {
    covey_listener *listener;
    char url[64];       /* "http://127.0.0.1:40112" */
    atomic_int open;    /* connections */
    atomic_int slow;    /* requests for /slow */
    atomic_int hangups; /* of clients that did not wait for the answer */
} origin;

/* Reads up to the empty line that ends a request; 0 at the end of the stream. */
static ssize_t read_request(covey_ctx *ctx, covey_conn *conn, char *buf, size_t size)
{
    size_t len = 0;

    do {
        ssize_t n = covey_read(ctx, conn, buf + len, size - 1 - len);
        if (n <= 0) {
            return n;
        }
        len += (size_t)n;
        buf[len] = '\0';
    } while (!strstr(buf, "\r\n\r\n"));
    return (ssize_t)len;
}

static int serve_visit(covey_ctx *ctx, void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world\n";
    covey_conn *conn = arg;
    char request[2048];

    while (read_request(ctx, conn, request, sizeof(request)) > 0) {
        if (strncmp(request, "GET /slow", 9) == 0) {
            atomic_fetch_add(&origin.slow, 1);
            /* The client has nothing more to say: bytes to read can only be the end. */
            int which =
                covey_select(ctx, COVEY_READABLE(covey_conn_fd(conn)), COVEY_AFTER(60 * COVEY_SEC));
            if (which == 0) {
                atomic_fetch_add(&origin.hangups, 1);
                break;
            }
        }
        if (covey_write(ctx, conn, answer, sizeof(answer) - 1) < 0) {
            break;
        }
    }
    covey_close(conn);
    atomic_fetch_sub(&origin.open, 1);
    return 0; /* a client that leaves is no failure of the server's */
}

static int serve(covey_ctx *ctx, void *arg)
{
    covey_group *visits = covey_group_new(ctx);
    int err = 0;

    (void)arg;
    if (!visits) {
        return -ENOMEM;
    }
    while (err == 0) {
        covey_conn *conn;
        err = covey_accept(ctx, origin.listener, &conn);
        if (err == 0) {
            atomic_fetch_add(&origin.open, 1);
            err = covey_group_go(visits, serve_visit, conn);
            if (err < 0) {
                covey_close(conn);
            }
        }
    }
    covey_group_cancel(visits, err);
    (void)covey_group_wait(visits);
    return err == COVEY_ECANCELED ? 0 : err; /* being told to stop is the usual end */
}

/* The tour: all is well; one host is down; nothing is left. */

static void all_is_well(covey_ctx *ctx, covey_http_client *client)
{
    enum { PAGES = 50 };
    struct download downloads[PAGES];
    char page[80];
    size_t bytes = 0;

    snprintf(page, sizeof(page), "%s/page", origin.url);
    for (int i = 0; i < PAGES; i++) {
        downloads[i] = (struct download){.client = client, .url = page};
    }
    printf("%d pages, every host up:\n", PAGES);
    int err = fetch_all(ctx, downloads, PAGES);
    expect(err == 0, "fetch_all() returned 0");
    for (int i = 0; i < PAGES; i++) {
        bytes += downloads[i].resp.status == 200 ? downloads[i].resp.len : 0;
    }
    free_responses(downloads, PAGES);
    expect(bytes == PAGES * 13, "every page arrived, %zu bytes in all", bytes);
}

static void one_host_is_down(covey_ctx *ctx, covey_http_client *client)
{
    enum { SLOW = 20 };
    static const char dead[] = "http://127.0.0.1:1/";
    struct download downloads[SLOW + 1];
    char slow[80];
    int canceled = 0;

    snprintf(slow, sizeof(slow), "%s/slow", origin.url);
    for (int i = 0; i < SLOW; i++) {
        downloads[i] = (struct download){.client = client, .url = slow};
    }
    downloads[SLOW] = (struct download){.client = client, .url = dead};

    printf("%d pages that take a minute each, and a host that is down:\n", SLOW);
    int64_t start = covey_now();
    int err = fetch_all(ctx, downloads, SLOW + 1);
    int64_t ms = example_ms(start);

    expect(err == -ECONNREFUSED, "fetch_all() returned \"%s\"", covey_errmsg());
    expect(strcmp(covey_errmsg(), "fetch http://127.0.0.1:1/: connection refused") == 0,
           "the message names the URL and the cause");
    for (int i = 0; i < SLOW; i++) {
        canceled += downloads[i].code == COVEY_ECANCELED;
    }
    free_responses(downloads, SLOW + 1);
    expect(canceled == SLOW && ms < 30000, "it cancelled the other %d, after %lld ms", canceled,
           (long long)ms);
}

/* The server hears of the end of a connection a moment later. */
static void every_connection_closed(covey_ctx *ctx)
{
    int slow = atomic_load(&origin.slow), hangups = atomic_load(&origin.hangups);

    for (int i = 0; i < 500 && (atomic_load(&origin.open) > 0 || slow != hangups); i++) {
        (void)covey_sleep(ctx, 10 * COVEY_MS);
        slow = atomic_load(&origin.slow);
        hangups = atomic_load(&origin.hangups);
    }
    expect(atomic_load(&origin.open) == 0, "the server sees every connection closed");
    expect(slow == hangups, "%d slow pages were under way; all %d clients hung up", slow, hangups);
}

/* A task is counted as ended a moment after those who waited for it went on. */
static void no_task_left(covey_ctx *ctx)
{
    covey_stats stats;

    covey_stats_get(&stats);
    for (int i = 0; i < 500 && stats.tasks_started - stats.tasks_ended > 1; i++) {
        (void)covey_sleep(ctx, 10 * COVEY_MS);
        covey_stats_get(&stats);
    }
    expect(stats.tasks_started - stats.tasks_ended == 1, "of %llu tasks only this one is left",
           (unsigned long long)stats.tasks_started);
}

static int tour(covey_ctx *ctx, void *arg)
{
    covey_group *server = covey_group_new(ctx);

    (void)arg;
    if (!server) {
        return -ENOMEM;
    }
    /* No proxy: the environment's would be asked for 127.0.0.1 too. */
    covey_http_client *client = covey_http_client_new(&(covey_http_client_options){.proxy = ""});
    int err = client ? covey_listen(&origin.listener, "tcp://127.0.0.1:0", NULL) : -ENOMEM;
    if (err == 0) {
        snprintf(origin.url, sizeof(origin.url), "http%s",
                 covey_listener_addr(origin.listener) + strlen("tcp"));
        err = covey_group_go(server, serve, NULL);
    }
    if (err == 0) {
        all_is_well(ctx, client);
        one_host_is_down(ctx, client);
    }
    covey_http_client_free(client);
    if (err == 0) {
        printf("afterwards:\n");
        every_connection_closed(ctx);
    }
    covey_group_cancel(server, 0);
    int stopped = covey_group_wait(server);
    covey_listener_close(origin.listener);
    no_task_left(ctx);
    return err < 0 ? err : stopped;
}

/* What a user of the library writes: the URLs of the command line, each to be had within 30 s. */

struct urls {
    char **list;
    size_t n;
};

static int fetch_urls(covey_ctx *ctx, void *arg)
{
    struct urls *urls = arg;
    struct download *downloads = calloc(urls->n, sizeof(*downloads));
    covey_http_client *client = covey_http_client_new(NULL);
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 30 * COVEY_SEC);
    int err = downloads && client ? 0 : -ENOMEM;

    for (size_t i = 0; i < urls->n && err == 0; i++) {
        downloads[i] = (struct download){.client = client, .url = urls->list[i]};
    }
    if (err == 0) {
        err = fetch_all(timed, downloads, urls->n);
    }
    for (size_t i = 0; i < urls->n && downloads; i++) {
        const struct download *d = &downloads[i];
        printf("%10zu bytes  status %3d  %s  %s\n", d->resp.len, d->resp.status,
               covey_strerror(d->code), urls->list[i]);
    }
    if (downloads) {
        free_responses(downloads, urls->n);
    }
    covey_ctx_unref(timed);
    covey_http_client_free(client);
    free(downloads);
    return err;
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (dir && readdir(dir)) {
        n++;
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] != '-') {
        struct urls urls = {argv + 1, (size_t)argc - 1};
        return example_result(covey_run(fetch_urls, &urls));
    }
    example_options(argc, argv,
                    "Or URLs as arguments: fetches them all, or says which failed first.", NULL, 0);

    int before = open_descriptors();
    int err = covey_run(tour, NULL);
    expect(open_descriptors() == before, "no descriptor is left after covey_run()");
    return example_result(err);
}
