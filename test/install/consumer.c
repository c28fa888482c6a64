/* SPDX-License-Identifier: MIT
 * consumer.c - a user's program: tasks in a group, a channel, a select, the version it was built
 * with. Compiled as C, and by consumer.cc as C++. */
#include <covey.h>

#include <stdio.h>
#include <string.h>

static int producer(covey_ctx *ctx, void *arg)
{
    static const int one = 1;
    covey_chan *numbers = (covey_chan *)arg;
    int err = covey_select(ctx, COVEY_SEND(numbers, &one)); /* what is sent may be const */

    for (int i = 2; i <= 10 && err == 0; i++) {
        err = covey_chan_send(ctx, numbers, &i);
    }
    (void)covey_chan_close(numbers);
    return err;
}

static int sum_up(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *numbers = covey_chan_new(sizeof(int), 2);
    int *sum = (int *)arg;
    int number,
        err = covey_group_go(g, producer, numbers); /* number: first written by the select */
    bool ok = err == 0;

    while (ok) {
        int which =
            covey_select(ctx, COVEY_RECV_OK(numbers, &number, &ok), COVEY_AFTER(30 * COVEY_SEC));
        if (which != 0) {
            err = which < 0 ? which : covey_errorf(-ETIMEDOUT, "nothing came");
            break;
        }
        *sum += number;
    }
    covey_group_cancel(g, 0);
    int end = covey_group_wait(g);
    covey_chan_unref(numbers);
    return err < 0 ? err : end;
}

int main(void)
{
    int sum = 0, err = covey_run(sum_up, &sum);

    if (err < 0) {
        (void)fprintf(stderr, "covey_run: %s\n", covey_errmsg());
        return 1;
    }
    errno = 0;
    printf("%s %d %d\n", COVEY_VERSION, sum, errno);
    return sum == 55 && strlen(covey_strerror(COVEY_ECANCELED)) > 0 ? 0 : 1;
}
