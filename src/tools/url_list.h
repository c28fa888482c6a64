/* SPDX-License-Identifier: MIT
 * url_list.h - reads a list line by line, as it comes: never more than one buffer of it is kept.
 *
 * Waiting for more input ends with the context, so that a terminal or a pipe that says nothing does
 * not keep anybody. Blank lines and those that begin with '#' are skipped, blanks around a line are
 * dropped. */
#ifndef CVY_TOOLS_URL_LIST_H
#define CVY_TOOLS_URL_LIST_H

#include <covey.h>

#define CVY_URL_LINE_MAX ((size_t)64 << 10)

struct cvy_url_list {
    int fd;
    bool is_at_end, is_file; /* is_file: reading does not wait, and cannot be waited for */
    size_t from, to;         /* what is in buf and not used */
    uint64_t number;         /* of the last line, from 1 */
    char buf[CVY_URL_LINE_MAX + 1];
};

/* "-" is standard input. NULL: out of memory, or it cannot be opened, with a message. */
struct cvy_url_list *cvy_url_list_open(const char *path);
void cvy_url_list_close(struct cvy_url_list *l);
/* The next line, valid until the next call. 1; 0: the end; a negative code: of ctx, of reading, or
 * COVEY_ETOOLARGE for a line longer than CVY_URL_LINE_MAX. May switch. */
int cvy_url_list_next(covey_ctx *ctx, struct cvy_url_list *l, char **line);

#endif
