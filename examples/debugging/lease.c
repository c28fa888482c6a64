/* SPDX-License-Identifier: MIT
 * lease.c - one task holds a mutex and wants a lease, another has the lease and wants the mutex.
 * The lease is extended by itself, so it never runs out: both wait for ever, while the rest of the
 * program goes on. The diagnosis sees the cycle, and names both objects and both lines.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

static covey_mutex stock;
static covey_redlock *leases;
static atomic_int under_way;

/* Their work overlaps, as it does on a bad day. */
static void work(covey_ctx *ctx)
{
    atomic_fetch_add(&under_way, 1);
    while (atomic_load(&under_way) < 2 && covey_sleep(ctx, COVEY_MS) == 0) {
    }
}

static int pack(covey_ctx *ctx, void *arg)
{
    covey_lease *lease = NULL;

    (void)arg;
    covey_mutex_lock(&stock);
    work(ctx);
    int code = covey_redlock_acquire(ctx, leases, "order/7", &lease);
    if (code == 0) {
        code = covey_lease_release(lease);
    }
    covey_mutex_unlock(&stock);
    return code;
}
enum { PACK_LINE = __LINE__ - 7 };

static int bill(covey_ctx *ctx, void *arg)
{
    covey_lease *lease = NULL;

    (void)arg;
    int code = covey_redlock_acquire(ctx, leases, "order/7", &lease);
    if (code < 0) {
        return code;
    }
    work(ctx);
    covey_mutex_lock(&stock); /* the fault: the other order of the two */
    covey_mutex_unlock(&stock);
    return covey_lease_release(lease);
}
enum { BILL_LINE = __LINE__ - 4 };

/* The program is alive: this one serves on. */
static int serve(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_sleep(ctx, 10 * COVEY_MS) == 0) {
    }
    return 0;
}

static int shop(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    leases = covey_redlock_new(NULL, 0, NULL);
    (void)covey_group_go(g, serve, NULL);
    (void)covey_group_go(g, pack, NULL);
    (void)covey_group_go(g, bill, NULL);
    return covey_group_wait(g);
}

static int faulty(void)
{
    covey_options opts = {.diagnose = true};

    return covey_run_with(&opts, shop, NULL);
}

int main(int argc, char **argv)
{
    char mutex[64];

    example_options(argc, argv, "A lease and a mutex, in both orders.", NULL, 0);
    char *report = child_report(faulty, "covey: deadlock:", 2500);
    fputs(report, stdout);
    expect(strstr(report, "covey: deadlock: 2 tasks wait for each other:") != NULL,
           "the report says that two tasks wait for each other");
    expect(strstr(report, "awaiting lease \"order/7\" (held by task ") != NULL,
           "it names the lease, and which task has it");
    snprintf(mutex, sizeof(mutex), "\"bill\" waiting in mutex %p (held by task ", (void *)&stock);
    expect(strstr(report, mutex) != NULL, "and the mutex, and which task holds that");
    expect(has_frame(report, "pack", "lease.c", PACK_LINE), "the line of the one");
    expect(has_frame(report, "bill", "lease.c", BILL_LINE), "and of the other");
    const char *first = strstr(report, "covey: deadlock:");
    expect(first && !strstr(first + 1, "covey: deadlock:"), "it comes once");
    free(report);
    return example_result(0);
}
