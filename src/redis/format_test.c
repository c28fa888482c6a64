/* SPDX-License-Identifier: MIT
 * format_test.c - commands as bytes are what hiredis makes of them, and their first words are
 * found. */
#include "redis/format.h"

#include "harness.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

static void check_same(int argc, const char **argv, const size_t *lens)
{
    covey_redis_args a = {argc, argv, lens};
    int64_t len = cvy_redis_format_len(&a);
    char *theirs = NULL, *ours = malloc((size_t)len + 1);

    CHECK(ours);
    CHECK_EQ(redisFormatCommandArgv(&theirs, argc, argv, lens), len);
    CHECK_EQ(cvy_redis_format(ours, &a) - ours, len);
    CHECK(memcmp(ours, theirs, (size_t)len) == 0);
    struct cvy_redis_word word = cvy_redis_first_word(&a), found = cvy_redis_first_word_of(theirs);
    CHECK_EQ(word.len, found.len);
    CHECK(memcmp(word.at, found.at, word.len) == 0);
    redisFreeCommand(theirs);
    free(ours);
}

TEST(any_arguments_become_the_bytes_that_hiredis_makes)
{
    const char *many[1000];
    static char large[100001];

    check_same(1, (const char *[]){"PING"}, NULL);
    check_same(1, (const char *[]){""}, NULL);
    check_same(3, (const char *[]){"SET", "", "\r\n$1\r\n"}, NULL);
    check_same(3, (const char *[]){"SET", "a\0b", "\0\0\0"}, (const size_t[]){3, 3, 3});
    for (size_t len = 1; len <= 100000; len *= 10) { /* 9, 10, 11 and their like */
        memset(large, 'x', sizeof(large));
        check_same(2, (const char *[]){"ECHO", large}, (const size_t[]){4, len - 1});
        check_same(2, (const char *[]){"ECHO", large}, (const size_t[]){4, len});
        check_same(2, (const char *[]){"ECHO", large}, (const size_t[]){4, len + 1});
    }
    for (int i = 0; i < 1000; i++) {
        many[i] = "word";
    }
    check_same(9, many, NULL);
    check_same(10, many, NULL);
    check_same(1000, many, NULL);
}

TEST(what_is_no_command_has_no_length)
{
    const char *argv[] = {"SET", "k", "v"};
    const size_t huge[] = {3, SIZE_MAX, 1}, large[] = {3, (size_t)300 << 20, (size_t)300 << 20};

    CHECK_EQ(cvy_redis_format_len(&(covey_redis_args){0, NULL, NULL}), -EINVAL);
    CHECK_EQ(cvy_redis_format_len(&(covey_redis_args){3, argv, huge}), COVEY_ETOOLARGE);
    CHECK_EQ(cvy_redis_format_len(&(covey_redis_args){3, argv, large}), COVEY_ETOOLARGE);
}

TEST(what_a_shared_connection_does_not_take_is_known_by_its_word)
{
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"multi", 5}), -EINVAL);
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"BLPOP...", 5}), -EINVAL);
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"MULTI", 4}), 0);
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"GET", 3}), 0);
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"WATCH\0", 6}), -EINVAL);
    CHECK_EQ(cvy_redis_check_shared((struct cvy_redis_word){"a-long-word-that-is-none", 24}), 0);
    CHECK_EQ(cvy_redis_first_word_of("*0\r\n").len, 0);
    CHECK(cvy_redis_word_is((struct cvy_redis_word){"Exec", 4}, "EXEC"));
    CHECK(!cvy_redis_word_is((struct cvy_redis_word){"EXE", 3}, "EXEC"));
}
