/* SPDX-License-Identifier: MIT
 * file.h - writes a file from its beginning to its end; failures are negative codes. */
#ifndef CVY_OS_FILE_H
#define CVY_OS_FILE_H

#include <stddef.h>
#include <stdint.h>

/* A new or emptied file, closed on exec; its descriptor or a negative code. */
int cvy_file_create(const char *path);
/* All of it, or a negative code. */
int cvy_file_write(int fd, const void *data, size_t len);
int cvy_file_close(int fd);

/* Nanoseconds since 1970; this process. */
int64_t cvy_wall_now(void);
uint32_t cvy_process_id(void);

#endif
