/* SPDX-License-Identifier: MIT
 * target.c - see target.h. */
#define _GNU_SOURCE
#include "tools/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFO_MAX ((size_t)128 << 10) /* a URL and a validator */

static int fail(const char *what, const char *path, int code)
{
    return covey_errorf(code, "%s %s: %s", what, path, covey_strerror(code));
}

int cvy_target_init(struct cvy_target *t, const char *path, uint64_t n, bool can_resume)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int ok;

    *t = (struct cvy_target){.path = path, .fd = -1};
    if (can_resume) {
        ok = asprintf(&t->part, "%s.part", path);
        if (ok >= 0) {
            ok = asprintf(&t->info, "%s.part.info", path);
        }
    } else {
        ok = asprintf(&t->part, "%.*s.%s.%ld-%llu.tmp", (int)(name - path), path, name,
                      (long)getpid(), (unsigned long long)n);
    }
    if (ok < 0) {
        cvy_target_fini(t);
        return -ENOMEM;
    }
    return 0;
}

void cvy_target_fini(struct cvy_target *t)
{
    free(t->part);
    free(t->info);
    t->part = t->info = NULL;
}

bool cvy_target_is_done(const struct cvy_target *t)
{
    struct stat st;

    return stat(t->path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The whole info file, NUL-terminated and malloc'd; NULL: none, or not one of ours. */
static char *read_info(const struct cvy_target *t)
{
    int fd = open(t->info, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return NULL;
    }
    char *text = malloc(INFO_MAX + 1);
    ssize_t n = text ? read(fd, text, INFO_MAX) : -1;
    (void)close(fd);
    if (n <= 0 || text[n - 1] != '\n' || memchr(text, '\0', (size_t)n)) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

uint64_t cvy_target_left(const struct cvy_target *t, const char *url, char *validator)
{
    struct stat st;
    uint64_t size = 0;

    validator[0] = '\0';
    if (!t->info || lstat(t->part, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        return 0;
    }
    char *text = read_info(t);
    if (!text) {
        return 0;
    }
    char *line = text, *second = strchr(text, '\n') + 1;
    second[-1] = '\0';
    second[strcspn(second, "\n")] = '\0';
    if (strcmp(line, url) == 0 && second[0] && strlen(second) < CVY_VALIDATOR_MAX) {
        (void)snprintf(validator, CVY_VALIDATOR_MAX, "%s", second);
        size = (uint64_t)st.st_size;
    }
    free(text);
    return size;
}

static int make_directories(const char *path)
{
    char *copy = strdup(path);
    if (!copy) {
        return -ENOMEM;
    }
    int code = 0;
    for (char *slash = copy; code == 0 && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            code = -errno;
        }
        *slash = '/';
    }
    free(copy);
    return code;
}

/* open(), making the directories if they are missing. A descriptor or a code. */
static int open_in(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0 && errno == ENOENT) {
        int code = make_directories(path);
        if (code < 0) {
            return code;
        }
        fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0666);
    }
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        n = n < 0 ? 0 : n;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_info(const struct cvy_target *t, const char *url, const char *validator)
{
    char *text = NULL;
    int len = asprintf(&text, "%s\n%s\n", url, validator);
    if (len < 0) {
        return -ENOMEM;
    }
    int fd = open_in(t->info, O_WRONLY | O_CREAT | O_TRUNC);
    int code = fd < 0 ? fd : write_all(fd, text, (size_t)len);
    if (fd >= 0 && close(fd) != 0 && code == 0) {
        code = -errno;
    }
    free(text);
    return code;
}

static void remove_part(const struct cvy_target *t)
{
    (void)unlink(t->part);
    if (t->info) {
        (void)unlink(t->info);
    }
}

static int open_part(const struct cvy_target *t)
{
    if (t->info) {
        return open_in(t->part, O_WRONLY | O_CREAT);
    }
    int fd = open_in(t->part, O_WRONLY | O_CREAT | O_EXCL);
    if (fd == -EEXIST) { /* of a process that had our number and died */
        (void)unlink(t->part);
        fd = open_in(t->part, O_WRONLY | O_CREAT | O_EXCL);
    }
    return fd;
}

int cvy_target_open(struct cvy_target *t, const char *url, const char *validator, uint64_t offset)
{
    int code = 0, fd = open_part(t);
    if (fd < 0) {
        return fail("open", t->part, fd);
    }
    if (t->info && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return covey_errorf(-EBUSY, "open %s: another process writes it", t->part);
    }
    /* The old bytes go before the new word about them comes. */
    if (ftruncate(fd, (off_t)offset) != 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        code = -errno;
    }
    if (code == 0 && t->info && offset == 0) {
        code = write_info(t, url, validator);
    }
    t->fd = fd;
    t->has_part = true;
    t->size = offset;
    t->is_worth_keeping = t->info && validator[0];
    if (code < 0) {
        return fail("write", t->path, code);
    }
    return 0;
}

int cvy_target_write(struct cvy_target *t, const void *data, size_t len)
{
    int code = write_all(t->fd, data, len);
    if (code < 0) {
        return fail("write", t->path, code);
    }
    t->size += len;
    return 0;
}

static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
    int fd = name ? open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int code = fd < 0 || fsync(fd) != 0 ? -errno : 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    free(name);
    return code;
}

static int close_and_rename(struct cvy_target *t)
{
    int fd = t->fd;

    t->fd = -1;
    /* Network file systems tell at the close that the disk was full. */
    if (close(fd) != 0 || rename(t->part, t->path) != 0) {
        return -errno;
    }
    t->has_part = false;
    if (t->info) {
        (void)unlink(t->info);
    }
    return 0;
}

static int commit_to_disk(covey_ctx *ctx, void *arg)
{
    struct cvy_target *t = arg;
    (void)ctx;

    if (fsync(t->fd) != 0) {
        return -errno;
    }
    int code = close_and_rename(t);
    return code < 0 ? code : sync_directory(t->path);
}

int cvy_target_commit(covey_ctx *ctx, struct cvy_target *t, bool to_disk)
{
    int code = to_disk ? covey_blocking(ctx, commit_to_disk, t) : close_and_rename(t);

    if (code < 0) {
        cvy_target_abandon(t, true);
        return covey_ctx_err(ctx) == code ? code : fail("write", t->path, code);
    }
    return 0;
}

void cvy_target_abandon(struct cvy_target *t, bool may_keep)
{
    bool is_kept = may_keep && t->is_worth_keeping && t->size > 0;

    if (t->fd >= 0) {
        (void)close(t->fd);
        t->fd = -1;
    }
    if (t->has_part && !is_kept) {
        remove_part(t);
    }
    t->has_part = false;
}
