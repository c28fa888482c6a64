/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/target.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/covey-target-XXXXXX";

/* A path in a fresh directory. */
static const char *in_dir(const char *name)
{
    static char path[256];

    if (strchr(dir, 'X')) {
        CHECK(mkdtemp(dir) != NULL);
    }
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static const char *content(const char *path)
{
    static char text[256];
    FILE *file = fopen(path, "r");

    if (!file) {
        return NULL;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static int entries(void)
{
    char command[300];
    int n = -1;

    snprintf(command, sizeof(command), "find %s -type f | wc -l", dir);
    FILE *out = popen(command, "r");
    CHECK(out && fscanf(out, "%d", &n) == 1);
    pclose(out);
    return n;
}

static void put(struct cvy_target *t, const char *text)
{
    CHECK_EQ(cvy_target_write(t, text, strlen(text)), 0);
}

TEST(a_file_has_its_name_only_when_it_is_complete)
{
    const char *path = in_dir("a/b/file");
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, path, 1, false), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "", 0), 0);
    put(&t, "hello");
    CHECK(content(path) == NULL);
    CHECK_EQ(cvy_target_commit(NULL, &t, false), 0);
    CHECK_STR(content(path), "hello");
    CHECK_EQ(entries(), 1);
    cvy_target_fini(&t);
}

TEST(an_abandoned_file_leaves_nothing_and_the_old_one_stays)
{
    const char *path = in_dir("file");
    struct cvy_target t;

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(cvy_target_init(&t, path, 1, false), 0);
        CHECK_EQ(cvy_target_open(&t, "http://h/", "\"e\"", 0), 0);
        put(&t, i == 0 ? "old" : "new");
        if (i == 0) {
            CHECK_EQ(cvy_target_commit(NULL, &t, false), 0);
        } else {
            cvy_target_abandon(&t, true);
        }
        cvy_target_fini(&t);
    }
    CHECK_STR(content(path), "old");
    CHECK_EQ(entries(), 1);
}

TEST(a_part_is_kept_and_gone_on_with)
{
    const char *path = in_dir("file");
    char validator[CVY_VALIDATOR_MAX];
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, path, 1, true), 0);
    CHECK_EQ(cvy_target_left(&t, "http://h/", validator), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "\"etag\"", 0), 0);
    put(&t, "hello ");
    cvy_target_abandon(&t, true);
    CHECK(!cvy_target_is_done(&t));

    CHECK_EQ(cvy_target_left(&t, "http://other/", validator), 0);
    CHECK_EQ(cvy_target_left(&t, "http://h/", validator), 6);
    CHECK_STR(validator, "\"etag\"");
    CHECK_EQ(cvy_target_open(&t, "http://h/", "\"etag\"", 6), 0);
    put(&t, "world");
    CHECK_EQ(cvy_target_commit(NULL, &t, false), 0);
    CHECK_STR(content(path), "hello world");
    CHECK(cvy_target_is_done(&t));
    CHECK_EQ(entries(), 1); /* no part, no info */
    cvy_target_fini(&t);
}

TEST(a_part_that_nobody_could_check_is_not_kept)
{
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, in_dir("file"), 1, true), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "", 0), 0);
    put(&t, "hello");
    cvy_target_abandon(&t, true);
    CHECK_EQ(entries(), 0);
    cvy_target_fini(&t);
}

TEST(a_new_start_drops_the_old_part)
{
    const char *path = in_dir("file");
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, path, 1, true), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "\"1\"", 0), 0);
    put(&t, "a long old part");
    cvy_target_abandon(&t, true);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "\"2\"", 0), 0);
    put(&t, "new");
    CHECK_EQ(cvy_target_commit(NULL, &t, false), 0);
    CHECK_STR(content(path), "new");
    cvy_target_fini(&t);
}

TEST(two_processes_do_not_write_one_part)
{
    const char *path = in_dir("file");
    struct cvy_target a, b;

    CHECK_EQ(cvy_target_init(&a, path, 1, true), 0);
    CHECK_EQ(cvy_target_init(&b, path, 2, true), 0);
    CHECK_EQ(cvy_target_open(&a, "http://h/", "\"1\"", 0), 0);
    put(&a, "mine");
    CHECK_EQ(cvy_target_open(&b, "http://h/", "\"1\"", 0), -EBUSY);
    cvy_target_abandon(&b, true);
    CHECK_EQ(cvy_target_commit(NULL, &a, false), 0);
    CHECK_STR(content(path), "mine");
    cvy_target_fini(&a);
    cvy_target_fini(&b);
}

TEST(errors_name_the_file)
{
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, "/proc/nowhere/file", 1, false), 0);
    CHECK(cvy_target_open(&t, "http://h/", "", 0) < 0);
    CHECK(strstr(covey_errmsg(), "/proc/nowhere/") != NULL);
    cvy_target_fini(&t);

    CHECK_EQ(cvy_target_init(&t, in_dir("a-directory"), 1, false), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "", 0), 0);
    CHECK_EQ(mkdir(t.path, 0777), 0);
    CHECK_EQ(cvy_target_commit(NULL, &t, false), -EISDIR);
    CHECK_EQ(entries(), 0);
    cvy_target_fini(&t);
}

static int commit_to_disk(covey_ctx *ctx, void *arg)
{
    return cvy_target_commit(ctx, arg, true);
}

TEST(to_the_disk)
{
    const char *path = in_dir("file");
    struct cvy_target t;

    CHECK_EQ(cvy_target_init(&t, path, 1, false), 0);
    CHECK_EQ(cvy_target_open(&t, "http://h/", "", 0), 0);
    put(&t, "safe");
    CHECK_EQ(covey_run(commit_to_disk, &t), 0);
    CHECK_STR(content(path), "safe");
    cvy_target_fini(&t);
}
