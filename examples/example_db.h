/* SPDX-License-Identifier: MIT
 * example_db.h - where an example's database is: what --url says, or SQLite in a folder of its own,
 * which goes with the program. */
#ifndef EXAMPLE_DB_H
#define EXAMPLE_DB_H

#include "example.h"

#include <unistd.h>

struct example_db {
    char folder[32]; /* empty: the URL was given */
    char url[64];
};

/* Takes --url URL out of the arguments, or makes a folder. The URL; NULL: no folder could be made.
 */
static inline const char *example_db_url(struct example_db *d, int *argc, char **argv)
{
    d->folder[0] = '\0';
    for (int i = 1; i + 1 < *argc; i++) {
        if (strcmp(argv[i], "--url") == 0) {
            const char *url = argv[i + 1];
            memmove(&argv[i], &argv[i + 2], (size_t)(*argc - i - 1) * sizeof(*argv));
            *argc -= 2;
            return url;
        }
    }
    snprintf(d->folder, sizeof(d->folder), "/tmp/covey-example.XXXXXX");
    if (!mkdtemp(d->folder)) {
        perror(d->folder);
        return NULL;
    }
    snprintf(d->url, sizeof(d->url), "sqlite:%s/example.db", d->folder);
    return d->url;
}

static inline void example_db_remove(const struct example_db *d)
{
    char path[64];

    if (d->folder[0]) {
        snprintf(path, sizeof(path), "%s/example.db", d->folder);
        (void)unlink(path);
        (void)rmdir(d->folder);
    }
}

#endif
