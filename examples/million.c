/* SPDX-License-Identifier: MIT
 * million.c - tasks are light: 100,000 started and joined, 1,000,000 alive at once, and one whose
 * stack may grow to 1 GiB.
 *
 * A task that has not run yet is a small record. It gets a stack when it first runs, so 100,000
 * short ones in a row share a few. One that waits keeps its stack: the million ask for compact
 * ones, 2 KiB each. Any other stack is address space, and becomes memory a page at a time where it
 * is touched. Times and sizes are printed and not judged. */
#include "example.h"

#include <unistd.h>

/* Memory that this process has in RAM, in bytes. */
static int64_t resident(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f) {
        if (fscanf(f, "%*s %lld", &pages) != 1) {
            pages = 0;
        }
        fclose(f);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

/* How many waiting tasks, at 4 KiB each to be safe, three quarters of the free memory hold. */
static int64_t tasks_that_fit(void)
{
    char line[128];
    long long kib = 1 << 20;
    FILE *f = fopen("/proc/meminfo", "r");

    if (f) {
        while (fgets(line, sizeof(line), f)) {
            (void)sscanf(line, "MemAvailable: %lld", &kib);
        }
        fclose(f);
    }
    return kib / 4 * 3 / 4;
}

static int add_one(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add_explicit((atomic_long *)arg, 1, memory_order_relaxed);
    return 0;
}

static int start_and_join(covey_ctx *ctx, int64_t n)
{
    atomic_long ran = 0;
    covey_group *g = covey_group_new(ctx);
    int err = 0;
    int64_t start = covey_now();

    if (!g) {
        return -ENOMEM;
    }
    for (int64_t i = 0; i < n && err == 0; i++) {
        err = covey_group_go(g, add_one, &ran);
    }
    int64_t started = covey_now();
    int failed = covey_group_wait(g);
    int64_t joined = covey_now();

    printf("%lld short tasks:\n", (long long)n);
    expect(err == 0 && atomic_load(&ran) == n, "started in %.1f ms, joined after %.1f ms, all ran",
           (double)(started - start) / COVEY_MS, (double)(joined - start) / COVEY_MS);
    return err < 0 ? err : failed;
}

struct crowd {
    covey_chan *release; /* closed when they may go */
    atomic_long present;
};

static int stay(covey_ctx *ctx, void *arg)
{
    struct crowd *crowd = arg;

    atomic_fetch_add_explicit(&crowd->present, 1, memory_order_relaxed);
    int err = covey_chan_recv(ctx, crowd->release, NULL);
    return err == COVEY_ECLOSED ? 0 : err;
}

static int all_alive(covey_ctx *ctx, int64_t n)
{
    const covey_task_options compact = {.compact = true};
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    struct crowd crowd = {.release = covey_chan_new(0, 0)};
    int err = crowd.release ? 0 : -ENOMEM;
    int64_t before = resident(), start = covey_now();

    printf("%lld tasks that all wait for one channel:\n", (long long)n);
    for (int64_t i = 0; i < n && err == 0; i++) {
        err = covey_group_go_with(g, &compact, stay, &crowd);
    }
    while (err == 0 && atomic_load(&crowd.present) < n) {
        err = covey_sleep(ctx, COVEY_MS);
    }
    int64_t alive = covey_now(), full = resident();
    (void)covey_chan_close(crowd.release);
    int failed = covey_group_wait(g);
    int64_t gone = covey_now();

    expect(err == 0, "alive at once: %ld, after %.2f s", atomic_load(&crowd.present),
           (double)(alive - start) / COVEY_SEC);
    printf("           %.0f bytes of memory each; %lld MiB in all, %lld MiB once they left\n",
           (double)(full - before) / (double)n, (long long)(full >> 20),
           (long long)(resident() >> 20));
    expect(failed == 0, "the channel closed, and all had ended %.2f s later",
           (double)(gone - alive) / COVEY_SEC);
    covey_chan_unref(crowd.release);
    return err < 0 ? err : failed;
}

/* Uses n frames of about 4 KiB of stack. */
__attribute__((noinline)) static int64_t dive(int64_t n)
{
    volatile char frame[4000];

    frame[0] = 1;
    return n == 0 ? 0 : dive(n - 1) + frame[0];
}

struct diver {
    int64_t frames, reached, grown;
};

static int dive_deep(covey_ctx *ctx, void *arg)
{
    struct diver *d = arg;
    int64_t before = resident();

    (void)ctx;
    d->reached = dive(d->frames);
    d->grown = resident() - before;
    return 0;
}

static int deep_stack(covey_ctx *ctx, int64_t mib)
{
    const covey_task_options deep = {.name = "diver", .stack_size = (size_t)1 << 30};
    struct diver d = {.frames = mib * 256};
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    int err = covey_group_go_with(g, &deep, dive_deep, &d);
    int failed = covey_group_wait(g);

    printf("a task with a stack of 1 GiB that goes %lld MiB deep:\n", (long long)mib);
    expect(d.reached == d.frames, "it came back from %lld calls; memory grew by %lld MiB",
           (long long)d.reached, (long long)(d.grown >> 20));
    return err < 0 ? err : failed;
}

struct sizes {
    int64_t start, alive, dive;
};

static int tour(covey_ctx *ctx, void *arg)
{
    struct sizes *s = arg;
    int err = start_and_join(ctx, s->start);

    if (err == 0) {
        err = all_alive(ctx, s->alive);
    }
    return err == 0 ? deep_stack(ctx, s->dive) : err;
}

int main(int argc, char **argv)
{
    struct sizes s =
        EXAMPLE_SANITIZED ? (struct sizes){20000, 5000, 8} : (struct sizes){100000, 1000000, 64};
    const struct example_option options[] = {
        {"--start", &s.start, "tasks to start and join"},
        {"--alive", &s.alive, "tasks alive at once"},
        {"--dive", &s.dive, "MiB of stack to use, below 900"},
    };

    example_options(argc, argv, "Starts very many tasks.", options, 3);
    if (s.alive > tasks_that_fit()) {
        s.alive = tasks_that_fit();
        printf("little memory is free: only %lld tasks at once\n", (long long)s.alive);
    }
    return example_result(covey_run(tour, &s));
}
