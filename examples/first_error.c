/* SPDX-License-Identifier: MIT
 * first_error.c - many tasks fail in the same instant; what does their group say?
 *
 * All tasks wait at a gate. When it opens each fails at once, with a code and words of its own. The
 * group's wait returns exactly one of the failures, the first, complete with its words. With an
 * error list every failure is kept, in the order in which they happened; without one the others
 * were not lost unseen either: each task knows what became of it. */
#include "example.h"

struct failures {
    covey_chan *gate; /* closed when all may fail */
    atomic_int waiting, failed;
    int tasks;
};

struct failing {
    struct failures *f;
    int number;
};

static const int codes[] = {-EIO, -ECONNREFUSED, -ENOSPC, -EPROTO};

static int code_of(int number)
{
    return codes[number % 4];
}

static int fail_at_the_gate(covey_ctx *ctx, void *arg)
{
    struct failing *t = arg;

    (void)ctx; /* NULL: the gate is waited for to the end, so that none is merely cancelled */
    atomic_fetch_add(&t->f->waiting, 1);
    (void)covey_chan_recv(NULL, t->f->gate, NULL);
    atomic_fetch_add(&t->f->failed, 1);
    return covey_errorf(code_of(t->number), "replica %d: %s", t->number,
                        covey_strerror(code_of(t->number)));
}

/* Lets all tasks fail at once under a group with these options. The group's code. */
static int fail_together(covey_ctx *ctx, struct failures *f, const covey_group_options *opts)
{
    covey_group *g = covey_group_new_with(ctx, opts);
    int err = 0;

    f->gate = covey_chan_new(0, 0);
    atomic_store(&f->waiting, 0);
    atomic_store(&f->failed, 0);
    for (int i = 0; i < f->tasks && err == 0; i++) {
        struct failing t = {f, i};
        err = covey_group_go_copy(g, fail_at_the_gate, &t, sizeof(t));
    }
    while (err == 0 && atomic_load(&f->waiting) < f->tasks) {
        covey_yield();
    }
    (void)covey_chan_close(f->gate);
    int failed = covey_group_wait(g);
    covey_chan_unref(f->gate);
    return err < 0 ? err : failed;
}

/* The number in "replica 17: ..."; -1 if the words are not a failure's of that code. */
static int replica_of(const char *words, int code)
{
    char expected[100];
    int number;

    if (sscanf(words, "replica %d:", &number) != 1) {
        return -1;
    }
    snprintf(expected, sizeof(expected), "replica %d: %s", number, covey_strerror(code));
    return code == code_of(number) && strcmp(words, expected) == 0 ? number : -1;
}

/* Whether each task's failure stands in the list once, with its own code and words. */
static bool is_complete(const covey_error_list *list, int tasks)
{
    bool *seen = calloc((size_t)tasks, sizeof(*seen));
    bool complete = seen && covey_error_list_len(list) == (size_t)tasks;

    for (int i = 0; complete && i < tasks; i++) {
        int number = replica_of(covey_error_list_message(list, (size_t)i),
                                covey_error_list_code(list, (size_t)i));
        complete = number >= 0 && number < tasks && !seen[number];
        if (complete) {
            seen[number] = true;
        }
    }
    free(seen);
    return complete;
}

static void show_one(covey_ctx *ctx, struct failures *f)
{
    int err = fail_together(ctx, f, NULL);

    printf("%d tasks fail at once:\n", f->tasks);
    expect(replica_of(covey_errmsg(), err) >= 0, "wait() returned one of them: \"%s\"",
           covey_errmsg());
    expect(atomic_load(&f->failed) == f->tasks, "%d failed, the other %d were counted",
           atomic_load(&f->failed), atomic_load(&f->failed) - 1);
}

static void show_all(covey_ctx *ctx, struct failures *f, covey_group_policy policy,
                     const char *title)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.policy = policy, .errors = list};
    int err = fail_together(ctx, f, &opts);

    printf("%s, with an error list:\n", title);
    expect(is_complete(list, f->tasks), "all %zu failures are in it, each once, with its words",
           covey_error_list_len(list));
    expect(err == covey_error_list_code(list, 0) &&
               strcmp(covey_errmsg(), covey_error_list_message(list, 0)) == 0,
           "wait() returned the first: \"%s\"", covey_errmsg());
    covey_error_list_free(list);
}

static int tour(covey_ctx *ctx, void *arg)
{
    show_one(ctx, arg);
    show_all(ctx, arg, COVEY_FIRST_ERROR, "the same");
    show_all(ctx, arg, COVEY_ALL, "nobody is cancelled by another");
    return 0;
}

int main(int argc, char **argv)
{
    int64_t tasks = EXAMPLE_SANITIZED ? 200 : 2000;
    const struct example_option options[] = {{"--tasks", &tasks, "tasks that fail together"}};

    example_options(argc, argv, "Many tasks fail in the same instant; one error is returned.",
                    options, 1);
    struct failures f = {.tasks = tasks < 1 ? 1 : (int)tasks};
    return example_result(covey_run(tour, &f));
}
