/* SPDX-License-Identifier: MIT
 * ignored.c - an order was cancelled, but two of its tasks go on: one computes without looking at
 * its context, one waits for a reply under no context at all. The group cannot end. covey tells who
 * they are and where.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

static covey_chan *reply;
static volatile uint64_t sink;

__attribute__((noinline)) static int simulate(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int64_t end = covey_now() + 5 * COVEY_SEC; covey_now() < end;) {
        sink++;
    }
    return 0;
}

static int ask(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    int code = covey_chan_recv(NULL, reply, NULL); /* not under ctx */
    sink++;
    return code == COVEY_ECLOSED ? 0 : code;
}
enum { ASK_LINE = __LINE__ - 4 };

static int patient(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return covey_sleep(ctx, 3600 * COVEY_SEC);
}

static int order(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, simulate, NULL);
    (void)covey_group_go(g, ask, NULL);
    (void)covey_group_go(g, patient, NULL);
    (void)covey_sleep(ctx, 20 * COVEY_MS);
    covey_group_cancel(g, 0);
    return covey_group_wait(g);
}

static int faulty(void)
{
    covey_options opts = {.ignored_end_ns = 200 * COVEY_MS};

    reply = covey_chan_new(0, 0);
    return covey_run_with(&opts, order, NULL);
}

/* A thread that the machine keeps off its CPU is told of without a stack. */
static bool has_answered(const char *report)
{
    const char *line = strstr(report, "\"simulate\" running");

    line = line ? strchr(line, '\n') : NULL;
    return line && strncmp(line, "\n    at ", 8) == 0;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Tasks go on after their context's end.", NULL, 0);

    char *report = child_report(faulty, "\"simulate\"", 1000);
    fputs(report, stdout);
    expect(strstr(report, "covey: ignored: task") != NULL, "covey tells that tasks go on");
    expect(strstr(report, "\"ask\" waiting in chan receive") != NULL, "the one that waits");
    expect(has_frame(report, "ask", "ignored.c", ASK_LINE), "and where");
    expect(strstr(report, "\"simulate\" running") != NULL, "the one that computes");
    expect(strstr(report, "at simulate (ignored.c:") || !has_answered(report) ||
               !strstr(report, "at covey_"),
           "and where");
    expect(strstr(report, "after its context's end") != NULL, "and for how long");
    expect(!strstr(report, "\"patient\"") && !strstr(report, "\"order\""), "nobody else");
    free(report);
    return example_result(0);
}
