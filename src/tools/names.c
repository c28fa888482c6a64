/* SPDX-License-Identifier: MIT
 * names.c - see names.h. Open addressing, powers of two. */
#define _GNU_SOURCE
#include "tools/names.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 1024u

static uint64_t hash_of(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    }
    h ^= h >> 29; /* FNV's low bits are the weak ones, and pick the place */
    return h ? h : 1;
}

static size_t place_of(const struct cvy_names *names, uint64_t hash)
{
    size_t i = hash & (names->size - 1);

    while (names->hashes[i] != 0 && names->hashes[i] != hash) {
        i = (i + 1) & (names->size - 1);
    }
    return i;
}

static bool grow(struct cvy_names *names)
{
    struct cvy_names larger = {.size = names->size ? 2 * names->size : SIZE_MIN,
                               .count = names->count};

    larger.hashes = calloc(larger.size, sizeof(*larger.hashes));
    larger.next = calloc(larger.size, sizeof(*larger.next));
    if (!larger.hashes || !larger.next) {
        cvy_names_fini(&larger);
        return false;
    }
    for (size_t i = 0; i < names->size; i++) {
        if (names->hashes[i] != 0) {
            size_t at = place_of(&larger, names->hashes[i]);
            larger.hashes[at] = names->hashes[i];
            larger.next[at] = names->next[i];
        }
    }
    free(names->hashes);
    free(names->next);
    *names = larger;
    return true;
}

void cvy_names_fini(struct cvy_names *names)
{
    free(names->hashes);
    free(names->next);
    *names = (struct cvy_names){0};
}

/* True: it was free, and is taken now. *at: where it stands. */
static bool take(struct cvy_names *names, const char *name, size_t *at)
{
    uint64_t hash = hash_of(name);

    *at = place_of(names, hash);
    if (names->hashes[*at] != 0) {
        return false;
    }
    names->hashes[*at] = hash;
    names->next[*at] = 1;
    names->count++;
    return true;
}

char *cvy_names_claim(struct cvy_names *names, const char *name)
{
    size_t first, at;

    /* Room for the name and for a numbered one. */
    if (3 * (names->count + 2) > 2 * names->size && !grow(names)) {
        return NULL;
    }
    if (take(names, name, &first)) {
        return strdup(name);
    }
    for (;;) {
        char *numbered = NULL;
        if (asprintf(&numbered, "%s.%u", name, names->next[first]++) < 0) {
            return NULL;
        }
        if (take(names, numbered, &at)) {
            return numbered;
        }
        free(numbered);
    }
}
