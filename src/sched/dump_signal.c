/* SPDX-License-Identifier: MIT
 * dump_signal.c - the signal that the user opted into for a dump of all tasks.
 *
 * The handler only rouses the watchdog, which starts a thread that writes the dump: it does not
 * depend on any worker, and the watchdog goes on meanwhile. */
#define _GNU_SOURCE
#include "base/env.h"
#include "sched/worker.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct sigaction previous;

/* The handler may be about to use the runtime at its end: either the end sees it inside, or it sees
 * that there is none (seq_cst). */
static struct cvy_runtime *_Atomic asked;
static _Atomic uint32_t handlers; /* threads inside the handler */

/* The watchdog's, and after its end its joiner's. */
static pthread_t writer;
static bool has_writer;
static _Atomic bool is_written; /* release by the writer, acquire before it is joined */

static void *writer_main(void *arg)
{
    struct cvy_runtime *rt = arg;

    /* Who asks for a dump does not mean to end the program, whatever its log has come to. */
    cvy_thread_block_sigpipe();
    cvy_thread_find_descriptors();
    cvy_dump_tasks(rt, stderr);
    cvy_store_release(&is_written, true);
    /* Another may have been asked for meanwhile, and the watchdog sleeps for long where nothing
     * happens. */
    cvy_watchdog_rouse(rt);
    return NULL;
}

static void writer_join(void)
{
    if (has_writer) {
        (void)pthread_join(writer, NULL);
        has_writer = false;
    }
}

void cvy_dump_signal_answer(struct cvy_runtime *rt)
{
    if (!cvy_load_relaxed(&rt->dump_wanted) || (has_writer && !cvy_load_acquire(&is_written))) {
        return;
    }
    writer_join();
    cvy_store_relaxed(&rt->dump_wanted, false);
    cvy_store_relaxed(&is_written, false);
    has_writer = !cvy_alloc_fails() && pthread_create(&writer, NULL, writer_main, rt) == 0;
    if (!has_writer) {
        cvy_dump_tasks(rt, stderr);
    }
}

static void on_signal(int number)
{
    int *error = cvy_errno_ptr();
    int saved = *error;

    (void)number;
    atomic_fetch_add_explicit(&handlers, 1, memory_order_seq_cst);
    struct cvy_runtime *rt = cvy_load_seq_cst(&asked);
    if (rt) {
        cvy_store_relaxed(&rt->dump_wanted, true);
        cvy_watchdog_rouse(rt);
    }
    atomic_fetch_sub_explicit(&handlers, 1, memory_order_seq_cst);
    *error = saved;
}

bool cvy_dump_signal_is_valid(int number)
{
    bool is_libc = number >= 32 && number < SIGRTMIN;
    return number >= 0 && number <= SIGRTMAX && number != SIGKILL && number != SIGSTOP && !is_libc;
}

int cvy_dump_signal_from_environment(void)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP}};

    const char *text = getenv("COVEY_DUMP_SIGNAL");
    uint64_t number = 0;

    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            return names[i].number;
        }
    }
    if (text && *text && !cvy_env_parse(text, &number)) {
        cvy_env_ignored("COVEY_DUMP_SIGNAL", "a signal's number, QUIT, USR1, USR2 or HUP");
        return 0;
    }
    return number < INT_MAX ? (int)number : INT_MAX;
}

void cvy_dump_signal_install(struct cvy_runtime *rt)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int number = rt->options.dump_signal;

    (void)sigemptyset(&action.sa_mask);
    cvy_store_seq_cst(&asked, rt);
    rt->dump_signal = number > 0 && sigaction(number, &action, &previous) == 0 ? number : 0;
}

void cvy_dump_signal_remove(struct cvy_runtime *rt)
{
    if (rt->dump_signal > 0) {
        (void)sigaction(rt->dump_signal, &previous, NULL);
    }
    cvy_store_seq_cst(&asked, NULL);
    while (cvy_load_seq_cst(&handlers) > 0) {
        cvy_cpu_relax();
    }
    writer_join();
}
