/* SPDX-License-Identifier: MIT
 * covey/group.h - groups: tasks that start together and end together. After Go's
 * golang.org/x/sync/errgroup, with the scope rule of Trio's nurseries.
 *
 * The task that opened a group waits for it before it returns; a task that ends with a group still
 * open is a fatal error that names the task and the line. Any task may start tasks in it and cancel
 * it; one that is not of the group must have come back from that before the group is waited for.
 *
 * One check is enough. A start that fails is a failure of the group, as if the task had returned
 * that code; and a NULL group, which lack of memory gives, may be used like any other: starts fail
 * with -ENOMEM and so does the wait. So
 *
 *     covey_group *g = covey_group_new(ctx);
 *     for (...) { covey_group_go(g, fetch, &downloads[i]); }
 *     return covey_group_wait(g);
 *
 * tells of everything that went wrong. Only who hands a task something to release must look at each
 * start. */
#ifndef COVEY_GROUP_H
#define COVEY_GROUP_H

#include <covey/defs.h>
#include <covey/task.h>

COVEY_BEGIN

typedef enum covey_group_policy {
    COVEY_FIRST_ERROR,  /* the first failure cancels the group's context, with its code as cause */
    COVEY_ALL,          /* nobody is cancelled, all run */
    COVEY_FIRST_SUCCESS /* a race: the first success cancels the rest */
} covey_group_policy;

/* Every failure of a group's tasks, in order of occurrence. Outlives the group it was given to.
 * Read it after covey_group_wait(); one list may serve several groups in turn. NULL, which lack of
 * memory gives, reads as an empty one. */
typedef struct covey_error_list covey_error_list;
COVEY_API covey_error_list *covey_error_list_new(void); /* NULL: out of memory */
COVEY_API size_t covey_error_list_len(const covey_error_list *l);
COVEY_API int covey_error_list_code(const covey_error_list *l, size_t i); /* 0: no such entry */
COVEY_API const char *covey_error_list_message(const covey_error_list *l, size_t i);
COVEY_API void covey_error_list_free(covey_error_list *l);

typedef struct covey_group_options {
    covey_group_policy policy;
    int limit;                /* tasks at once; 0 or less: none */
    covey_error_list *errors; /* borrowed until wait returned; may be NULL */
} covey_group_options;

/* Opens a group whose context is a child of parent (NULL: background). NULL: out of memory, for
 * which see above. Does not switch. Any thread may; a plain thread is not checked for one left
 * open. */
COVEY_API covey_group *covey_group_new(covey_ctx *parent);
COVEY_API covey_group *covey_group_new_with(covey_ctx *parent, const covey_group_options *opts);
COVEY_API covey_group *covey_group_new_at(const covey_site *site, covey_ctx *parent,
                                          const covey_group_options *opts);
#define covey_group_new(parent) covey_group_new_at(COVEY_SITE("group"), (parent), NULL)
#define covey_group_new_with(parent, opts) covey_group_new_at(COVEY_SITE("group"), (parent), (opts))

/* The group's context; lives as long as the group (take a reference to keep it). Of a NULL group:
 * one that is done, with the cause -ENOMEM. */
COVEY_API covey_ctx *covey_group_ctx(covey_group *g);

/* Starts fn(group's context, arg) as a task of g. While the limit is reached it waits its turn,
 * first come first served, and may switch; it never drops a task: on a group whose context is done
 * the limit no longer holds and the task runs and sees a done context, so that an argument it owns
 * is released. 0; -ENOMEM; -EINVAL: options out of range; COVEY_ECLOSED: no runtime is up. Then
 * nothing was started, and the group counts it as a failed task. */
COVEY_API int covey_group_go(covey_group *g, covey_fn *fn, void *arg);
COVEY_API int covey_group_go_with(covey_group *g, const covey_task_options *opts, covey_fn *fn,
                                  void *arg);
COVEY_API int covey_group_go_at(const covey_site *site, covey_group *g,
                                const covey_task_options *opts, covey_fn *fn, void *arg);
/* The same with a copy of the argument, as covey_go_copy(). */
COVEY_API int covey_group_go_copy(covey_group *g, covey_fn *fn, const void *arg, size_t len);
COVEY_API int covey_group_go_copy_at(const covey_site *site, covey_group *g,
                                     const covey_task_options *opts, covey_fn *fn, const void *arg,
                                     size_t len);
/* Never waits: COVEY_EAGAIN when the limit is reached, which is no failure of the group. Does not
 * switch. */
COVEY_API int covey_group_try_go(covey_group *g, covey_fn *fn, void *arg);
COVEY_API int covey_group_try_go_at(const covey_site *site, covey_group *g, covey_fn *fn,
                                    void *arg);
COVEY_API int covey_group_try_go_copy(covey_group *g, covey_fn *fn, const void *arg, size_t len);
COVEY_API int covey_group_try_go_copy_at(const covey_site *site, covey_group *g, covey_fn *fn,
                                         const void *arg, size_t len);

#define covey_group_go(g, fn, arg) covey_group_go_at(COVEY_SITE(#fn), (g), NULL, (fn), (arg))
#define covey_group_go_with(g, opts, fn, arg)                                                      \
    covey_group_go_at(COVEY_SITE(#fn), (g), (opts), (fn), (arg))
#define covey_group_go_copy(g, fn, arg, len)                                                       \
    covey_group_go_copy_at(COVEY_SITE(#fn), (g), NULL, (fn), (arg), (len))
#define covey_group_try_go(g, fn, arg) covey_group_try_go_at(COVEY_SITE(#fn), (g), (fn), (arg))
#define covey_group_try_go_copy(g, fn, arg, len)                                                   \
    covey_group_try_go_copy_at(COVEY_SITE(#fn), (g), (fn), (arg), (len))

/* limit < 0: none; 0 admits nobody. May change while tasks run; holds for later starts, and lets
 * waiting starts in if it grew. Does not switch. */
COVEY_API void covey_group_set_limit(covey_group *g, int limit);

/* Cancels the group's context: tasks see COVEY_ECANCELED and this cause (0: COVEY_ECANCELED). It is
 * no failure of the group. Does not switch. */
COVEY_API void covey_group_cancel(covey_group *g, int cause);

/* Waits until every task of g has ended, frees g (and cancels its context), and returns the first
 * negative code by the policy, with its message; 0 if there was none, also when the group was
 * cancelled. A first-success group gives 0 once one task succeeded, else the first error. -ENOMEM:
 * g is NULL. May switch. Takes no context: a join is never abandoned; cancel the group to hurry it.
 */
COVEY_API int covey_group_wait(covey_group *g);

COVEY_END
#endif
