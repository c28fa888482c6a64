/* SPDX-License-Identifier: MIT
 * metrics_test.c - figures for Prometheus (covey/metrics.h). */
#define _GNU_SOURCE /* fopencookie */
#include "harness.h"
#include "metrics_text.h"
#include "support.h"

#include <covey/metrics.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wait_for_close(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL) == COVEY_ECLOSED ? 0 : -EINVAL;
}

static int with_parked_tasks(covey_ctx *ctx, void *arg)
{
    covey_chan *ch = covey_chan_new(0, 0);
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(covey_group_go(g, wait_for_close, ch), 0);
    }
    char *text = NULL;
    for (;;) {
        text = metrics();
        if (value_of(text, "covey_tasks{state=\"waiting\"}") == 7) {
            break;
        }
        free(text);
        covey_yield();
    }
    CHECK_EQ(value_of(text, "covey_tasks_started_total"), 8);
    CHECK_EQ(value_of(text, "covey_tasks_ended_total"), 0);
    CHECK_EQ(value_of(text, "covey_tasks{state=\"running\"}"), 1);
    CHECK_EQ(value_of(text, "covey_workers"), covey_workers());
    CHECK(value_of(text, "covey_run_queue_tasks{worker=\"0\"}") >= 0);
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    covey_chan_unref(ch);
    return 0;
}

TEST(metrics_count_tasks_by_state)
{
    CHECK_EQ(covey_run(with_parked_tasks, NULL), 0);
}

TEST(every_metric_has_help_and_type_before_its_values)
{
    char *text = metrics();
    char name[128] = "";
    bool is_histogram = false;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            CHECK_EQ(sscanf(line, "# HELP %127s", name), 1);
            line = strtok(NULL, "\n");
            CHECK(line && strncmp(line, "# TYPE ", 7) == 0);
            CHECK(strncmp(line + 7, name, strlen(name)) == 0);
            CHECK(!strstr(line, " counter") || strstr(line, "_total counter"));
            is_histogram = strstr(line, " histogram") != NULL;
        } else {
            CHECK(strncmp(line, name, strlen(name)) == 0);
            CHECK(strchr(is_histogram ? "_" : " {", line[strlen(name)]));
        }
    }
    free(text);
}

static int end_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int fail_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return -EIO;
}

static int sleep_and_read(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_go(end_at_once, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_go(fail_at_once, NULL), 0);
    }
    covey_stats s;
    do { /* the last of them may be on its way out */
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0);
        covey_stats_get(&s);
        CHECK(s.tasks_ended <= s.tasks_started);
    } while (s.tasks_ended < 23);
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_tasks_started_total"), 24);
    CHECK_EQ(value_of(text, "covey_tasks_ended_total"), 23);
    CHECK_EQ(value_of(text, "covey_tasks_failed_total"), 3);
    CHECK_EQ(value_of(text, "covey_tasks{state=\"running\"}"), 1);
    CHECK_EQ(value_of(text, "covey_tasks{state=\"waiting\"}"), 0);
    CHECK_EQ(value_of(text, "covey_run_queue_tasks{worker=\"global\"}"), 0);
    free(text);
    return 0;
}

TEST(every_start_end_and_failure_is_counted_once)
{
    CHECK_EQ(covey_run(sleep_and_read, NULL), 0);
}

TEST(a_failing_stream_is_told)
{
    FILE *full = fopen("/dev/full", "w");
    CHECK(full);
    (void)setvbuf(full, NULL, _IONBF, 0);
    CHECK_EQ(covey_metrics_write(full), -ENOSPC);
    (void)fclose(full);
    full = fopen("/dev/full", "w");
    CHECK_EQ(covey_metrics_write(full), -ENOSPC);
    (void)fclose(full);
}

TASK_TEST(groups_and_blocking_calls_are_counted_by_how_long_they_take)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, end_at_once, NULL);
    JOIN(g);
    g = covey_group_new(ctx);
    GO(g, end_at_once, NULL);
    CHECK_EQ(covey_sleep(ctx, 5 * COVEY_MS), 0);
    JOIN(g);
    CHECK_EQ(covey_blocking(ctx, end_at_once, NULL), 0);
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_group_seconds_count"), 2);
    CHECK_EQ(value_of(text, "covey_group_seconds_bucket{le=\"+Inf\"}"), 2);
    CHECK(value_of(text, "covey_group_seconds_bucket{le=\"0.003\"}") <= 1);
    CHECK_EQ(value_of(text, "covey_group_seconds_bucket{le=\"30\"}"), 2);
    CHECK_EQ(value_of(text, "covey_blocking_wait_seconds_count"), 1);
    CHECK(strstr(text, "# TYPE covey_group_seconds histogram\n"));
    free(text);
}

TASK_TEST(waits_in_the_run_queue_are_sampled)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 500; i++) {
        GO(g, end_at_once, NULL);
    }
    for (int i = 0; i < 1000; i++) {
        covey_yield();
    }
    JOIN(g);
    char *text = metrics();
    CHECK(value_of(text, "covey_run_queue_wait_seconds_count") > 0);
    free(text);
}

TASK_TEST(a_channel_with_a_name_has_figures)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 5);
    covey_group *g = covey_group_new(ctx);
    int n = 1;

    CHECK_EQ(covey_chan_set_name(NULL, "x"), -EINVAL);
    CHECK_EQ(covey_chan_set_name(ch, ""), -EINVAL);
    CHECK_EQ(covey_chan_set_name(ch, "earlier name"), 0);
    CHECK_EQ(covey_chan_set_name(ch, "or\"ders\n"), 0);
    CHECK_EQ(covey_chan_send(ctx, ch, &n), 0);
    CHECK_EQ(covey_chan_send(ctx, ch, &n), 0);
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_chan_buffered{chan=\"or\\\"ders\\n\"}"), 2);
    CHECK_EQ(value_of(text, "covey_chan_capacity{chan=\"or\\\"ders\\n\"}"), 5);
    CHECK(!strstr(text, "earlier name"));
    free(text);
    CHECK_EQ(covey_chan_recv(ctx, ch, &n), 0);
    CHECK_EQ(covey_chan_recv(ctx, ch, &n), 0);
    CHECK_EQ(covey_chan_set_name(ch, "orders"), 0);
    go_waiting(g, "receiver", wait_for_close, ch);
    text = metrics();
    CHECK_EQ(value_of(text, "covey_chan_waiting_tasks{chan=\"orders\",to=\"receive\"}"), 1);
    CHECK_EQ(value_of(text, "covey_chan_waiting_tasks{chan=\"orders\",to=\"send\"}"), 0);
    free(text);
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    covey_chan_unref(ch);
    text = metrics();
    CHECK(!strstr(text, "orders"));
    free(text);
}

/* What is written may go through code of the user's, which uses channels. */
static ssize_t name_and_drop(void *arg, const char *data, size_t size)
{
    (void)data;
    CHECK_EQ(covey_chan_set_name(arg, "written"), 0);
    return (ssize_t)size;
}

TASK_TEST(a_stream_of_metrics_may_use_channels_with_names)
{
    static covey_chan *chans[500];
    const size_t count = sizeof(chans) / sizeof(chans[0]);
    char name[32];

    (void)ctx;
    for (size_t i = 0; i < count; i++) {
        chans[i] = covey_chan_new(0, 0);
        (void)snprintf(name, sizeof(name), "one of many %zu", i);
        CHECK_EQ(covey_chan_set_name(chans[i], name), 0);
    }
    FILE *out = fopencookie(chans[0], "w", (cookie_io_functions_t){.write = name_and_drop});
    CHECK(out);
    CHECK_EQ(covey_metrics_write(out), 0);
    CHECK_EQ(fclose(out), 0);
    for (size_t i = 0; i < count; i++) {
        covey_chan_unref(chans[i]);
    }
}

TASK_TEST(channels_of_the_same_name_are_counted_together)
{
    covey_chan *a = covey_chan_new(sizeof(int), 5), *b = covey_chan_new(sizeof(int), 3);
    covey_chan *other = covey_chan_new(0, 1);
    int n = 1;

    CHECK_EQ(covey_chan_set_name(a, "conn"), 0);
    CHECK_EQ(covey_chan_set_name(other, "other"), 0);
    CHECK_EQ(covey_chan_set_name(b, "conn"), 0);
    CHECK_EQ(covey_chan_send(ctx, a, &n), 0);
    CHECK_EQ(covey_chan_send(ctx, b, &n), 0);
    CHECK_EQ(covey_chan_send(ctx, b, &n), 0);
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_chan_buffered{chan=\"conn\"}"), 3);
    CHECK_EQ(value_of(text, "covey_chan_capacity{chan=\"conn\"}"), 8);
    CHECK_EQ(value_of(text, "covey_chan_capacity{chan=\"other\"}"), 1);
    free(text);
    covey_chan_unref(a);
    text = metrics();
    CHECK_EQ(value_of(text, "covey_chan_capacity{chan=\"conn\"}"), 3);
    free(text);
    covey_chan_unref(b);
    covey_chan_unref(other);
}

static int name_and_unref(covey_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 50 && covey_ctx_err(ctx) == 0; i++) {
        covey_chan *ch = covey_chan_new(0, 2);
        CHECK_EQ(covey_chan_set_name(ch, i % 2 ? "brief" : "briefer"), 0);
        free(metrics());
        covey_chan_unref(ch);
    }
    return 0;
}

TASK_TEST(channels_come_and_go_while_they_are_read)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 8; i++) {
        GO(g, name_and_unref, NULL);
    }
    JOIN(g);
    char *text = metrics();
    CHECK(!strstr(text, "brief"));
    free(text);
}

static const covey_metric queue_metrics[] = {
    {"shop_orders_total", .help = "Orders taken.", .more_labels = "outcome=\"paid\""},
    {"shop_orders_total", .more_labels = "outcome=\"refused\""},
    {"shop_wait_seconds", .help = "How long the last one waited.", .is_gauge = true, .decimals = 9},
};

static void read_queue(void *object, int64_t *values)
{
    const int64_t *figures = object;

    for (int i = 0; i < 3; i++) {
        values[i] = figures[i];
    }
}

static const covey_metrics_kind queues = {"queue", queue_metrics, 3, read_queue};

TEST(sources_of_a_kind_share_one_head_a_family)
{
    int64_t east[] = {1, 2, 3 * COVEY_SEC / 2}, west[] = {4, 5, -7};
    covey_metrics_source a = {0}, b = {0};

    covey_metrics_register(&a, &queues, "east", east);
    covey_metrics_register(&b, &queues, "west", west);
    char *text = metrics();
    CHECK_STR(strstr(text, "# HELP shop_orders_total"),
              "# HELP shop_orders_total Orders taken.\n"
              "# TYPE shop_orders_total counter\n"
              "shop_orders_total{queue=\"east\",outcome=\"paid\"} 1\n"
              "shop_orders_total{queue=\"west\",outcome=\"paid\"} 4\n"
              "shop_orders_total{queue=\"east\",outcome=\"refused\"} 2\n"
              "shop_orders_total{queue=\"west\",outcome=\"refused\"} 5\n"
              "# HELP shop_wait_seconds How long the last one waited.\n"
              "# TYPE shop_wait_seconds gauge\n"
              "shop_wait_seconds{queue=\"east\"} 1.500000000\n"
              "shop_wait_seconds{queue=\"west\"} -0.000000007\n");
    free(text);
    covey_metrics_unregister(&a);
    covey_metrics_unregister(&b);
}

TEST(kinds_that_register_in_turn_are_kept_together)
{
    static const covey_metric stock_metrics[] = {{"shop_stock", .help = "Left.", .is_gauge = true}};
    static const covey_metrics_kind stocks = {"item", stock_metrics, 1, read_queue};
    int64_t figures[] = {1, 2, 3};
    covey_metrics_source s[4] = {0};

    for (int i = 0; i < 4; i++) {
        covey_metrics_register(&s[i], i % 2 ? &stocks : &queues, i < 2 ? "first" : "second",
                               figures);
    }
    char *text = metrics();
    const char *help = strstr(text, "# HELP shop_stock ");
    CHECK(help && !strstr(help + 1, "# HELP shop_stock "));
    help = strstr(text, "# HELP shop_orders_total ");
    CHECK(help && !strstr(help + 1, "# HELP shop_orders_total "));
    free(text);
    for (int i = 0; i < 4; i++) {
        covey_metrics_unregister(&s[i]);
    }
}

static const covey_metric till_metrics[] = {
    {"shop_payments_total", .help = "Payments."},
    {"shop_payment_seconds", .help = "How long they took.", .is_histogram = true},
    {"shop_open", .help = "1: it is open.", .is_gauge = true},
};

struct till {
    int64_t payments;
    covey_histogram took;
};

static void read_till(void *object, int64_t *values)
{
    const struct till *t = object;

    values[0] = t->payments;
    covey_histogram_read(&t->took, values + 1);
    values[1 + COVEY_HISTOGRAM_VALUES] = 1;
}

TEST(a_source_may_have_histograms)
{
    static const covey_metrics_kind tills = {"till", till_metrics, 3, read_till};
    struct till t = {.payments = 4};
    covey_metrics_source s = {0};

    covey_histogram_add(&t.took, 100 * COVEY_US);
    covey_histogram_add(&t.took, 100 * COVEY_US + 1);
    covey_histogram_add(&t.took, 2 * COVEY_SEC);
    covey_histogram_add(&t.took, 3600 * COVEY_SEC);
    covey_histogram_add(&t.took, -5); /* a clock that went back */
    covey_metrics_register(&s, &tills, "one", &t);
    char *text = metrics();
    CHECK(strstr(text, "# TYPE shop_payment_seconds histogram\n"
                       "shop_payment_seconds_bucket{till=\"one\",le=\"0.0001\"} 2\n"
                       "shop_payment_seconds_bucket{till=\"one\",le=\"0.0003\"} 3\n"));
    CHECK(strstr(text, "shop_payment_seconds_bucket{till=\"one\",le=\"30\"} 4\n"
                       "shop_payment_seconds_bucket{till=\"one\",le=\"+Inf\"} 5\n"
                       "shop_payment_seconds_sum{till=\"one\"} 3602.000200001\n"
                       "shop_payment_seconds_count{till=\"one\"} 5\n"));
    CHECK_EQ(value_of(text, "shop_payments_total{till=\"one\"}"), 4);
    CHECK_EQ(value_of(text, "shop_open{till=\"one\"}"), 1);
    free(text);
    covey_metrics_unregister(&s);
}

static int wait_for_turn(covey_ctx *ctx, void *arg)
{
    return covey_limiter_wait(ctx, arg, 1);
}

TASK_TEST(a_limiter_with_a_name_has_figures)
{
    covey_limiter *l = covey_limiter_new(0, 2);
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(mine);

    CHECK_EQ(covey_limiter_set_name(l, ""), -EINVAL);
    CHECK_EQ(covey_limiter_set_name(l, "in"), 0);
    CHECK_EQ(covey_limiter_set_name(l, "out"), -EINVAL);
    CHECK(covey_limiter_allow(l, 1) && !covey_limiter_allow(l, 2));
    char *text = metrics();
    CHECK(strstr(text, "\ncovey_limiter_tokens{limiter=\"in\"} 1.000\n"));
    free(text);
    CHECK(covey_limiter_allow(l, 1));
    go_waiting(g, "waiter", wait_for_turn, l);
    text = metrics();
    CHECK_EQ(value_of(text, "covey_limiter_waiting_calls{limiter=\"in\"}"), 1);
    CHECK_EQ(value_of(text, "covey_limiter_calls_total{limiter=\"in\",outcome=\"allowed\"}"), 2);
    CHECK_EQ(value_of(text, "covey_limiter_calls_total{limiter=\"in\",outcome=\"refused\"}"), 1);
    free(text);
    covey_ctx_cancel(mine);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
    text = metrics();
    CHECK_EQ(value_of(text, "covey_limiter_calls_total{limiter=\"in\",outcome=\"canceled\"}"), 1);
    free(text);
    covey_limiter_free(l);
    text = metrics();
    CHECK(!strstr(text, "covey_limiter"));
    free(text);
    covey_ctx_unref(mine);
}

TEST(names_of_sources_are_escaped)
{
    int64_t figures[] = {1, 2, 3};
    covey_metrics_source s = {0};

    covey_metrics_register(&s, &queues, "a\"b\\c\nd", figures);
    char *text = metrics();
    CHECK(strstr(text, "shop_wait_seconds{queue=\"a\\\"b\\\\c\\nd\"} 0.000000003\n"));
    free(text);
    covey_metrics_unregister(&s);
}

TEST(what_is_no_utf8_in_a_name_is_replaced)
{
    int64_t figures[] = {1, 2, 3};
    covey_metrics_source s = {0};

    covey_metrics_register(&s, &queues, "h\xc3\xa9 \xff\xe6\xbc", figures);
    char *text = metrics();
    CHECK(strstr(text, "shop_wait_seconds{queue=\"h\xc3\xa9 "
                       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 0.000000003\n"));
    free(text);
    covey_metrics_unregister(&s);
}

TEST(sources_of_the_same_name_have_series_of_their_own)
{
    int64_t figures[][3] = {{1, 0, 0}, {2, 0, 0}, {3, 0, 0}, {4, 0, 0}};
    covey_metrics_source s[4] = {0};

    covey_metrics_register(&s[0], &queues, "in", figures[0]);
    covey_metrics_register(&s[1], &queues, "in", figures[1]);
    covey_metrics_register(&s[2], &queues, "in", figures[2]);
    covey_metrics_unregister(&s[1]);
    char *text = metrics();
    /* Who stays keeps its series. */
    CHECK_EQ(value_of(text, "shop_orders_total{queue=\"in\",outcome=\"paid\"}"), 1);
    CHECK_EQ(value_of(text, "shop_orders_total{queue=\"in#3\",outcome=\"paid\"}"), 3);
    CHECK(!strstr(text, "in#2"));
    free(text);
    covey_metrics_register(&s[3], &queues, "in", figures[3]);
    text = metrics();
    CHECK_EQ(value_of(text, "shop_orders_total{queue=\"in#2\",outcome=\"paid\"}"), 4);
    free(text);
    covey_metrics_unregister(&s[0]);
    covey_metrics_unregister(&s[2]);
    covey_metrics_unregister(&s[3]);
}

struct pair {
    int64_t left, right;
};

/* Each time that it is read it has changed. */
static void read_pair(void *object, int64_t *values)
{
    struct pair *p = object;

    values[0] = ++p->left;
    values[1] = ++p->right;
}

TEST(the_figures_of_a_source_belong_together)
{
    static const covey_metric halves[] = {{"shop_left_total", .help = "Left."},
                                          {"shop_right_total", .help = "Right."}};
    static const covey_metrics_kind pairs = {"pair", halves, 2, read_pair};
    struct pair p = {0};
    covey_metrics_source s = {0};

    covey_metrics_register(&s, &pairs, "gloves", &p);
    char *text = metrics();
    CHECK_EQ(value_of(text, "shop_left_total{pair=\"gloves\"}"), 1);
    CHECK_EQ(value_of(text, "shop_right_total{pair=\"gloves\"}"), 1);
    free(text);
    covey_metrics_unregister(&s);
}

TEST(an_unregistered_source_is_gone_and_may_go_twice)
{
    int64_t figures[] = {1, 2, 3};
    covey_metrics_source s = {0}, never = {0};

    covey_metrics_unregister(&never);
    covey_metrics_register(&s, &queues, "gone", figures);
    covey_metrics_unregister(&s);
    covey_metrics_unregister(&s);
    char *text = metrics();
    CHECK(!strstr(text, "shop_"));
    free(text);
}

static int register_and_leave(covey_ctx *ctx, void *arg)
{
    int64_t *figures = arg;

    for (int i = 0; i < 20 && covey_ctx_err(ctx) == 0; i++) {
        covey_metrics_source s = {0};
        int64_t own[] = {figures[0], figures[1], figures[2]};
        covey_metrics_register(&s, &queues, "brief", own);
        free(metrics());
        covey_metrics_unregister(&s);
        memset(own, 0xff, sizeof(own));
    }
    return 0;
}

static int many_come_and_go(covey_ctx *ctx, void *arg)
{
    int64_t figures[] = {1, 2, 3};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    for (int i = 0; i < 50; i++) {
        GO(g, register_and_leave, figures);
    }
    JOIN(g);
    char *text = metrics();
    CHECK(!strstr(text, "shop_"));
    free(text);
    return 0;
}

TEST(many_tasks_register_write_and_leave_at_once)
{
    CHECK_EQ(covey_run(many_come_and_go, NULL), 0);
}

TEST(a_breaker_with_a_name_shows_its_state_and_outcomes)
{
    covey_breaker_options opts = {.name = "stock"};
    covey_breaker *b = covey_breaker_new(&opts), *nameless = covey_breaker_new(NULL);
    uint64_t ticket;

    CHECK(b && nameless);
    for (int i = 0; i < 12; i++) {
        if (covey_breaker_allow(b, &ticket) == 0) {
            covey_breaker_report(b, ticket, i < 3 ? 0 : -EIO);
        }
    }
    char *text = metrics();
    CHECK_EQ(value_of(text, "covey_breaker_state{breaker=\"stock\"}"), 1);
    CHECK_EQ(value_of(text, "covey_breaker_in_flight_calls{breaker=\"stock\"}"), 0);
    CHECK_EQ(value_of(text, "covey_breaker_calls_total{breaker=\"stock\",outcome=\"succeeded\"}"),
             3);
    CHECK_EQ(value_of(text, "covey_breaker_calls_total{breaker=\"stock\",outcome=\"failed\"}"), 7);
    CHECK_EQ(value_of(text, "covey_breaker_calls_total{breaker=\"stock\",outcome=\"refused\"}"), 2);
    CHECK_EQ(value_of(text, "covey_breaker_opened_total{breaker=\"stock\"}"), 1);
    CHECK(!strstr(text, "{breaker=\"\"}"));
    free(text);
    covey_breaker_free(b);
    covey_breaker_free(nameless);
    text = metrics();
    CHECK(!strstr(text, "covey_breaker_"));
    free(text);
}
