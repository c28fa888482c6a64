/* SPDX-License-Identifier: MIT
 * main.c - the command covey: hands over to its subcommands. */
#include "tools/top.h"
#include "tools/trace.h"

#if CVY_WITH_FETCH /* it needs libcovey-http */
#include "tools/fetch.h"
#endif

#include <covey/defs.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *purpose;
    int (*main)(int argc, char **argv); /* argv[0] is the name */
} commands[] = {
#if CVY_WITH_FETCH
    {"fetch", "fetches many URLs at once", cvy_fetch_main},
#endif
    {"top", "shows a running program's tasks, live", cvy_top_main},
    {"trace", "shows what a program's trace holds", cvy_trace_main},
};

static void usage(FILE *out)
{
    (void)fputs("usage: covey COMMAND [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].purpose);
    }
    (void)fputs("\ncovey COMMAND --help says more; covey --version the version.\n", out);
}

/* A connection must not get the number of a standard descriptor that the caller has closed: what is
 * said would go to it. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    open_standard_descriptors();
    /* A reader that goes away is an error of the write, told like any other. */
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].main(argc - 1, argv + 1);
        }
    }
    if (strcmp(word, "--version") == 0) {
        (void)puts("covey " COVEY_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0 || strcmp(word, "-h") == 0) {
        usage(stdout);
        return 0;
    }
    usage(stderr);
    return 2;
}
