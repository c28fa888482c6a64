/* SPDX-License-Identifier: MIT
 * leak.c - each request starts a task that asks a slow service, and gives up waiting after its
 * time-out; the answer then has no receiver, and the task stays for ever. The report at the end of
 * covey_run names each one, and a test of the same code with COVEY_NO_LEAKS fails at once.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

enum { FAULT_LINE = 22, START_LINE = 33, REQUESTS = 3 };

static covey_chan *backlog; /* closed: the service has worked it off */

/* Owns answer's second reference. */
static int ask_service(covey_ctx *ctx, void *arg)
{
    covey_chan *answer = arg;
    int value = 42;

    (void)covey_chan_recv(ctx, backlog, NULL); /* longer than who asks is patient */

    /* The fault: unbuffered, and nobody receives any more. With room for one it would be none. */
    (void)covey_chan_send(NULL, answer, &value);
    covey_chan_unref(answer);
    return 0;
}

static int handle_request(covey_ctx *ctx)
{
    covey_ctx *timeout = covey_ctx_with_timeout(ctx, 5 * COVEY_MS);
    covey_chan *answer = covey_chan_new(sizeof(int), 0);
    int value = 0;

    (void)covey_go(ask_service, covey_chan_ref(answer));
    int code = covey_chan_recv(timeout, answer, &value);
    covey_chan_unref(answer);
    covey_ctx_unref(timeout);
    return code;
}

static int serve(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < REQUESTS; i++) {
        (void)handle_request(ctx);
    }
    (void)covey_chan_close(backlog);
    (void)covey_sleep(ctx, 50 * COVEY_MS);
    return 0;
}

static int faulty(void)
{
    covey_options opts = {.exit_grace_ns = 100 * COVEY_MS};

    return covey_run_with(&opts, serve, NULL);
}

static int test_of_handle_request(covey_ctx *ctx, void *arg)
{
    (void)arg;
    COVEY_NO_LEAKS
    {
        (void)handle_request(ctx);
    }
    return 0;
}

static int tested(void)
{
    return covey_run(test_of_handle_request, NULL);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    char started[64];

    example_options(argc, argv, "Requests leave tasks behind.", NULL, 0);
    backlog = covey_chan_new(0, 0);
    snprintf(started, sizeof(started), "leak.c:%d", START_LINE);
    char *report = child_report(faulty, "\n\n", 0);
    fputs(report, stdout);
    expect(count(report, "covey: leak: task ") == REQUESTS, "the report names each task left");
    expect(strstr(report, "\"ask_service\" waiting in chan send 0x") != NULL,
           "and what it waits for");
    expect(strstr(report, started) != NULL, "where it was started");
    expect(has_frame(report, "ask_service", "leak.c", FAULT_LINE), "and the line where it waits");
    free(report);

    printf("\nThe same in a test of handle_request:\n");
    report = child_report(tested, "\n\n", 0);
    fputs(report, stdout);
    expect(strstr(report, "covey: fatal: 1 task(s) and 0 descriptor(s) left by the scope at") !=
               NULL,
           "the test fails, and says what is left");
    free(report);
    covey_chan_unref(backlog);
    return example_result(0);
}
