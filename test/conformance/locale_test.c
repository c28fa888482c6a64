/* SPDX-License-Identifier: MIT
 * locale_test.c - what tools read is the same in every locale: its numbers have a decimal point. */
#include "support.h"

#include "dump_text.h"

#include <covey/metrics.h>

#include <ctype.h>
#include <locale.h>
#include <unistd.h>

/* The program's locale has a decimal comma from here on; none but C need be installed. */
static void set_decimal_comma(void)
{
    char dir[] = "/tmp/covey-locale-XXXXXX", command[256], text[16];

    CHECK(mkdtemp(dir));
    (void)snprintf(command, sizeof(command),
                   "cd %s && echo 'LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"\"\n"
                   "grouping -1\nEND LC_NUMERIC' >comma.src && "
                   "localedef -c -i comma.src %s/comma 2>/dev/null",
                   dir, dir);
    CHECK(system(command) != -1); /* not 0: it warns of what it lacks */
    CHECK_EQ(setenv("LOCPATH", dir, 1), 0);
    CHECK(setlocale(LC_NUMERIC, "comma"));
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    CHECK_EQ(system(command), 0);
    (void)snprintf(text, sizeof(text), "%.1f", 0.5);
    CHECK_STR(text, "0,5");
}

/* "0.123456" follows each time that name stands there. */
static void check_numbers(const char *text, const char *name)
{
    int count = 0;

    for (const char *at = text; (at = strstr(at, name)) != NULL; count++) {
        at += strlen(name);
        CHECK(isdigit((unsigned char)*at));
        at += strspn(at, "0123456789");
        CHECK_EQ(*at, '.');
        CHECK_EQ(strspn(at + 1, "0123456789"), 6);
        CHECK(strchr(",}", at[7]));
    }
    CHECK(count > 0);
}

static int receive(covey_ctx *ctx, void *arg)
{
    int code = covey_chan_recv(ctx, arg, NULL);
    return code == COVEY_ECLOSED ? 0 : code;
}

TASK_TEST(dumps_for_tools_have_decimal_points)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 3600 * COVEY_SEC);
    covey_group *g = covey_group_new(timed);

    set_decimal_comma();
    go_waiting(g, "waits", receive, ch);
    char *text = dump_as(COVEY_DUMP_JSON);
    check_numbers(text, "\"seconds\":");
    check_numbers(text, "\"deadline_in_seconds\":");
    free(text);
    text = dump_as(COVEY_DUMP_PLACES_JSON);
    check_numbers(text, "\"oldest_seconds\":");
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_ctx_unref(timed);
    covey_chan_unref(ch);
}

TEST(bounds_of_histograms_have_decimal_points)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    set_decimal_comma();
    CHECK(out);
    CHECK_EQ(covey_metrics_write(out), 0);
    CHECK_EQ(fclose(out), 0);
    CHECK(strstr(text, "le=\"0.0003\"}") && strstr(text, "le=\"10\"}"));
    CHECK(!strstr(text, "le=\"0,"));
    free(text);
}
