/* SPDX-License-Identifier: MIT
 * url_list_fuzz.c - a list of URLs, line by line. fuzz-layer: tools
 *
 * What comes is what a simple reading of the whole text gives. */
#define _GNU_SOURCE
#include "fuzz.h"

#include "tools/url_list.h"

#include <sys/mman.h>
#include <unistd.h>

/* The next line that counts of what is left, trimmed; false: none. */
static bool next_expected(const char **at, const char *end, const char **line, size_t *len)
{
    while (*at < end) {
        const char *newline = memchr(*at, '\n', (size_t)(end - *at));
        const char *to = newline ? newline : end;

        *line = *at;
        *at = newline ? newline + 1 : end;
        /* The reader's lines are strings. */
        *len = (size_t)(to - *line);
        while (*len > 0 && strchr(" \t\r", (*line)[*len - 1]) && (*line)[*len - 1]) {
            (*len)--;
        }
        while (*len > 0 && strchr(" \t\r", **line) && **line) {
            (*line)++;
            (*len)--;
        }
        *len = strnlen(*line, *len);
        if (*len > 0 && **line != '#') {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("list", MFD_CLOEXEC);
    const char *at = (const char *)data, *end = at + size, *expected;
    char path[64], *line;
    size_t len;
    int code;

    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct cvy_url_list *list = cvy_url_list_open(path);
    MUST(list);
    while ((code = cvy_url_list_next(NULL, list, &line)) > 0) {
        MUST(next_expected(&at, end, &expected, &len));
        MUST(strlen(line) == len && memcmp(line, expected, len) == 0);
    }
    MUST(code == 0 ? !next_expected(&at, end, &expected, &len) : code == COVEY_ETOOLARGE);
    cvy_url_list_close(list);
    (void)close(fd);
    return 0;
}
