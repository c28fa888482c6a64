/* SPDX-License-Identifier: MIT
 * fetch_all_detached.c - how not to do it: fetch_all.c the old way, detached and without contexts.
 *
 * Every fetch is a task that nobody waits for and nobody can cancel; it sends its result to an
 * unbuffered channel. The main task returns at the first failure, so nobody receives the rest:
 *   - the failures after the first are lost, and the tasks that hold them hang in their send;
 *   - the fetches from a server that never answers hang too, first there, and in the end in the
 * send. covey_run() finds these tasks at its end. It names each, says where it was started, and
 * discards it; its memory and connections are lost. All this happens in a child process, so that
 * the report on its standard error can be read and checked. Compare fetch() and fetch_all() with
 * fetch_all.c.
 */
#include "example.h"

#include <covey/http.h>

#include <sys/wait.h>
#include <unistd.h>

struct result {
    const char *url;
    int code;
};

struct download {
    covey_http_client *client;
    const char *url;
    covey_chan *results; /* of struct result, unbuffered */
};

static int fetch(covey_ctx *ctx, void *arg)
{
    struct download *d = arg;
    covey_http_response resp = {0};
    struct result r = {.url = d->url};

    (void)ctx;                                               /* the mistake: */
    r.code = covey_http_get(NULL, d->client, d->url, &resp); /* NULL cannot be cancelled */
    covey_http_response_free(&resp);
    return covey_chan_send(NULL, d->results, &r); /* nor can this */
}

/* names: of the tasks, for the report. */
static int fetch_all(struct download *downloads, const char *const *names, size_t n)
{
    covey_chan *results = covey_chan_new(sizeof(struct result), 0);
    struct result r = {0};

    for (size_t i = 0; i < n; i++) {
        downloads[i].results = results;
        (void)covey_go_with(&(covey_task_options){.name = names[i]}, fetch, &downloads[i]);
    }
    for (size_t i = 0; i < n && r.code == 0; i++) {
        (void)covey_chan_recv(NULL, results, &r);
    }
    return r.code; /* results is not freed: who knows who still uses it? */
}

/* Three downloads from a host that is down, three from a server that accepts and never answers. */

enum { DOWN = 3, SILENT = 3, DOWNLOADS = DOWN + SILENT };
static const char *const names[DOWNLOADS] = {"down-1",   "down-2",   "down-3",
                                             "silent-1", "silent-2", "silent-3"};

static int old_way(covey_ctx *ctx, void *arg)
{
    /* Static, since tasks that nobody knows of any more go on using them. */
    static struct download downloads[DOWNLOADS];
    static char silent_url[64];
    covey_http_client *client = covey_http_client_new(&(covey_http_client_options){.proxy = ""});
    covey_listener *silent;

    (void)ctx;
    (void)arg;
    int err = covey_listen(&silent, "tcp://127.0.0.1:0", NULL); /* and never accepts */
    if (err < 0 || !client) {
        return err < 0 ? err : -ENOMEM;
    }
    snprintf(silent_url, sizeof(silent_url), "http%s/",
             covey_listener_addr(silent) + strlen("tcp"));
    for (int i = 0; i < DOWNLOADS; i++) {
        downloads[i].client = client;
        downloads[i].url = i < DOWN ? "http://127.0.0.1:1/" : silent_url;
    }
    return fetch_all(downloads, names, DOWNLOADS);
}

/* Runs it in a child process whose standard error is a pipe; gives what it wrote there. */
static int run_in_child(char *report, size_t size)
{
    int ends[2], status = 0;
    size_t len = 0;

    fflush(stdout);
    if (pipe(ends) < 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        covey_options opts = {.exit_grace_ns = 200 * COVEY_MS}; /* instead of 10 s */
        dup2(ends[1], STDERR_FILENO);
        int code = covey_run_with(&opts, old_way, NULL);
        printf("main got \"%s\" and returned; covey_run() looks for what is left\n",
               covey_strerror(code));
        fflush(stdout);
        _exit(code == -ECONNREFUSED ? 0 : 1); /* not exit(): there are leaks, on purpose */
    }
    close(ends[1]);
    for (ssize_t n; len + 1 < size && (n = read(ends[0], report + len, size - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    report[len] = '\0';
    close(ends[0]);
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

int main(int argc, char **argv)
{
    static char report[64 * 1024];
    int reported = 0;

    example_options(argc, argv, "Leaks tasks on purpose, and shows how covey reports them.", NULL,
                    0);
    int status = run_in_child(report, sizeof(report));
    printf("--- the report ---\n%s------------------\n", report);

    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "covey_run() discarded them and returned");
    for (int i = 0; i < DOWNLOADS; i++) {
        reported += strstr(report, names[i]) != NULL;
    }
    /* All but the one whose failure was received. */
    expect(reported == DOWNLOADS - 1, "%d of %d tasks leaked, each named in the report", reported,
           DOWNLOADS);
    expect(strstr(report, "fetch_all_detached.c:") != NULL, "with the line that started it");
    expect(strstr(report, "silent-1") && strstr(report, "silent-2") && strstr(report, "silent-3"),
           "every fetch from the silent server hangs");
    return example_result(0);
}
