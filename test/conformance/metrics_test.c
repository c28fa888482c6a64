/* SPDX-License-Identifier: MIT
 * metrics_test.c - figures for Prometheus (covey/metrics.h). */
#include "harness.h"
#include "support.h"

#include <covey/metrics.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *metrics(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    CHECK(out);
    CHECK_EQ(covey_metrics_write(out), 0);
    CHECK_EQ(fclose(out), 0);
    return text;
}

/* The value of a line "name value"; fails if there is none. */
static long value_of(const char *text, const char *name)
{
    char line[128];
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    CHECK(at);
    return strtol(at + strlen(line), NULL, 10);
}

static int wait_for_close(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL) == COVEY_ECLOSED ? 0 : -EINVAL;
}

static int with_parked_tasks(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(covey_group_go(g, wait_for_close, ch), 0);
    }
    char *text = NULL;
    for (;;) {
        text = metrics();
        if (value_of(text, "covey_tasks{state=\"waiting\"}") == 7) {
            break;
        }
        free(text);
        covey_yield();
    }
    CHECK_EQ(value_of(text, "covey_tasks_started_total"), 8);
    CHECK_EQ(value_of(text, "covey_tasks_ended_total"), 0);
    CHECK_EQ(value_of(text, "covey_tasks{state=\"running\"}"), 1);
    CHECK_EQ(value_of(text, "covey_workers"), covey_workers());
    CHECK(value_of(text, "covey_run_queue_tasks{worker=\"0\"}") >= 0);
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(ch);
    return 0;
}

TEST(metrics_count_tasks_by_state)
{
    CHECK_EQ(covey_run(with_parked_tasks, NULL), 0);
}

TEST(every_metric_has_help_and_type_before_its_values)
{
    char *text = metrics();
    char name[128] = "";

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            CHECK_EQ(sscanf(line, "# HELP %127s", name), 1);
            line = strtok(NULL, "\n");
            CHECK(line && strncmp(line, "# TYPE ", 7) == 0);
            CHECK(strncmp(line + 7, name, strlen(name)) == 0);
            CHECK(!strstr(line, " counter") || strstr(line, "_total counter"));
        } else {
            CHECK(strncmp(line, name, strlen(name)) == 0);
            CHECK(line[strlen(name)] == ' ' || line[strlen(name)] == '{');
        }
    }
    free(text);
}

TEST(a_failing_stream_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    CHECK(full);
    (void)setvbuf(full, NULL, _IONBF, 0);
    CHECK_EQ(covey_metrics_write(full), -EIO);
    (void)fclose(full);
}
