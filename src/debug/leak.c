/* SPDX-License-Identifier: MIT
 * leak.c - the scope in which nothing may be left (COVEY_NO_LEAKS in covey/debug.h).
 *
 * What there was before is kept as the numbers of the tasks then alive and of the open descriptors;
 * what is there later and not among those is a leak. */
#include "base/alloc.h"
#include "os/file.h"
#include "os/net.h"
#include "sched/dump.h"

#include <covey/debug.h>
#include <covey/time.h>

#include <stdlib.h>

#define DESCRIPTORS_MAX 1024
#define PATIENCE_NS COVEY_SEC
#define STEP_NS COVEY_MS

struct covey_leaks {
    bool is_open[DESCRIPTORS_MAX];
    size_t count, capacity;
    uint64_t *ids; /* sorted */
};

static bool note_id(struct cvy_task *t, void *arg)
{
    struct covey_leaks *before = arg;
    struct cvy_view v;

    if (!cvy_view_take(t, &v, true)) {
        return true;
    }
    if (!cvy_grow(&before->ids, before->count, &before->capacity, sizeof(*before->ids))) {
        cvy_fatal("out of memory for a leak scope");
    }
    before->ids[before->count++] = v.id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void note_ids(void *arg)
{
    struct covey_leaks *before = arg;

    (void)cvy_tasks_each(cvy_runtime_get(), note_id, before);
    if (before->count > 0) {
        qsort(before->ids, before->count, sizeof(*before->ids), compare_ids);
    }
}

covey_leak_scope covey_leak_scope_open(const char *file, int line)
{
    struct covey_leaks *before = cvy_alloc_zeroed(sizeof(*before));
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();

    if (!before) {
        cvy_fatal("out of memory for a leak scope");
    }
    if (rt) {
        cvy_with_stack(CVY_DUMP_STACK, note_ids, before);
    }
    cvy_leave(th);
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        before->is_open[fd] = cvy_net_is_open(fd);
    }
    return (covey_leak_scope){.is_open = true, .file = file, .line = line, .before_ = before};
}

struct search {
    const struct covey_leaks *before;
    bool is_told;          /* else only counted */
    struct cvy_dump *dump; /* of what is told, while it is open */
    size_t tasks, descriptors;
};

static bool look_at(struct cvy_task *t, void *arg)
{
    struct search *s = arg;
    struct cvy_view v;

    if (!(s->dump ? cvy_dump_take(s->dump, t, &v) : cvy_view_take(t, &v, true)) ||
        (s->before->count > 0 &&
         bsearch(&v.id, s->before->ids, s->before->count, sizeof(v.id), compare_ids))) {
        return true;
    }
    s->tasks++;
    if (s->dump) {
        flockfile(s->dump->out);
        (void)fputs("covey: leak: ", s->dump->out);
        cvy_dump_view(s->dump, &v, 0);
        funlockfile(s->dump->out);
    }
    return true;
}

/* "fd 7 to tcp://10.0.0.7:5432", "fd 8 (/var/log/shop)" */
static void tell_open(int fd)
{
    char text[128], name[256];

    (void)snprintf(text, sizeof(text), "fd %d", fd);
    if (cvy_fd_describe) {
        cvy_fd_describe(&fd, text, sizeof(text));
    }
    cvy_file_name(fd, name, sizeof(name));
    (void)fprintf(stderr,
                  name[0] ? "covey: leak: %s (%s) is open\n" : "covey: leak: %s%s is open\n", text,
                  name);
}

static void look_at_tasks(void *arg)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    struct search *s = arg;
    struct cvy_dump d;

    if (s->is_told) {
        cvy_dump_open(&d, rt, stderr, false);
        s->dump = &d;
    }
    (void)cvy_tasks_each(rt, look_at, s);
    if (s->dump) {
        cvy_dump_close(&d);
        s->dump = NULL;
    }
}

static void look(struct search *s)
{
    struct cvy_thread *th = cvy_enter();

    s->tasks = s->descriptors = 0;
    if (cvy_runtime_get()) {
        cvy_with_stack(CVY_DUMP_STACK, look_at_tasks, s);
    }
    cvy_leave(th);
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        if (!s->before->is_open[fd] && cvy_net_is_open(fd)) {
            s->descriptors++;
            if (s->is_told) {
                tell_open(fd);
            }
        }
    }
}

/* Looks until nothing is left, or patience is at its end. */
static struct search settle(const covey_leak_scope *scope)
{
    struct search s = {.before = scope->before_};
    int64_t until = covey_now() + PATIENCE_NS;

    look(&s);
    while (s.tasks + s.descriptors > 0 && covey_now() < until) {
        (void)covey_sleep(NULL, STEP_NS);
        look(&s);
    }
    return s;
}

size_t covey_leak_count(const covey_leak_scope *scope)
{
    struct search s = settle(scope);
    return s.tasks + s.descriptors;
}

void covey_leak_scope_drop(covey_leak_scope *scope)
{
    if (scope->is_open) {
        free(scope->before_->ids);
        free(scope->before_);
        *scope = (covey_leak_scope){0};
    }
}

static void report(const covey_leak_scope *scope)
{
    struct search s = {.before = scope->before_, .is_told = true};

    look(&s);
    cvy_fatal("%zu task(s) and %zu descriptor(s) left by the scope at %s:%d", s.tasks,
              s.descriptors, scope->file, scope->line);
}

void covey_leak_scope_close(covey_leak_scope *scope)
{
    if (covey_leak_count(scope) > 0) {
        report(scope);
    }
    covey_leak_scope_drop(scope);
}
