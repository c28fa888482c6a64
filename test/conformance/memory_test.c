/* SPDX-License-Identifier: MIT
 * memory_test.c - what a crowd of tasks leaves when it is gone: nothing, a little later. */
#include "support.h"

#include <malloc.h>

#define CROWD 20000

/* Resident bytes and those of page tables. */
static int64_t memory_now(void)
{
    int64_t bytes = 0;
    char line[256];
    static const char *const files[] = {"/proc/self/smaps_rollup", "/proc/self/status"};
    static const char *const labels[] = {"Rss:", "VmPTE:"};

    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(files[i], "r");
        CHECK(f != NULL);
        while (fgets(line, sizeof(line), f)) {
            if (strncmp(line, labels[i], strlen(labels[i])) == 0) {
                bytes += strtoll(line + strlen(labels[i]), NULL, 10) * 1024;
            }
        }
        (void)fclose(f);
    }
    return bytes;
}

struct crowd {
    covey_chan *gate;
    covey_waitgroup arrived;
};

static int wait_at_gate(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    char deep[300];

    memset(deep, 1, sizeof(deep));
    covey_waitgroup_done(&c->arrived);
    CHECK_EQ(covey_chan_recv(ctx, c->gate, NULL), COVEY_ECLOSED);
    CHECK_EQ(deep[299], 1);
    return 0;
}

/* Memory while a crowd stands at a gate, which then opens. */
static int64_t gather(covey_ctx *ctx, const covey_task_options *options, int count)
{
    struct crowd c = {.gate = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx);

    covey_waitgroup_add(&c.arrived, count);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(covey_group_go_with(g, options, wait_at_gate, &c), 0);
    }
    CHECK_EQ(covey_waitgroup_wait(ctx, &c.arrived), 0);
    int64_t bytes = memory_now();
    CHECK_EQ(covey_chan_close(c.gate), 0);
    JOIN(g);
    covey_chan_unref(c.gate);
    return bytes;
}

static int come_and_go(covey_ctx *ctx, void *arg)
{
    const covey_task_options *options = arg;

    (void)gather(ctx, options, 200);
    int64_t before = memory_now();
    int64_t during = gather(ctx, options, CROWD);
    CHECK(during > before + CROWD * (options->compact ? INT64_C(2048) : INT64_C(4096)));
    int64_t allowed = before + (during - before) / 20;
    /* Given back late and in batches; how late is nobody's promise. */
    for (int i = 0; i < 600 && memory_now() > allowed; i++) {
        CHECK_EQ(covey_sleep(ctx, 50 * COVEY_MS), 0);
    }
    CHECK(memory_now() <= allowed);
    /* And what was given back serves again. */
    CHECK(gather(ctx, options, CROWD) > allowed);
    return 0;
}

TEST(memory_of_a_crowd_is_given_back)
{
    if (WITH_ASAN || WITH_TSAN) {
        SKIP("a sanitizer has memory of its own");
    }
    CHECK_EQ(covey_run(come_and_go, &(covey_task_options){0}), 0);
}

TEST(memory_of_a_compact_crowd_is_given_back)
{
    if (WITH_ASAN || WITH_TSAN) {
        SKIP("a sanitizer has memory of its own");
    }
    CHECK_EQ(covey_run(come_and_go, &(covey_task_options){.compact = true}), 0);
}

TEST(memory_of_a_crowd_is_given_back_with_each_kind_of_guard)
{
    if (WITH_ASAN || WITH_TSAN) {
        SKIP("a sanitizer has memory of its own");
    }
    static const char *const guards[] = {"mprotect", "canary"};
    for (int i = 0; i < 2; i++) {
        (void)setenv("COVEY_STACK_GUARD", guards[i], 1);
        CHECK_EQ(covey_run(come_and_go, &(covey_task_options){.stack_size = 65536}), 0);
    }
}

/* Makes what others drop. */
static int maker(covey_ctx *ctx, void *arg)
{
    covey_chan *out = arg;

    for (int i = 0; i < 2000; i++) {
        covey_chan *made = covey_chan_new((size_t)(i % 9) * 8, (size_t)(i % 7) * 8);
        CHECK(made != NULL);
        CHECK_EQ(covey_chan_len(made), 0);
        CHECK_EQ(covey_chan_cap(made), (i % 7) * 8);
        CHECK_EQ(covey_chan_send(ctx, out, &made), 0);
    }
    return 0;
}

static int dropper(covey_ctx *ctx, void *arg)
{
    covey_chan *made;

    while (covey_chan_recv(ctx, arg, &made) == 0) {
        char elem[64] = {1};
        /* Dirty when it is dropped. */
        (void)covey_chan_try_send(made, elem);
        (void)covey_chan_close(made);
        covey_chan_unref(made);
        covey_ctx *c = covey_ctx_with_value(ctx, elem, elem);
        CHECK(covey_ctx_value(c, elem) == elem);
        covey_ctx_unref(c);
    }
    return 0;
}

static int make_and_drop(covey_ctx *ctx, void *arg)
{
    covey_group *makers = covey_group_new(ctx), *droppers = covey_group_new(ctx);

    for (int i = 0; i < 4; i++) {
        GO(makers, maker, arg);
        GO(droppers, dropper, arg);
    }
    JOIN(makers);
    CHECK_EQ(covey_chan_close(arg), 0);
    JOIN(droppers);
    return 0;
}

static int cancel_many(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 2; round++) {
        int64_t before = memory_now();
        for (int i = 0; i < 100000; i++) {
            covey_ctx *c = covey_ctx_with_timeout(ctx, 3600 * COVEY_SEC);
            covey_ctx_cancel(c);
            covey_ctx_unref(c);
        }
        /* A context takes a few hundred bytes; the first round warms up. */
        CHECK(round == 0 || memory_now() - before < INT64_C(100000) * 64);
    }
    return 0;
}

TEST(a_cancelled_context_does_not_wait_for_its_deadline_in_memory)
{
    if (WITH_ASAN || WITH_TSAN) {
        SKIP("a sanitizer has memory of its own");
    }
    CHECK_EQ(covey_run(cancel_many, NULL), 0);
}

TEST(what_one_task_makes_another_may_drop_and_nothing_is_left)
{
    size_t settled = 0;

    for (int round = 0; round < 14; round++) {
        /* Made and dropped where there is no runtime. */
        covey_chan *ch = covey_chan_new(sizeof(covey_chan *), 50);
        CHECK_EQ(covey_run(make_and_drop, ch), 0);
        covey_chan_unref(ch);
        /* The heap's own caches fill up in the first rounds. */
        size_t in_use = mallinfo2().uordblks;
        settled = round < 10 ? in_use : settled;
        CHECK(in_use <= settled + 16384);
    }
}
