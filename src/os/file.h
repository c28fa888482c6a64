/* SPDX-License-Identifier: MIT
 * file.h - writes a file from its beginning to its end, and reads it back; failures are negative
 * codes. */
#ifndef CVY_OS_FILE_H
#define CVY_OS_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* A new or emptied file, closed on exec; its descriptor or a negative code. */
int cvy_file_create(const char *path);
/* All of it, or a negative code. */
int cvy_file_write(int fd, const void *data, size_t len);
/* The same at an offset; -ESPIPE: what fd is has none. */
int cvy_file_write_at(int fd, const void *data, size_t len, int64_t at);
int cvy_file_close(int fd);
void cvy_file_remove(const char *path);
/* Up to len bytes from an offset on; 0 at the end. */
ssize_t cvy_file_read_at(int fd, void *out, size_t len, int64_t at);
int64_t cvy_file_size(int fd);
/* A file in memory that has no name but the path it is given, while it is open. */
#define CVY_FILE_PATH_SIZE 32
int cvy_file_unnamed(char path[CVY_FILE_PATH_SIZE]);

/* A stream to write to another's user, which remembers why a write failed: stdio tells only that
 * one has. Without memory it is out itself, and a failure is -EIO. */
struct cvy_relay {
    FILE *out;
    int code; /* of the first failure */
};
FILE *cvy_relay_open(struct cvy_relay *r, FILE *out);
/* Closes the stream and flushes r->out. 0, -ENOSPC, ... */
int cvy_relay_close(struct cvy_relay *r, FILE *stream);

/* What a descriptor is open on, as the kernel names it: a path, "pipe:[8123]"; "": unknown. */
void cvy_file_name(int fd, char *out, size_t size);

/* Nanoseconds since 1970; this process. */
int64_t cvy_wall_now(void);
uint32_t cvy_process_id(void);

#endif
