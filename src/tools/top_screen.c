/* SPDX-License-Identifier: MIT
 * top_screen.c - see top_screen.h. Sequences are those of every terminal since the VT100. */
#define _GNU_SOURCE
#include "tools/top_screen.h"

#include "tools/top_text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OPEN "\x1b[?1049h\x1b[?25l" /* the second screen, no cursor */
#define CLOSE "\x1b[?25h\x1b[?1049l"
#define ESCAPE_WAIT_MS 20 /* what belongs to an escape comes at once */

static void write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return;
        }
        if (n < 0 && errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        }
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

int cvy_screen_open(struct cvy_screen *s, int in, int out)
{
    *s = (struct cvy_screen){.in = in, .out = out};
    return tcgetattr(in, &s->before) != 0 ? -errno : cvy_screen_resume(s);
}

int cvy_screen_resume(struct cvy_screen *s)
{
    struct termios raw = s->before;

    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* a message of a library still begins at the left */
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(s->in, TCSAFLUSH, &raw) != 0) {
        return -errno;
    }
    write_all(s->out, OPEN, strlen(OPEN));
    return 0;
}

void cvy_screen_close(struct cvy_screen *s)
{
    write_all(s->out, CLOSE, strlen(CLOSE));
    (void)tcsetattr(s->in, TCSAFLUSH, &s->before);
}

bool cvy_screen_begin(struct cvy_screen *s)
{
    struct winsize size;
    bool is_known = ioctl(s->out, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;

    s->rows = is_known ? size.ws_row : 24;
    s->columns = is_known ? size.ws_col : 80;
    s->line = 0;
    s->frame = open_memstream(&s->text, &s->len);
    if (s->frame) {
        (void)fputs("\x1b[H", s->frame);
    }
    return s->frame != NULL;
}

void cvy_screen_line(struct cvy_screen *s, enum cvy_style style, const char *text)
{
    static const char *const begin[] = {"", "\x1b[7m", "\x1b[1m"};

    if (s->line == s->rows) {
        return;
    }
    (void)fputs(s->line++ > 0 ? "\r\n" : "", s->frame);
    (void)fputs(begin[style], s->frame);
    int column = cvy_top_text_put(s->frame, text, s->columns);
    for (; style == CVY_REVERSE && column < s->columns; column++) {
        (void)fputc(' ', s->frame);
    }
    (void)fputs(style != CVY_PLAIN ? "\x1b[0m" : "", s->frame);
    /* At the last column the rest is the character just written. */
    (void)fputs(column < s->columns ? "\x1b[K" : "", s->frame);
}

void cvy_screen_end(struct cvy_screen *s)
{
    /* Below the last line there is nothing to clear, and behind its last column would be. */
    (void)fputs(s->line < s->rows ? "\r\n\x1b[J" : "", s->frame);
    if (fclose(s->frame) == 0) {
        write_all(s->out, s->text, s->len);
    }
    s->frame = NULL;
    free(s->text);
    s->text = NULL;
}

/* A byte; NONE, END. */
static int next_byte(const struct cvy_screen *s, int wait_ms)
{
    struct pollfd p = {.fd = s->in, .events = POLLIN};
    unsigned char byte;

    if (poll(&p, 1, wait_ms) <= 0) {
        return CVY_KEY_NONE;
    }
    ssize_t n = read(s->in, &byte, 1);
    return n == 1                                         ? byte
           : n < 0 && (errno == EINTR || errno == EAGAIN) ? CVY_KEY_NONE
                                                          : CVY_KEY_END;
}

/* Behind ESC [ or ESC O. */
static int parse_sequence(const struct cvy_screen *s)
{
    static const struct {
        const char *text;
        int key;
    } known[] = {{"A", CVY_KEY_UP},        {"B", CVY_KEY_DOWN},  {"C", CVY_KEY_RIGHT},
                 {"D", CVY_KEY_LEFT},      {"H", CVY_KEY_HOME},  {"F", CVY_KEY_LAST},
                 {"1~", CVY_KEY_HOME},     {"4~", CVY_KEY_LAST}, {"5~", CVY_KEY_PAGE_UP},
                 {"6~", CVY_KEY_PAGE_DOWN}};
    char text[8] = "";
    size_t len = 0;
    int c;

    do {
        c = next_byte(s, ESCAPE_WAIT_MS);
        if (c < 0) {
            return CVY_KEY_NONE;
        }
        if (len < sizeof(text) - 1) {
            text[len++] = (char)c;
        }
    } while (c < '@' || c > '~');
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].text) == 0) {
            return known[i].key;
        }
    }
    return CVY_KEY_NONE;
}

int cvy_screen_key(struct cvy_screen *s)
{
    int c = next_byte(s, 0);

    if (c != CVY_KEY_ESCAPE) {
        return c == '\n' ? CVY_KEY_ENTER : c == '\b' ? CVY_KEY_BACKSPACE : c;
    }
    c = next_byte(s, ESCAPE_WAIT_MS);
    if (c < 0) {
        return CVY_KEY_ESCAPE;
    }
    return c == '[' || c == 'O' ? parse_sequence(s) : CVY_KEY_NONE;
}
