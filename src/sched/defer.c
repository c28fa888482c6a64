/* SPDX-License-Identifier: MIT
 * defer.c - calls that a task makes at its end: covey_defer (covey/task.h).
 *
 * They stand among the task's scopes, which its end looks at anyway if it has any. A group that is
 * left open is told after they have run: one of them may have waited for it. */
#include "base/alloc.h"
#include "sched/wait.h"

#include <covey/error.h>

#undef errno

struct deferred {
    struct cvy_scope scope; /* first: the scope is the call */
    void (*fn)(void *arg);
    void *arg;
};

static struct deferred *deferred_of(struct cvy_scope *s)
{
    return (struct deferred *)s;
}

static struct deferred *last_deferred(struct cvy_task *t)
{
    struct cvy_scope *s = t->scopes;

    while (s && s->kind != CVY_SCOPE_DEFERRED) {
        s = s->next;
    }
    return s ? deferred_of(s) : NULL;
}

int covey_defer(void (*fn)(void *arg), void *arg)
{
    struct cvy_task *t = cvy_task_self();

    if (t->is_foreign) {
        return cvy_fail(t, -EINVAL);
    }
    struct deferred *d = cvy_alloc_zeroed(sizeof(*d));
    if (!d) {
        return cvy_fail(t, -ENOMEM);
    }
    d->scope.kind = CVY_SCOPE_DEFERRED;
    d->fn = fn;
    d->arg = arg;
    cvy_scope_open(&d->scope, t);
    return 0;
}

bool covey_undefer(void (*fn)(void *arg), void *arg)
{
    for (struct cvy_scope *s = cvy_task_self()->scopes; s; s = s->next) {
        struct deferred *d = deferred_of(s);
        if (s->kind == CVY_SCOPE_DEFERRED && d->fn == fn && d->arg == arg) {
            cvy_scope_close(s);
            free(d);
            return true;
        }
    }
    return false;
}

struct cvy_thread *cvy_deferred_run(struct cvy_thread *th, int code)
{
    struct cvy_task *t = th->task;
    struct deferred *d = last_deferred(t);

    if (!d) {
        return th;
    }
    struct cvy_message own = cvy_message_take(&t->message, code);
    for (; d; d = last_deferred(t)) {
        struct deferred call = *d;
        cvy_scope_close(&d->scope);
        free(d);
        cvy_leave(th);
        call.fn(call.arg);
        th = cvy_enter();
    }
    cvy_message_put(t, own);
    return th;
}

void cvy_deferred_drop(struct cvy_task *t)
{
    struct deferred *d;

    while ((d = last_deferred(t)) != NULL) {
        cvy_scope_close(&d->scope);
        free(d);
    }
}
