/* SPDX-License-Identifier: MIT
 * covey/task.h - tasks: functions that run on the runtime's workers, each with a stack of its own.
 *
 * A task is started in a group (covey/group.h) and ends before that group's wait returns. The calls
 * here start tasks in the root group, which ends with covey_run(). A new task never runs inside the
 * call that starts it. Unless it is pinned, a task may go on on another OS thread after any call
 * that may switch. Do not hold a pthread mutex, or keep the address of a thread-local, across one.
 *
 * A task that blocks or spins in plain C for more than 10 ms holds up only itself: its worker's
 * queue moves to another OS thread. */
#ifndef COVEY_TASK_H
#define COVEY_TASK_H

#include <covey/defs.h>

COVEY_BEGIN

typedef struct covey_task_options {
    const char *name;  /* copied, cut at 31 bytes; default: fn's name as written */
    size_t stack_size; /* bytes of address space, committed on touch; 0: the runtime's; at most 1
                          GiB */
    bool compact; /* a 2 KiB stack (stack_size up to 4 KiB) from a packed slab: no guard page, a
                     canary checked at each switch. For leaf tasks that mostly wait. */
    bool pinned;  /* never leaves the OS thread that first runs it */
} covey_task_options;

/* Starts fn(ctx, arg) as a detached task under the root context. arg is borrowed until fn returns.
 * Does not switch tasks. From a plain thread: while the runtime is up.
 * 0; -ENOMEM; COVEY_ECLOSED if no runtime is up or covey_run() is past its end. A failing detached
 * task cancels nobody; covey_options.on_error hears of it. */
COVEY_API int covey_go(covey_fn *fn, void *arg);
COVEY_API int covey_go_at(const covey_site *site, const covey_task_options *opts, covey_fn *fn,
                          void *arg);
/* The same with options; opts is borrowed for the call. Also -EINVAL: stack_size too large. */
COVEY_API int covey_go_with(const covey_task_options *opts, covey_fn *fn, void *arg);

/* The same; fn's arg points to a copy of len bytes, aligned for any type, that lives as long as the
 * task. No malloc up to 64 bytes, and no variable shared by accident between the turns of a loop.
 */
COVEY_API int covey_go_copy(covey_fn *fn, const void *arg, size_t len);
COVEY_API int covey_go_copy_at(const covey_site *site, const covey_task_options *opts, covey_fn *fn,
                               const void *arg, size_t len);

#define covey_go(fn, arg) covey_go_at(COVEY_SITE(#fn), NULL, (fn), (arg))
#define covey_go_with(opts, fn, arg) covey_go_at(COVEY_SITE(#fn), (opts), (fn), (arg))
#define covey_go_copy(fn, arg, len) covey_go_copy_at(COVEY_SITE(#fn), NULL, (fn), (arg), (len))

/* The running task's number, its alone as long as the runtime is up; 0 outside a task. Does not
 * switch. */
COVEY_API uint64_t covey_task_id(void);
/* Its name, valid while it runs; "" outside a task. Does not switch. */
COVEY_API const char *covey_task_name(void);

/* Lets other runnable tasks go first. In a plain thread: sched_yield. May switch. */
COVEY_API void covey_yield(void);

/* The running task stays on its OS thread until the matching covey_unpin(); calls nest. While it is
 * pinned no other task uses that thread. A no-op outside a task. Unpinning more often than pinning
 * is fatal. Do not switch. */
COVEY_API void covey_pin(void);
COVEY_API void covey_unpin(void);

/* Runs fn(arg) in the calling task at its end: after its function, before its owner (a group's
 * wait) hears of it. The last one deferred runs first; fn may block, and defer more. The task's
 * context may be done by then, so clean up under NULL or covey_ctx_for_cleanup(). The task's code
 * and message stay what they were. A task that covey_run() discards runs none. 0; -ENOMEM; -EINVAL:
 * a plain thread, which has no end of its own. Does not switch. */
COVEY_API int covey_defer(void (*fn)(void *arg), void *arg);
/* Takes back the calling task's last deferred call of fn with arg. False: there is none, or it has
 * begun. Does not switch. */
COVEY_API bool covey_undefer(void (*fn)(void *arg), void *arg);

/* Runs fn(ctx, arg) on the elastic thread pool and parks this task until it returned; gives fn's
 * code, and its message. For calls that block a whole thread: file systems, getaddrinfo, foreign
 * libraries. In fn the caller is a plain thread. fn is always seen through once it runs: it borrows
 * arg safely from the caller's frame. From a plain thread fn is simply called. The pool has 512
 * threads at most; with all of them busy a call waits for one, under ctx.
 * Always may switch. With a done context fn is not called: COVEY_ECANCELED or COVEY_EDEADLINE.
 * COVEY_EAGAIN: no thread could be made. */
COVEY_API int covey_blocking(covey_ctx *ctx, covey_fn *fn, void *arg);
/* The same for what needs a CPU for long and does not wait: on threads of the lowest priority (nice
 * 19), so that a task that becomes ready gets their CPU at once, and not at the end of their time
 * slice. While the machine is full of other things fn gets on slowly: it should hold no lock that
 * others wait for. As many calls run at once as are made, up to 512 here too: a semaphore
 * (covey/sync.h) of as many permits as there are CPUs keeps down what they need in memory. */
COVEY_API int covey_compute(covey_ctx *ctx, covey_fn *fn, void *arg);

COVEY_END
#endif
