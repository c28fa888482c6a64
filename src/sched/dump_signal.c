/* SPDX-License-Identifier: MIT
 * dump_signal.c - the signal that the user opted into for a dump of all tasks.
 *
 * The handler only rouses the watchdog, which writes the dump: it does not depend on any worker. */
#define _GNU_SOURCE
#include "sched/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct sigaction previous;

static void on_signal(int number)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    int *error = cvy_errno_ptr();
    int saved = *error;

    (void)number;
    if (rt) {
        cvy_store_relaxed(&rt->dump_wanted, true);
        cvy_watchdog_rouse(rt);
    }
    *error = saved;
}

/* The option, else COVEY_DUMP_SIGNAL: a number or a name without SIG. 0: none. */
static int number_of(const covey_options *o)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"HUP", SIGHUP}};

    if (o->dump_signal > 0) {
        return o->dump_signal;
    }
    const char *text = getenv("COVEY_DUMP_SIGNAL");
    for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            return names[i].number;
        }
    }
    return (int)cvy_env_number("COVEY_DUMP_SIGNAL");
}

void cvy_dump_signal_install(struct cvy_runtime *rt)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    int number = number_of(&rt->options);

    (void)sigemptyset(&action.sa_mask);
    rt->dump_signal = number > 0 && sigaction(number, &action, &previous) == 0 ? number : 0;
}

void cvy_dump_signal_remove(struct cvy_runtime *rt)
{
    if (rt->dump_signal > 0) {
        (void)sigaction(rt->dump_signal, &previous, NULL);
    }
}
