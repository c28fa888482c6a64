/* SPDX-License-Identifier: MIT
 * file.c - see file.h. */
#define _GNU_SOURCE
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int cvy_file_create(const char *path)
{
    int fd;

    do {
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int cvy_file_write(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            return -EIO;
        }
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int cvy_file_write_at(int fd, const void *data, size_t len, int64_t at)
{
    ssize_t n;

    do {
        n = pwrite(fd, data, len, at);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

static ssize_t relay_write(void *cookie, const char *data, size_t size)
{
    struct cvy_relay *r = cookie;

    errno = 0;
    if (r->code == 0 && fwrite(data, 1, size, r->out) != size) {
        r->code = errno ? -errno : -EIO;
    }
    return r->code == 0 ? (ssize_t)size : 0;
}

FILE *cvy_relay_open(struct cvy_relay *r, FILE *out)
{
    *r = (struct cvy_relay){.out = out};
    FILE *stream = fopencookie(r, "w", (cookie_io_functions_t){.write = relay_write});
    return stream ? stream : out;
}

int cvy_relay_close(struct cvy_relay *r, FILE *stream)
{
    if (stream != r->out) {
        (void)fclose(stream); /* what it says is r->code */
    } else if (ferror(stream)) {
        r->code = -EIO;
    }
    if (r->code == 0 && fflush(r->out) != 0) {
        r->code = -errno;
    }
    return r->code;
}

int cvy_file_close(int fd)
{
    return close(fd) < 0 ? -errno : 0;
}

void cvy_file_remove(const char *path)
{
    (void)unlink(path);
}

ssize_t cvy_file_read_at(int fd, void *out, size_t len, int64_t at)
{
    ssize_t n;

    do {
        n = pread(fd, out, len, at);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int64_t cvy_file_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

int cvy_file_unnamed(char path[CVY_FILE_PATH_SIZE])
{
    int fd = memfd_create("covey", MFD_CLOEXEC);

    (void)snprintf(path, CVY_FILE_PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd < 0 ? -errno : fd;
}

void cvy_file_name(int fd, char *out, size_t size)
{
    char link[32];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
}

int64_t cvy_wall_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint32_t cvy_process_id(void)
{
    return (uint32_t)getpid();
}
