/* SPDX-License-Identifier: MIT
 * profile.c - a shop that is slower than its machine: every order is priced under one lock, whose
 * holder waits for somebody else meanwhile, and an expensive function draws receipts. The task
 * profile says where tasks are, the block profile where they wait, the mutex profile who makes them
 * wait, the CPU profile what costs.
 *
 * With --files 1 the profiles are written to this folder, for `go tool pprof` and flame graphs. The
 * story is in docs/debugging.md. */
#include "../example.h"

enum { DRAW_MS = 300, VISITORS = 1000, ORDERS = 50 };

static int64_t writes_files;
static covey_mutex prices;
static covey_chan *door;
static _Atomic uint64_t priced;

/* Holds the lock over a wait. */
__attribute__((noinline)) static int work_out_price(covey_ctx *ctx)
{
    covey_mutex_lock(&prices);
    int code = covey_sleep(ctx, 2 * COVEY_MS);
    covey_mutex_unlock(&prices);
    priced++; /* no tail call: the unlock has a caller */
    return code;
}

static int order(covey_ctx *ctx, void *arg)
{
    (void)arg;
    return work_out_price(ctx);
}

__attribute__((noinline)) static void draw_receipt(int64_t until)
{
    volatile uint64_t sink = 0;

    while (covey_now() < until) {
        for (int i = 0; i < 10000; i++) {
            sink += (uint64_t)i * (uint64_t)i;
        }
    }
    (void)sink;
}

static int receipts(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    draw_receipt(covey_now() + DRAW_MS * COVEY_MS);
    return 0;
}

static int visit(covey_ctx *ctx, void *arg)
{
    (void)arg;
    int code = covey_chan_recv(ctx, door, NULL);
    return code == COVEY_ECLOSED ? 0 : code;
}

static void write_file(const char *kind, covey_profile_format format, const char *ending)
{
    char path[64];

    snprintf(path, sizeof(path), "%s.%s", kind, ending);
    FILE *out = fopen(path, "w");
    expect(out && covey_profile_write(kind, (int)format, out) == 0 && fclose(out) == 0,
           "%s is written", path);
}

/* A profile's folded text; free it. */
static char *folded(const char *kind)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out || covey_profile_write(kind, COVEY_PROFILE_FOLDED, out) < 0 || fclose(out) != 0) {
        abort();
    }
    if (writes_files) {
        write_file(kind, COVEY_PROFILE_PPROF, "pprof");
        write_file(kind, COVEY_PROFILE_FOLDED, "folded");
    }
    return text;
}

/* The value of the stacks that have all of this; without libdw static functions have no names. */
static void has(const char *kind, const char *first, const char *second, const char *what)
{
    char *text = folded(kind);
    bool has_names =
        strstr(text, "work_out_price") || strstr(text, "visit;") || strstr(text, "draw_receipt");
    long long sum = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strstr(line, first) && strstr(line, second)) {
            sum += strtoll(strrchr(line, ' '), NULL, 10);
        }
    }
    expect(sum > 0 || !has_names, "%s profile: %s (%lld)", kind, what, sum);
    free(text);
}

static int shop(covey_ctx *ctx, void *arg)
{
    covey_group *visitors = covey_group_new(ctx);
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < VISITORS; i++) {
        (void)covey_group_go(visitors, visit, NULL);
    }
    (void)covey_group_go(g, receipts, NULL);
    for (int i = 0; i < ORDERS; i++) {
        (void)covey_group_go(g, order, NULL);
    }
    int code = covey_group_wait(g);
    has("task", "visit;", "[chan receive]", "the visitors wait at the door");
    (void)covey_chan_close(door);
    int visited = covey_group_wait(visitors);
    return code < 0 ? code : visited;
}

int main(int argc, char **argv)
{
    const struct example_option options[] = {
        {"--files", &writes_files, "1: writes KIND.pprof and KIND.folded here"}};
    example_options(argc, argv, "What a program waits for, and what costs it.", options, 1);

    door = covey_chan_new(0, 0);
    expect(covey_profile_start("block", 1) == 0, "the block profile is on");
    expect(covey_profile_start("mutex", 1) == 0, "the mutex profile is on");
    expect(covey_profile_start("cpu", 1000) == 0, "the CPU profile is on");
    int code = covey_run(shop, NULL);
    (void)covey_profile_stop("block");
    (void)covey_profile_stop("mutex");
    (void)covey_profile_stop("cpu");
    has("block", "work_out_price;", "[mutex]", "orders wait for the lock");
    has("block", "visit;", "[chan receive]", "visitors wait at the door");
    has("mutex", "work_out_price;", "covey_mutex_unlock", "whoever works out a price holds it");
    if (EXAMPLE_SANITIZED) {
        free(folded("cpu")); /* signals come late, if at all */
    } else {
        has("cpu", "receipts;", "draw_receipt", "receipts are expensive");
    }
    covey_chan_unref(door);
    return example_result(code);
}
