/* SPDX-License-Identifier: MIT
 * main.c - the command covey: hands over to its subcommands. */
#include "tools/top.h"
#include "tools/trace.h"

#if CVY_WITH_FETCH /* it needs libcovey-http */
#include "tools/fetch.h"
#endif

#include <covey/error.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *purpose;
    int (*main)(int argc, char **argv); /* argv[0] is the name */
    int unwritten;                      /* status: standard output could not be written */
} commands[] = {
#if CVY_WITH_FETCH
    {"fetch", "fetches many URLs at once", cvy_fetch_main, 4},
#endif
    {"top", "shows a running program's tasks, live", cvy_top_main, 1},
    {"trace", "shows what a program's trace holds", cvy_trace_main, 1},
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
 * said would go to it. What stands there instead can only be used the wrong way round, so that a
 * read or a write fails, as it would have. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
        if (fd == STDIN_FILENO) {
            (void)close(fd);
            fd = open("/dev/null", O_WRONLY);
        }
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* The status, if it is not a success whose words could not be written. */
static int finish(int status, int unwritten)
{
    if (status != 0 || (fflush(stdout) == 0 && !ferror(stdout))) {
        return status;
    }
    (void)fprintf(stderr, "covey: standard output: %s\n", covey_strerror(-errno));
    return unwritten;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    open_standard_descriptors();
    /* A reader that goes away is an error of the write, told like any other. */
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return finish(commands[i].main(argc - 1, argv + 1), commands[i].unwritten);
        }
    }
    if (strcmp(word, "--version") == 0) {
        (void)puts("covey " COVEY_VERSION);
        return finish(0, 1);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "help") == 0 || strcmp(word, "-h") == 0) {
        usage(stdout);
        return finish(0, 1);
    }
    usage(stderr);
    return 2;
}
