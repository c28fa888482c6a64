/* SPDX-License-Identifier: MIT
 * unix_file.c - see unix_file.h. */
#include "io/unix_file.h"

#include <errno.h>

#undef errno

#define MODE_DEFAULT 0600u

static bool is_abstract(const struct cvy_addr *a)
{
    return a->name[0] == '@';
}

/* Removes a socket's file that nobody listens on. */
static void remove_stale(int type, const char *path, const struct cvy_sockaddr *at)
{
    struct cvy_file_id id;

    if (cvy_net_path_id(path, &id) < 0 || !id.is_socket) {
        return;
    }
    int fd = cvy_net_socket(AF_UNIX, type);
    if (fd < 0) {
        return;
    }
    if (cvy_net_connect(fd, at) == -ECONNREFUSED) {
        (void)cvy_net_unlink(path);
    }
    cvy_net_close(fd);
}

int cvy_unix_bind(int type, const struct cvy_addr *a, unsigned mode)
{
    struct cvy_sockaddr at;

    mode = mode ? mode : MODE_DEFAULT;
    cvy_addr_unix(a, &at);
    int fd = cvy_net_socket(AF_UNIX, type);
    if (fd < 0) {
        return fd;
    }
    /* The file is never more open than asked for: made under mode and the umask, widened after. */
    int code = is_abstract(a) ? 0 : cvy_net_set_mode(fd, mode);
    if (code == 0) {
        code = cvy_net_bind(fd, &at);
    }
    if (code == -EADDRINUSE && !is_abstract(a)) {
        remove_stale(type, a->name, &at);
        code = cvy_net_bind(fd, &at);
    }
    if (code == 0 && !is_abstract(a)) {
        code = cvy_net_set_path_mode(a->name, mode);
    }
    if (code < 0) {
        cvy_net_close(fd);
        return code;
    }
    return fd;
}

bool cvy_unix_file(const struct cvy_addr *a, struct cvy_file_id *out)
{
    return a->is_unix && !is_abstract(a) && cvy_net_path_id(a->name, out) == 0;
}

void cvy_unix_remove(const char *path, const struct cvy_file_id *file)
{
    struct cvy_file_id now;

    if (cvy_net_path_id(path, &now) == 0 && now.device == file->device &&
        now.inode == file->inode) {
        (void)cvy_net_unlink(path);
    }
}
