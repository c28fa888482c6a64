/* SPDX-License-Identifier: MIT
 * target.h - the file that a body goes to. It has its name only when it is complete: bytes go to a
 * part beside it, which is renamed at the end or removed.
 *
 * With resuming the part is NAME.part and outlives a failure, and NAME.part.info says of which URL
 * it is and by what the server knows that version (its ETag or Last-Modified). Without such a word
 * a part is of no use: nobody could tell whether the rest still fits.
 *
 * Writes go to the page cache from the worker itself. That is quicker than handing them to the
 * blocking pool, and should one stall, covey gives the worker's queue to another thread after 10
 * ms. Only --fsync, which always waits for the disk, goes through covey_blocking(). */
#ifndef CVY_TOOLS_TARGET_H
#define CVY_TOOLS_TARGET_H

#include <covey.h>

#define CVY_VALIDATOR_MAX 256u

struct cvy_target {
    const char *path;  /* borrowed */
    char *part, *info; /* info: NULL without resuming */
    int fd;            /* of the part; -1: not open */
    uint64_t size;     /* bytes in the part */
    bool has_part;     /* we made or opened one, and have not renamed or removed it */
    bool is_worth_keeping;
};

/* n makes the part's name different from other transfers'. 0 or -ENOMEM. */
int cvy_target_init(struct cvy_target *t, const char *path, uint64_t n, bool can_resume);
void cvy_target_fini(struct cvy_target *t);
/* Whether the complete file is there. */
bool cvy_target_is_done(const struct cvy_target *t);
/* The bytes of url that an earlier run left, and how the server knows them; 0: none of use. */
uint64_t cvy_target_left(const struct cvy_target *t, const char *url, char *validator);
/* Opens the part, to go on at offset (0: from the start). validator: "" if there is none. Makes the
 * directories. 0 or a code with a message. */
int cvy_target_open(struct cvy_target *t, const char *url, const char *validator, uint64_t offset);
int cvy_target_write(struct cvy_target *t, const void *data, size_t len);
/* The part becomes the file. Closes it in any case. May switch if to_disk. */
int cvy_target_commit(covey_ctx *ctx, struct cvy_target *t, bool to_disk);
/* Closes the part. Removes it, unless it is worth keeping and may_keep. */
void cvy_target_abandon(struct cvy_target *t, bool may_keep);

#endif
