/* SPDX-License-Identifier: MIT
 * crawl.c - a crawler reads at most two pages at once: its group has that limit. Who finds a link
 * starts the next page in the same group, and stays until it is let in. As long as one page is read
 * there is room for the next; once both pages have links to follow, each stands in the way of what
 * it waits for.
 *
 * The story, with its output, is in docs/debugging.md. */
#include "child.h"

#include <string.h>

enum { PAGES_AT_ONCE = 2 };

struct page {
    covey_group *crawl;
    int depth;
};

static atomic_int read_now;

/* Both pages come at the same time, as they do on a bad day. */
static void read_page(covey_ctx *ctx)
{
    atomic_fetch_add(&read_now, 1);
    while (atomic_load(&read_now) < PAGES_AT_ONCE && covey_sleep(ctx, COVEY_MS) == 0) {
    }
}

static int crawl_page(covey_ctx *ctx, void *arg)
{
    struct page next = *(struct page *)arg;

    read_page(ctx);
    if (next.depth-- == 0) {
        return 0;
    }
    return covey_group_go_copy(next.crawl, crawl_page, &next, sizeof(next)); /* the fault */
}
enum { GO_LINE = __LINE__ - 2 };

/* The program is alive: this one serves on. */
static int serve(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_sleep(ctx, 10 * COVEY_MS) == 0) {
    }
    return 0;
}

static int crawler(covey_ctx *ctx, void *arg)
{
    const covey_group_options opts = {.limit = PAGES_AT_ONCE};
    covey_group *pages = covey_group_new_with(ctx, &opts);
    struct page first = {pages, 3};

    (void)arg;
    (void)covey_go(serve, NULL);
    for (int i = 0; i < PAGES_AT_ONCE; i++) {
        (void)covey_group_go_copy(pages, crawl_page, &first, sizeof(first));
    }
    return covey_group_wait(pages);
}

static int faulty(void)
{
    covey_options opts = {.diagnose = true};

    return covey_run_with(&opts, crawler, NULL);
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Tasks of a full group that start more in it.", NULL, 0);
    char *report = child_report(faulty, "covey: deadlock:", 2500);
    fputs(report, stdout);
    expect(strstr(report, "covey: deadlock: 2 tasks wait for each other:") != NULL,
           "the report says that two tasks wait for each other");
    const char *words = "\"crawl_page\" waiting in group limit";
    const char *one = strstr(report, words);
    expect(one && strstr(one + 1, words), "for a place in a group");
    expect(strstr(report, "(2 alive, limit 2)") != NULL, "which has as many tasks as it may");
    expect(has_frame(report, "crawl_page", "crawl.c", GO_LINE), "where");
    const char *first = strstr(report, "covey: deadlock:");
    expect(first && !strstr(first + 1, "covey: deadlock:"), "it comes once");
    free(report);
    return example_result(0);
}
