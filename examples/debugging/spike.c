/* SPDX-License-Identifier: MIT
 * spike.c - most requests take no time, but now and then all take as long as a report takes to be
 * made: it is computed in plain C in a task, which holds its thread for as long. covey tells which
 * task it was, with the stack that it had.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

enum { SLOW_MS = 300, FAULT_LINE = 27 };

static volatile uint64_t sink;

/* Calls nothing of covey's: no other task gets its thread meanwhile. */
__attribute__((noinline)) static void sum_up_the_year(int64_t until)
{
    while (covey_now() < until) {
        for (int i = 0; i < 100000; i++) {
            sink += (uint64_t)i * (uint64_t)i;
        }
    }
}

static int make_report(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sum_up_the_year(covey_now() + SLOW_MS * COVEY_MS);
    return 0;
}

static int answer(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        (void)covey_sleep(ctx, COVEY_MS);
    }
    return 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    (void)covey_group_go(g, answer, NULL);
    (void)covey_group_go(g, make_report, NULL);
    (void)covey_group_go(g, answer, NULL);
    return covey_group_wait(g);
}

static int faulty(void)
{
    covey_options opts = {.slow_task_ns = 50 * COVEY_MS};

    return covey_run_with(&opts, serve, NULL);
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "A task holds its thread for long.", NULL, 0);
    char *report = child_report(faulty, "\n\n", 0);
    fputs(report, stdout);
    expect(strstr(report, "\"make_report\" has held its thread for 0.") != NULL,
           "the report names the task");
    expect(strstr(report, "at sum_up_the_year (spike.c:") || !strstr(report, "(spike.c:"),
           "and what it was doing");
    expect(has_frame(report, "make_report", "spike.c", FAULT_LINE), "and the line");
    free(report);
    return example_result(0);
}
