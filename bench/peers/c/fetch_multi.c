/* SPDX-License-Identifier: MIT
 * fetch_multi.c - the physical reference of row 19: the least that libcurl needs to fetch the URLs
 * of a file, LIMIT at a time, and drop the bodies: one epoll loop around its multi interface, easy
 * handles and connections used again.
 *
 *     fetch_multi FILE LIMIT BYTES
 *
 * Every answer must be a 200 with BYTES bytes. The caller measures the whole process. */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

static CURLM *multi;
static FILE *urls;
static int epoll, running, watched[65536];
static int64_t due_ms = -1; /* when libcurl wants to be called; -1: not at all */
static size_t received, fetched, size;

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fetch_multi: %s\n", what);
        exit(1);
    }
}

static size_t drop(char *data, size_t one, size_t len, void *arg)
{
    (void)data;
    (void)arg;
    received += one * len;
    return one * len;
}

static int set_interest(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    (void)arg;
    (void)socket_arg;
    require(fd < (int)(sizeof watched / sizeof *watched), "descriptor out of range");
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
        watched[fd] = 0;
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    epoll_ctl(epoll, watched[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    watched[fd] = 1;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int set_timer(CURLM *m, long ms, void *arg)
{
    (void)m;
    (void)arg;
    due_ms = ms < 0 ? -1 : ms == 0 ? 0 : now_ms() + ms;
    return 0;
}

/* Whether easy was given one more URL. */
static int start_next(CURL *easy)
{
    char url[4096];
    if (fgets(url, sizeof url, urls) == NULL) {
        return 0;
    }
    url[strcspn(url, "\n")] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    require(curl_multi_add_handle(multi, easy) == CURLM_OK, "curl_multi_add_handle");
    return 1;
}

static void finish_done(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        long status = 0;
        require(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        require(status == 200, "the status is not 200");
        fetched++;
        curl_multi_remove_handle(multi, easy);
        if (!start_next(easy)) {
            curl_easy_cleanup(easy);
            running--;
        }
    }
}

static void call_when_due(void)
{
    int handles;
    while (due_ms >= 0 && (due_ms == 0 || due_ms <= now_ms())) {
        due_ms = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &handles);
        finish_done();
    }
}

static void run_loop(void)
{
    int handles;
    for (call_when_due(); running > 0; call_when_due()) {
        struct epoll_event events[128];
        int64_t wait_ms = due_ms < 0 ? 10000 : due_ms - now_ms();
        int n = epoll_wait(epoll, events, 128, wait_ms < 0 ? 0 : (int)wait_ms);
        require(n > 0 || due_ms >= 0, "nothing happened within 10 s");
        for (int i = 0; i < n; i++) {
            int bits = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(multi, events[i].data.fd, bits, &handles);
        }
        finish_done();
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: fetch_multi FILE LIMIT BYTES\n");
        return 2;
    }
    urls = fopen(argv[1], "r");
    require(urls != NULL, "the file of URLs cannot be opened");
    int limit = atoi(argv[2]);
    size = strtoull(argv[3], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    epoll = epoll_create1(0);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_interest);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)limit);
    for (int i = 0; i < limit; i++) {
        CURL *easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        if (start_next(easy)) {
            running++;
        }
    }
    run_loop();
    require(received == fetched * size, "the bodies' size is wrong");
    printf("fetched 1 %zu urls\n", fetched);
    curl_multi_cleanup(multi);
    return 0;
}
