/* io/stream.h: one connection: TCP, and TLS on top when asked for.
 *
 * Shape    stream_accept()/stream_dial() -> ops.data(octets) / stream_write() -> stream_close() ->
 *          ops.closed()
 * Thread   its loop
 * Owns     its socket and buffers; the user object is never freed here: ops.closed() is the last
 *          call, and the user object may go then
 * Units    octets. Reading stops while more than 64 KiB wait to be sent, or more than 16 KiB were
 *          left unused by the user; the user asks stream_unsent() before it makes more
 *          (back-pressure)
 * Turns    what a client sends of its handshake waits in a line of the loop's (loop_wait_ms), at most
 *          32 KiB of it; a dialled stream's own handshakes do not
 * Errors   told by ops.closed(fault); fault->code 0: closed by us; -EPIPE: the peer closed;
 *          -ECONNRESET: it reset (right after a peer's goodbye the user's to judge); -EPROTO: TLS, in
 *          GnuTLS's words; -ECANCELED: loop_free() ended the stream
 */
#pragma once

#include "base/fault.h"
#include "io/loop.h"
#include "io/tls.h"

struct stream;

struct stream_ops {
	/* Plain octets came. Returns how many were used; the rest is given again, together with
	 * what comes later, after stream_resume() or with the next octets. May write, start TLS,
	 * resume, close and abort; after start of TLS all octets must be used, else the stream
	 * ends with -EPROTO. */
	size_t (*data)(void *user, struct span octets);
	/* Less than the low mark (16 KiB) waits to be sent, after more did. May be NULL. */
	void (*drained)(void *user);
	/* The TLS handshake is done. */
	void (*secured)(void *user);
	/* The connection is gone. Comes once, last, never inside a call of the user. */
	void (*closed)(void *user, const struct fault *fault);
	/* Dialled: the TCP connection stands. Accepted behind a proxy: its header has come. NULL for
	 * others. */
	void (*connected)(void *user);
};

/* Takes over a connected socket (always, also on failure; then NULL). */
struct stream *stream_accept(struct loop *loop, int fd, const struct stream_ops *ops, void *user);
/* The peer is a proxy: the first octets are a PROXY header (io/proxy.h), and connected() comes behind it,
 * from when on the peer's address is the one that it told. Anything else closes with -EPROTO. Right
 * after stream_accept(). The user minds the time. */
void stream_expect_proxy(struct stream *s);

/* Takes all: what is not sent at once is queued as a copy; everything is sent in order. Nothing happens on a
 * closing stream. A burst written within one turn of the loop leaves in one TLS record and one system call
 * where it fits; from 16 KiB on it is enciphered, or without TLS given to the socket, at once. */
void stream_write(struct stream *s, struct span octets);
size_t stream_unsent(const struct stream *s);
/* Gives unused octets again (in a later turn, not inside this call). */
void stream_resume(struct stream *s);

/* TLS from the next octet on, both ways. False, and the stream is closed with -EPROTO, when plain
 * octets of the peer are already here: what comes with STARTTLS is never executed. Octets written
 * before go out in plain text first. */
bool stream_start_tls_server(struct stream *s, const struct tls_server_conf *conf);
bool stream_start_tls_client(struct stream *s, struct tls_trust *trust, const char *host);
/* An octet of the client's handshake has come, or of what it says instead. */
bool stream_tls_is_begun(const struct stream *s);
/* NULL before TLS stands. */
const char *stream_tls_describe(const struct stream *s);
/* As tls_binding() and tls_peer_names(); once TLS stands. */
int stream_tls_binding(struct stream *s, struct span name, struct buf *out);
bool stream_tls_peer_names(struct stream *s, struct buf *out, const char **why);

/* Sends what is queued (within 5 s), says close_notify, shuts our end and waits up to 2 s for the
 * peer's, so that the last reply arrives; then closes. No op but closed() is called any more. */
void stream_close(struct stream *s);
/* Closes at once (RST where octets are unsent). */
void stream_abort(struct stream *s);

/* "192.0.2.7", "2001:db8::1" and the port; of the peer and of our end. */
const char *stream_peer_address(const struct stream *s);
int stream_peer_port(const struct stream *s);
