// A model provider that costs as little as possible, so that what a bench measures is the gateway in front of it.
//
//   upstream FOLDER PIECES PACE_US PORT...
//
// One thread, epoll, keep-alive. What it says is in FOLDER, one file for each write, complete with head and chunk framing.
// Who asks for a stream, in the path or in the body, gets `start`, then PIECES writes PACE_US microseconds apart (0: as fast
// as it goes, every stream in turn) of `piece` and at the end `last`, then `end`, or `usage_end` if the body asks for usage.
// Any other gets `whole`, or `large` if its own body is larger than 8 KB, PACE_US after it asked.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 65536, BUFFER = 65536, LARGE_BODY = 8192 };

typedef struct {
    char *bytes;
    int length;
} Block;

typedef struct {
    int fd, length, left, queued, closed, wants_usage;
    const Block *answer; // a whole one that is due later
    long long due_us;
    char buffer[BUFFER];
} Connection;

static Connection *connections[MAX_FD];
static Connection *queue[MAX_FD]; // answers in the order in which their next write is due
static unsigned queue_head, queue_tail;
static Block whole, large, start, piece, last_piece, usage_end, plain_end;
static int epoll, pieces, pace_us;

static long long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void load(Block *block, const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    block->length = ftell(file);
    block->bytes = malloc(block->length);
    rewind(file);
    if (fread(block->bytes, 1, block->length, file) != (size_t)block->length) fail(path);
    fclose(file);
}

static void load_all(const char *folder) {
    load(&whole, folder, "whole");
    load(&large, folder, "large");
    load(&start, folder, "start");
    load(&piece, folder, "piece");
    load(&last_piece, folder, "last");
    load(&plain_end, folder, "end");
    load(&usage_end, folder, "usage_end");
}

static int send_block(Connection *c, const Block *block) {
    for (int sent = 0; sent < block->length;) {
        ssize_t n = send(c->fd, block->bytes + sent, block->length - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = c->fd, .events = POLLOUT}, 1, 1000);
        } else {
            return 0;
        }
    }
    return 1;
}

static void enqueue(Connection *c, long long due_us) {
    c->due_us = due_us;
    c->queued = 1;
    queue[queue_tail++ % MAX_FD] = c;
}

static void close_connection(Connection *c) {
    c->closed = 1;
    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
    if (c->queued) return; // its turn in the queue will find it closed
    close(c->fd);
}

static int wants_stream(Connection *c, const char *body, int length) {
    char *line_end = memchr(c->buffer, '\r', body - c->buffer);
    return memmem(c->buffer, line_end - c->buffer, "tream", 5) // streamGenerateContent, converse-stream
           || memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14);
}

static void answer_request(Connection *c, const char *body, int length) {
    c->answer = NULL;
    if (!wants_stream(c, body, length)) {
        const Block *answer = length > LARGE_BODY ? &large : &whole;
        if (pace_us) {
            c->answer = answer;
            enqueue(c, now_us() + pace_us);
        } else if (!send_block(c, answer)) {
            close_connection(c);
        }
        return;
    }
    c->wants_usage = memmem(body, length, "include_usage", 13) != NULL;
    c->left = pieces;
    if (!send_block(c, &start)) return close_connection(c);
    enqueue(c, now_us());
}

// Find out how long the body is. -1: not all of it has come; a chunked body is joined in place.
static int body_length(Connection *c, char *body) {
    char *field = strcasestr(c->buffer, "\r\ncontent-length:");
    int have = c->length - (int)(body - c->buffer);
    if (field && field < body) {
        int length = atoi(field + 17);
        return have < length ? -1 : length;
    }
    field = strcasestr(c->buffer, "\r\ntransfer-encoding:");
    if (!field || field >= body) return 0;
    if (have < 5 || memcmp(c->buffer + c->length - 5, "0\r\n\r\n", 5)) return -1;
    int joined = 0;
    for (char *at = body;;) {
        char *data;
        long size = strtol(at, &data, 16);
        if (size <= 0) return joined;
        memmove(body + joined, data + 2, size);
        joined += size;
        at = data + 2 + size + 2;
    }
}

static void readable(Connection *c) {
    ssize_t n = read(c->fd, c->buffer + c->length, BUFFER - 1 - c->length);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return close_connection(c);
    c->length += n;
    c->buffer[c->length] = 0;
    char *end = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!end) return;
    int length = body_length(c, end + 4);
    if (length < 0) return;
    c->length = 0;
    answer_request(c, end + 4, length);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= MAX_FD) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (!connections[fd]) connections[fd] = malloc(sizeof(Connection));
        Connection *c = connections[fd];
        c->fd = fd;
        c->length = c->queued = c->closed = 0;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd});
    }
}

// One write for every answer whose time has come. Returns how long to sleep, in microseconds; -1: none is open.
static long long write_due(void) {
    for (unsigned turns = queue_tail - queue_head; turns > 0; turns--) {
        Connection *c = queue[queue_head % MAX_FD];
        long long wait = pace_us ? c->due_us - now_us() : 0;
        if (wait > 0) return wait;
        queue_head++;
        c->queued = 0;
        if (c->closed) { close(c->fd); continue; }
        if (c->answer) {
            if (!send_block(c, c->answer)) close_connection(c);
        } else if (c->left == 0) {
            if (!send_block(c, c->wants_usage ? &usage_end : &plain_end)) close_connection(c);
        } else if (send_block(c, --c->left ? &piece : &last_piece)) {
            enqueue(c, c->due_us + pace_us);
        } else {
            close_connection(c);
        }
    }
    return queue_head == queue_tail ? -1 : 0;
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) fail("listen");
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: upstream FOLDER PIECES PACE_US PORT...\n"), 2;
    load_all(argv[1]);
    pieces = atoi(argv[2]);
    pace_us = atoi(argv[3]);
    epoll = epoll_create1(0);
    int first = -1, last = -1;
    for (int i = 4; i < argc; i++) {
        last = listen_on(atoi(argv[i]));
        if (first < 0) first = last;
        epoll_ctl(epoll, EPOLL_CTL_ADD, last, &(struct epoll_event){.events = EPOLLIN, .data.fd = last});
    }
    for (;;) {
        long long wait = write_due();
        struct epoll_event events[256];
        struct timespec sleep = {wait / 1000000, wait % 1000000 * 1000};
        int n = epoll_pwait2(epoll, events, 256, wait < 0 ? NULL : &sleep, NULL);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd >= first && fd <= last) accept_all(fd);
            else if (!connections[fd]->closed) readable(connections[fd]);
        }
    }
}
