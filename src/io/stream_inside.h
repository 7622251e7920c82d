/* io/stream_inside.h: one connection, seen from within.
 *
 *   OPEN      octets go both ways
 *   FAREWELL  the user hears no more but closed(); what is queued leaves, what comes is thrown away
 *   LINGER    all has left and our end is shut; the peer's end is awaited for a moment, because
 *             closing on unread octets sends a RST, and that may destroy the last reply on its way
 *   GONE      libuv closes the handle; closed() follows
 *
 * Octets on their way out: `plain` waits to be enciphered, `wire` is as it will stand in the
 * socket, `sending` is with libuv. Without TLS, `plain` is not used.
 */
#pragma once

#include "io/stream.h"
#include "loop_inside.h"

#include <netinet/in.h>

enum {
	STREAM_RECORD = 16 * 1024,
	STREAM_LOW = 16 * 1024,	      /* unsent: below, the user may make more */
	STREAM_HIGH = 64 * 1024,      /* unsent: above, nothing is read */
	STREAM_UNUSED = 16 * 1024,    /* left by the user: above, nothing is read */
	STREAM_DISCARD = 1024 * 1024, /* thrown away from a peer that does not stop talking */
	STREAM_FAREWELL_MS = 5000,
	STREAM_LINGER_MS = 2000,
};

enum stream_state { STREAM_OPEN, STREAM_FAREWELL, STREAM_LINGER, STREAM_GONE };

struct stream {
	uv_tcp_t tcp;
	int fd;		  /* the same; libuv's, who closes it */
	uv_write_t write; /* of `sending` */
	struct loop *loop;
	const struct stream_ops *ops;
	void *user;
	struct list_node all, due, line; /* in the loop's lists */
	struct buf plain, wire, sending, unused;
	struct tls *tls;
	struct span cipher; /* what tls may pull; only while a read is worked on */
	struct timer patience;
	struct fault *fault; /* NULL: closed by us */
	size_t discarded;
	enum stream_state state;
	bool is_secured, is_reading, is_giving, is_full, wants_resume, has_peer_ended;
	bool is_mute;	    /* the socket takes nothing any more */
	bool is_corked;	    /* the kernel may hold octets back for more */
	bool awaits_header; /* of a proxy: what has come of it is in `unused` */
	bool lines_up;	   /* what comes of the client's handshake waits in `unused` for its turn */
	bool has_begun;	   /* something came of it */
	bool has_had_turn; /* in that handshake */
	int64_t lined_ms;  /* since when it waits */
	uint16_t port;
	char address[48];
};

/* stream.c */
void stream_due(struct stream *s);
/* Remembers why; the first reason counts. */
void stream_blame(struct stream *s, int code, const char *text);
/* OPEN -> FAREWELL. Calls nobody. */
void stream_leave(struct stream *s);
/* -> GONE. Calls nobody. */
void stream_shut(struct stream *s);
bool stream_is_open(const struct stream *s);

/* stream_read.c */
/* Starts or stops reading as the state and the marks want it. */
void stream_watch(struct stream *s);
/* Gives the octets that the user left. */
void stream_give_again(struct stream *s);
/* Throws them away, wiped. */
void stream_forget_rest(struct stream *s);
/* All that the peer sent before its end has been taken. */
void stream_end(struct stream *s);
/* Ends a stream whose peer sent plain octets behind STARTTLS. */
void stream_refuse_injected(struct stream *s);

/* Octets of TLS from the peer; empty: it has ended. */
void stream_take_cipher(struct stream *s, struct span octets);

/* stream_line.c */
/* A flight of a handshake came, or more of it before its turn. */
void stream_line_join(struct stream *s, struct span octets);
void stream_line_leave(struct stream *s);
/* The peer has ended. True: behind octets that still wait; the turn will end the stream. */
bool stream_line_keeps(const struct stream *s);

/* stream_proxy.c */
/* Octets came while a header is awaited. Returns those behind it; empty: none, or it has not come. */
struct span stream_take_header(struct stream *s, struct span octets);

/* stream_write.c */
void stream_encipher(struct stream *s);
void stream_send(struct stream *s);

/* stream_tls.c */
/* Goes on with the handshake; true when it stands and the stream is still open. */
bool stream_shake(struct stream *s);
/* The session is over for a reason other than our own. */
void stream_tls_over(struct stream *s, enum tls_result result, const struct fault *fault);
