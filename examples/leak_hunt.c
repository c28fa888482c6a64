/* SPDX-License-Identifier: MIT
 * leak_hunt.c - a service leaks 200,000 parked tasks; a folded dump says in one line where they
 * wait and who started them. After the fix no more than 300 are ever alive.
 *
 * Each request starts a task that waits for a reply which may never come, and nobody waits for that
 * task or ends it. Nothing crashes: memory grows. The dump is taken while the service goes on;
 * times are printed and not judged. The fix: the task runs in a group, under the request's
 * deadline. */
#include "example.h"

enum { DUMPS_MAX = 200 };

static int64_t requests = EXAMPLE_SANITIZED ? 2000 : 200000;

static int wait_for_reply(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

/* ---- the service as it was ---- */

/* The fault: a detached task under no deadline, for each request. */
static void handle_leaking(covey_chan *replies)
{
    covey_task_options small = {.compact = true};

    (void)covey_go_with(&small, wait_for_reply, replies);
}

/* ---- after the fix ---- */

struct request {
    covey_chan *replies;
};

static int handle_fixed(covey_ctx *ctx, void *arg)
{
    struct request *r = arg;
    covey_ctx *deadline = covey_ctx_with_timeout(ctx, COVEY_MS);

    int code = wait_for_reply(deadline, r->replies);
    covey_ctx_unref(deadline);
    return code == COVEY_EDEADLINE ? 0 : code; /* "try again later", says the service */
}

static int64_t alive(void)
{
    covey_stats stats;

    covey_stats_get(&stats);
    return (int64_t)(stats.tasks_started - stats.tasks_ended);
}

/* ---- the hunt ---- */

/* Into *text, which is the caller's to free. */
static void dump_folded(char **text)
{
    size_t len = 0;
    FILE *out = open_memstream(text, &len);

    if (!out || covey_dump_as(out, COVEY_DUMP_FOLDED) < 0) {
        abort();
    }
    (void)fclose(out);
}

/* Serves on while the dump is made. */
static int heartbeat(covey_ctx *ctx, void *arg)
{
    atomic_int *beats = arg;

    while (covey_sleep(ctx, COVEY_MS) == 0) {
        atomic_fetch_add(beats, 1);
    }
    return 0;
}

/* Until about all of them wait: others park too. */
static void settle(int64_t tasks)
{
    covey_stats stats;

    do {
        (void)covey_sleep(NULL, COVEY_MS);
        covey_stats_get(&stats);
    } while ((int64_t)stats.parks < tasks);
}

static void hunt(covey_chan *replies)
{
    char expected[96];
    char *text = NULL, *line = NULL;
    int64_t start = 0;

    for (int64_t i = 0; i < requests; i++) {
        handle_leaking(replies);
    }
    settle(requests);
    snprintf(expected, sizeof(expected), "  %lld tasks \"wait_for_reply\" waiting in chan receive",
             (long long)requests);
    for (int i = 0; i < DUMPS_MAX && !line; i++) { /* the last ones may still be on their way */
        free(text);
        (void)covey_sleep(NULL, 20 * COVEY_MS);
        start = covey_now();
        dump_folded(&text);
        line = strstr(text, expected);
    }
    printf("A folded dump of %lld tasks, in %lld ms:\n%s", (long long)alive(),
           (long long)example_ms(start), text);
    expect(line != NULL, "one line has all that leaked, and where they wait");
    expect(line && strstr(line, "leak_hunt.c:") != NULL, "it says who started them");
    free(text);
}

static int service(covey_ctx *ctx, void *arg)
{
    covey_chan *replies = covey_chan_new(0, 0);
    atomic_int beats = 0;
    int64_t peak = 0;

    (void)arg;
    covey_group *g = covey_group_new(ctx);
    (void)covey_group_go(g, heartbeat, &beats);
    hunt(replies);
    expect(atomic_load(&beats) > 0, "the service went on meanwhile (%d beats)",
           atomic_load(&beats));
    (void)covey_chan_close(replies);
    covey_group_cancel(g, 0);
    (void)covey_group_wait(g);
    while (alive() > 1) {
        (void)covey_sleep(NULL, COVEY_MS);
    }

    printf("After the fix:\n");
    covey_chan *silent = covey_chan_new(0, 0);
    struct request r = {silent};
    g = covey_group_new(ctx);
    covey_group_set_limit(g, 256);
    for (int64_t i = 0; i < requests / 20; i++) {
        (void)covey_group_go(g, handle_fixed, &r);
        int64_t now = alive();
        peak = now > peak ? now : peak;
    }
    int code = covey_group_wait(g);
    expect(code == 0, "all requests were answered");
    expect(peak < 300, "the peak is %lld tasks", (long long)peak);
    covey_chan_unref(silent);
    covey_chan_unref(replies);
    return 0;
}

int main(int argc, char **argv)
{
    struct example_option options[] = {{"--requests", &requests, "requests that leak"}};

    example_options(argc, argv, "Finds 200,000 leaked tasks.", options, 1);
    return example_result(covey_run(service, NULL));
}
