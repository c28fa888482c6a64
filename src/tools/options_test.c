/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tools/options.h"

#include "harness.h"

#include <covey/defs.h>

#include <stdio.h>
#include <string.h>

static struct cvy_fetch_options o;
static char complaint[512];

/* Parses "fetch" and the words. */
static enum cvy_options_result parse(const char *words)
{
    static char kept[512], name[] = "fetch";
    char *argv[64] = {name};
    int argc = 1;
    FILE *err = fmemopen(complaint, sizeof(complaint), "w");

    snprintf(kept, sizeof(kept), "%s", words);
    for (char *word = strtok(kept, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    enum cvy_options_result result = cvy_fetch_options_parse(&o, argc, argv, err);
    fclose(err);
    return result;
}

static const char *wrong(const char *words)
{
    CHECK_EQ(parse(words), CVY_OPTIONS_WRONG);
    CHECK(strncmp(complaint, "covey fetch: ", 13) == 0);
    CHECK(strchr(complaint, '\n') == complaint + strlen(complaint) - 1); /* one line */
    return complaint + 13;
}

TEST(defaults)
{
    CHECK_EQ(parse("http://h/"), CVY_OPTIONS_RUN);
    CHECK_EQ(o.at_once, 16);
    CHECK(o.to_stdout && !o.discard && !o.fail_fast && !o.resume);
    CHECK(o.retries == 0 && o.timeout_ns == 0 && o.deadline_ns == 0 && o.per_host == 0);
    CHECK_EQ(o.url_count, 1);
    CHECK_EQ(parse("http://h/ http://i/"), CVY_OPTIONS_RUN);
    CHECK(!o.to_stdout && o.url_count == 2);
    CHECK_EQ(parse("-i list"), CVY_OPTIONS_RUN);
    CHECK(!o.to_stdout);
}

TEST(everything)
{
    CHECK_EQ(parse("-i - -j 5 --per-host=2 -o dir --output-template {n} --timeout 5s "
                   "--deadline 1m --retry 3 --fail-fast --json -q --stats --insecure --http1.1 "
                   "--user-agent me --no-proxy --resume"),
             CVY_OPTIONS_RUN);
    CHECK_STR(o.list, "-");
    CHECK(o.at_once == 5 && o.per_host == 2 && o.retries == 3);
    CHECK(o.timeout_ns == 5 * COVEY_SEC && o.deadline_ns == 60 * COVEY_SEC);
    CHECK(o.fail_fast && o.json && o.quiet && o.stats && o.insecure && o.http1 && o.resume);
    CHECK_STR(o.directory, "dir");
    CHECK_STR(o.template, "{n}");
    CHECK_STR(o.user_agent, "me");
    CHECK_STR(o.proxy, "");
    cvy_fetch_options_fini(&o);
}

TEST(the_last_of_two_wins_and_urls_may_stand_anywhere)
{
    CHECK_EQ(parse("--fail-fast http://a --keep-going -j 3 http://b -j 4"), CVY_OPTIONS_RUN);
    CHECK(!o.fail_fast && o.at_once == 4 && o.url_count == 2);
    CHECK_EQ(parse("-j 3 -- -x"), CVY_OPTIONS_RUN);
    CHECK_STR(o.urls[0], "-x");
}

TEST(headers)
{
    CHECK_EQ(parse("-H A:b --header C: -H D:e:f http://h/"), CVY_OPTIONS_RUN);
    CHECK_EQ(o.header_count, 3);
    CHECK_STR(o.headers[0].name, "A");
    CHECK_STR(o.headers[0].value, "b");
    CHECK_STR(o.headers[1].value, "");
    CHECK_STR(o.headers[2].value, "e:f");
    cvy_fetch_options_fini(&o);
    (void)wrong("-H nonsense http://h/");
}

TEST(redirects)
{
    CHECK_EQ(parse("--max-redirects 0 http://h/"), CVY_OPTIONS_RUN);
    CHECK(o.max_redirects < 0);
    CHECK_EQ(parse("--max-redirects 3 http://h/"), CVY_OPTIONS_RUN);
    CHECK_EQ(o.max_redirects, 3);
}

TEST(what_is_wrong_is_said_in_a_line)
{
    CHECK(strstr(wrong(""), "no URL"));
    CHECK(strstr(wrong("--nope http://h/"), "--nope"));
    CHECK(strstr(wrong("-x http://h/"), "-x"));
    CHECK(strstr(wrong("http://h/ -j"), "-j needs a value"));
    CHECK(strstr(wrong("http://h/ --retry"), "--retry needs a value"));
    CHECK(strstr(wrong("-j 0 http://h/"), "--jobs"));
    CHECK(strstr(wrong("-j many http://h/"), "many"));
    CHECK(strstr(wrong("--retry -1 http://h/"), "--retry"));
    CHECK(strstr(wrong("--timeout 5x http://h/"), "5x"));
    CHECK(strstr(wrong("--timeout 0 http://h/"), "duration"));
    CHECK(strstr(wrong("--discard -o d http://h/"), "--discard"));
    CHECK(strstr(wrong("--discard --resume http://h/"), "--resume"));
    CHECK(strstr(wrong("--json http://h/"), "--json"));
    CHECK(strstr(wrong("--output-template {x} http://h/"), "{x}"));
    CHECK_EQ(parse("--help"), CVY_OPTIONS_HELP);
}
