/* Streams under test: each side gathers what it hears; the loop runs until a condition holds. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "io/stream.h"

#include <pthread.h>

struct side {
	struct stream *stream;
	struct buf got;
	bool is_secured, is_closed, is_connected;
	unsigned drained;
	struct fault fault;
	/* Instead of taking everything; may be NULL. */
	size_t (*data)(struct side *side, struct span octets);
	void (*on_secured)(struct side *side);
	void (*on_drained)(struct side *side);
	void (*on_connected)(struct side *side);
	void *user;
};

extern const struct stream_ops side_ops;

void side_open(struct side *side, struct loop *loop, int fd);
void side_fini(struct side *side);
/* Two ends of a connection over 127.0.0.1. */
void tcp_pair(int fds[2]);
/* Runs the loop until it is true; fails after 20 s. */
void run_until(struct loop *loop, bool (*is_true)(void *user), void *user);

bool is_closed(void *side);
bool is_secured(void *side);

/* A peer on a thread of its own, with a blocking socket; the thread closes it. */
struct peer {
	pthread_t thread;
	int fd;
	void (*run)(struct peer *peer);
	struct buf got;
	void *user;
};

void peer_start(struct peer *peer, int fd, void (*run)(struct peer *peer), void *user);
void peer_join(struct peer *peer);
void peer_send(struct peer *peer, const char *text);
/* Until the stream says `text`, or ends. */
bool peer_expect(struct peer *peer, const char *text);
/* Reads until the end; 0, or the errno. */
int peer_drain(struct peer *peer);
