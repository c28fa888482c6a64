/* SPDX-License-Identifier: MIT
 * waits.h - for programs whose tasks wait for all there is: a dump of them, once they all do, for
 * checks and, with COVEY_WAITS_DUMP, in a file, whereupon the program stays as it is until
 * compare_test.sh has compared the dump with what debuggers say. Include harness.h and task.h
 * first. */
#ifndef CVY_TEST_WAITS_H
#define CVY_TEST_WAITS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *waits_text(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    CHECK(out != NULL);
    covey_dump(out);
    CHECK(fclose(out) == 0);
    return text;
}

static int waits_count(const char *text)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, " waiting in ")) != NULL; at++) {
        n++;
    }
    return n;
}

/* Also for each of the words, which tell that what waits somewhere waits where it is to. The text
 * is the caller's. */
static char *waits_dump(covey_ctx *ctx, int tasks, const char *const *words, size_t n)
{
    char *text = waits_text();

    for (size_t i = 0; i < n; i++) {
        while (waits_count(text) < tasks || !strstr(text, words[i])) {
            free(text);
            (void)covey_sleep(ctx, COVEY_MS);
            text = waits_text();
        }
    }
    const char *path = getenv("COVEY_WAITS_DUMP");
    if (path) {
        FILE *out = fopen("part", "w");
        CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
        CHECK(rename("part", path) == 0);
        for (;;) {
            (void)pause();
        }
    }
    return text;
}

#endif
