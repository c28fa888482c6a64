/* SPDX-License-Identifier: MIT
 * unix_file.h - Unix sockets and the files they are bound to. */
#ifndef CVY_IO_UNIX_FILE_H
#define CVY_IO_UNIX_FILE_H

#include "io/addr.h"

/* A socket of that type (SOCK_STREAM, SOCK_DGRAM) that is bound to a, which is_unix; its file has
 * mode (0: 0600). A stale file, of a socket that nobody has open, is replaced. */
int cvy_unix_bind(int type, const struct cvy_addr *a, unsigned mode);
/* Whether a names a file, and which stands there now. */
bool cvy_unix_file(const struct cvy_addr *a, struct cvy_file_id *out);
/* Removes the file, unless another has taken its place. */
void cvy_unix_remove(const char *path, const struct cvy_file_id *file);

#endif
