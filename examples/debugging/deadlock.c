/* SPDX-License-Identifier: MIT
 * deadlock.c - two transfers lock the same two accounts in opposite order, and wait for each other
 * for ever. The rest of the program goes on, so nothing is "all asleep": only the diagnosis sees
 * it.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

enum { FAULT_LINE = 37 };

struct account {
    covey_mutex mutex;
    int64_t balance;
};

struct transfer {
    struct account *from, *to;
};

static struct account alice = {.balance = 100}, bob = {.balance = 100};
static atomic_int under_way;

/* Takes until the other transfer is at the same point, as it does on a bad day. */
static void look_up_rate(covey_ctx *ctx)
{
    atomic_fetch_add(&under_way, 1);
    while (atomic_load(&under_way) < 2 && covey_sleep(ctx, COVEY_MS) == 0) {
    }
}

static int transfer(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;

    covey_mutex_lock(&t->from->mutex);
    look_up_rate(ctx);
    covey_mutex_lock(&t->to->mutex); /* the fault: no order among accounts */
    t->from->balance--;
    t->to->balance++;
    covey_mutex_unlock(&t->to->mutex);
    covey_mutex_unlock(&t->from->mutex);
    return 0;
}

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
    struct transfer there = {&alice, &bob}, back = {&bob, &alice};

    (void)arg;
    (void)covey_group_go(g, serve, NULL);
    (void)covey_group_go(g, transfer, &there);
    (void)covey_group_go(g, transfer, &back);
    return covey_group_wait(g);
}

static int faulty(void)
{
    covey_options opts = {.diagnose = true};

    return covey_run_with(&opts, shop, NULL);
}

/* The child's mutexes are where ours are. */
static bool names(const char *report, const covey_mutex *m)
{
    char text[96];

    snprintf(text, sizeof(text), "\"transfer\" waiting in mutex %p (held by task ", (void *)m);
    return strstr(report, text) != NULL;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Two tasks wait for each other while the rest goes on.", NULL, 0);
    char *report = child_report(faulty, "covey: deadlock:", 2500);
    fputs(report, stdout);
    expect(strstr(report, "covey: deadlock: 2 tasks wait for each other:") != NULL,
           "the report says that two tasks wait for each other");
    expect(names(report, &alice.mutex) && names(report, &bob.mutex),
           "it names the tasks, the mutexes and who holds them");
    expect(has_frame(report, "transfer", "deadlock.c", FAULT_LINE), "it names the line");
    const char *first = strstr(report, "covey: deadlock:");
    expect(first && !strstr(first + 1, "covey: deadlock:"), "it comes once");
    free(report);
    return example_result(0);
}
