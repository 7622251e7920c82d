#include "test.h"

#include "base/mem.h"
#include "base/require.h"
#include "certificates.h"
#include "sides.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_trust *trust;

/* Large transfers, both ways at once */

enum { TRANSFER = 6 * 1024 * 1024, PIECE = 3000 };

struct transfer {
	struct side side;
	size_t sent, received, most_unsent;
	bool is_wrong;
};

static unsigned char octet_at(size_t place)
{
	return (unsigned char)(place * 131 + (place >> 8) * 7 + (place >> 16));
}

static void send_more(struct side *side)
{
	struct transfer *t = side->user;
	unsigned char piece[PIECE];

	while (t->sent < TRANSFER && stream_unsent(side->stream) < 16 * 1024) {
		size_t n = TRANSFER - t->sent < PIECE ? TRANSFER - t->sent : PIECE;

		for (size_t i = 0; i < n; i++)
			piece[i] = octet_at(t->sent + i);
		stream_write(side->stream, span_of(piece, n));
		t->sent += n;
		if (stream_unsent(side->stream) > t->most_unsent)
			t->most_unsent = stream_unsent(side->stream);
	}
}

/* Takes about two thirds of what it gets, so that the rest must come again. */
static size_t receive_some(struct side *side, struct span octets)
{
	struct transfer *t = side->user;
	size_t n = octets.len > 2 ? octets.len - octets.len / 3 : octets.len;

	for (size_t i = 0; i < n; i++)
		if (octets.at[i] != octet_at(t->received + i))
			t->is_wrong = true;
	t->received += n;
	if (n < octets.len)
		stream_resume(side->stream);
	return n;
}

static bool both_received(void *user)
{
	const struct transfer *t = user;

	return t[0].received == TRANSFER && t[1].received == TRANSFER;
}

static void transfer_both_ways(bool with_tls)
{
	struct loop *loop = loop_new("test");
	struct transfer t[2] = { 0 };
	int fds[2];

	tcp_pair(fds);
	for (int i = 0; i < 2; i++) {
		t[i].side.user = &t[i];
		t[i].side.data = receive_some;
		t[i].side.on_drained = send_more;
		side_open(&t[i].side, loop, fds[i]);
	}
	if (with_tls) {
		t[0].side.on_secured = t[1].side.on_secured = send_more;
		assert_true(stream_start_tls_server(t[0].side.stream, &(struct tls_server_conf){ .identity = identity }));
		assert_true(stream_start_tls_client(t[1].side.stream, trust, "localhost"));
	} else {
		send_more(&t[0].side);
		send_more(&t[1].side);
	}
	run_until(loop, both_received, t);
	for (int i = 0; i < 2; i++) {
		assert_false(t[i].is_wrong);
		assert_int_equal(t[i].received, TRANSFER);
		assert_true(t[i].most_unsent < 16 * 1024 + PIECE + 512);
		assert_true(t[i].side.drained > 10);
		assert_int_equal(stream_tls_describe(t[i].side.stream) != NULL, with_tls);
		stream_close(t[i].side.stream);
	}
	run_until(loop, is_closed, &t[0].side);
	run_until(loop, is_closed, &t[1].side);
	assert_int_equal(t[0].side.fault.code, 0);
	assert_int_equal(t[1].side.fault.code, 0);
	loop_free(&loop);
}

/* The same between two threads. */
struct meeting {
	struct loop *loops[2];
	atomic_uint ready;
};

struct party {
	struct transfer t; /* first: receive_some() finds it as side->user */
	struct meeting *meeting;
};

static size_t receive_and_meet(struct side *side, struct span octets)
{
	struct party *p = side->user;
	size_t before = p->t.received, used = receive_some(side, octets);

	if (before < TRANSFER && p->t.received == TRANSFER &&
	    atomic_fetch_add(&p->meeting->ready, 1) == 1) {
		loop_stop(p->meeting->loops[0]);
		loop_stop(p->meeting->loops[1]);
	}
	return used;
}

static void secured_octets_pass_between_threads(void **state)
{
	struct meeting meeting = { { loop_new("one"), loop_new("two") }, 0 };
	struct party p[2] = { 0 };
	int fds[2];

	(void)state;
	tcp_pair(fds);
	for (int i = 0; i < 2; i++) {
		p[i].meeting = &meeting;
		p[i].t.side.user = &p[i];
		p[i].t.side.data = receive_and_meet;
		p[i].t.side.on_drained = p[i].t.side.on_secured = send_more;
		side_open(&p[i].t.side, meeting.loops[i], fds[i]);
	}
	assert_true(stream_start_tls_server(p[0].t.side.stream, &(struct tls_server_conf){ .identity = identity }));
	assert_true(stream_start_tls_client(p[1].t.side.stream, trust, "localhost"));
	loop_start(meeting.loops[0]);
	loop_start(meeting.loops[1]);
	for (int i = 0; i < 2; i++)
		loop_join(meeting.loops[i]);
	for (int i = 0; i < 2; i++) {
		loop_free(&meeting.loops[i]);
		assert_int_equal(p[i].t.received, TRANSFER);
		assert_false(p[i].t.is_wrong);
		assert_true(p[i].t.side.is_closed);
	}
}

static void plain_octets_pass_both_ways(void **state)
{
	(void)state;
	transfer_both_ways(false);
}

static void secured_octets_pass_both_ways(void **state)
{
	(void)state;
	transfer_both_ways(true);
}

/* A peer that does not read, and one that talks while we do not listen */

/* One octet, one reply of 1 KiB, as long as the replies leave. */
static size_t answer_each(struct side *side, struct span octets)
{
	static const char reply[1024] = "250 ";
	size_t n = 0;

	for (; n < octets.len && stream_unsent(side->stream) < 16 * 1024; n++)
		stream_write(side->stream, span_of(reply, sizeof(reply)));
	*(size_t *)side->user += n;
	return n;
}

static void go_on(struct side *side)
{
	stream_resume(side->stream);
}

static bool has_stalled(void *user)
{
	static size_t before;
	static int turns;
	size_t now = *(size_t *)user;

	turns = now && now == before ? turns + 1 : 0;
	before = now;
	return turns > 200;
}

static void peer_that_does_not_read_is_not_read(void **state)
{
	struct loop *loop = loop_new("test");
	size_t taken = 0;
	struct side side = { .data = answer_each, .on_drained = go_on, .user = &taken };
	static const char commands[16 * 1024 * 1024];
	int fds[2], small = 64 * 1024;
	ssize_t sent;

	(void)state;
	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	side_open(&side, loop, fds[0]);
	sent = send(fds[1], commands, sizeof(commands), MSG_DONTWAIT | MSG_NOSIGNAL);
	run_until(loop, has_stalled, &taken);
	assert_true(sent > 0 && (size_t)sent > taken);
	assert_true(stream_unsent(side.stream) >= 16 * 1024);
	assert_true(stream_unsent(side.stream) < 18 * 1024);
	stream_abort(side.stream);
	run_until(loop, is_closed, &side);
	close(fds[1]);
	loop_free(&loop);
}

static size_t take_nothing(struct side *side, struct span octets)
{
	size_t *most = side->user;

	if (octets.len > *most)
		*most = octets.len;
	return 0;
}

static bool socket_is_full(void *user)
{
	static int refused;
	static const char some[4096];

	if (send(*(int *)user, some, sizeof(some), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		refused = 0;
	return ++refused > 200;
}

static void octets_left_unused_are_bounded(void **state)
{
	struct loop *loop = loop_new("test");
	size_t most = 0;
	struct side side = { .data = take_nothing, .user = &most };
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	run_until(loop, socket_is_full, &fds[1]);
	assert_true(most > 16 * 1024);
	assert_true(most <= 80 * 1024);
	stream_abort(side.stream);
	run_until(loop, is_closed, &side);
	close(fds[1]);
	loop_free(&loop);
}

static size_t take_whole_lines(struct side *side, struct span octets)
{
	size_t end = octets.len;

	while (end && octets.at[end - 1] != '\n')
		end--;
	buf_put_span(&side->got, span_first(octets, end));
	return end;
}

static void send_in_parts(struct peer *peer)
{
	peer_send(peer, "EHLO a");
	usleep(20000);
	peer_send(peer, "b\r\nNO");
	usleep(20000);
	peer_send(peer, "OP\r\n");
	shutdown(peer->fd, SHUT_WR);
	peer_drain(peer);
}

static void rest_comes_with_the_next_octets(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { .data = take_whole_lines };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	peer_start(&peer, fds[1], send_in_parts, NULL);
	run_until(loop, is_closed, &side);
	assert_span_text(buf_span(&side.got), "EHLO ab\r\nNOOP\r\n");
	assert_int_equal(side.fault.code, -EPIPE);
	peer_join(&peer);
	side_fini(&side);
	loop_free(&loop);
}

/* STARTTLS */

static size_t start_tls_on_demand(struct side *side, struct span octets)
{
	size_t line = span_find(octets, '\n');

	if (line == octets.len)
		return 0;
	buf_put_span(&side->got, span_first(octets, line + 1));
	if (!side->is_secured && span_istarts(octets, "STARTTLS")) {
		stream_write(side->stream, span_text("220 go ahead\r\n"));
		assert_true(stream_start_tls_server(side->stream, &(struct tls_server_conf){ .identity = identity }));
	}
	return line + 1;
}

struct injection {
	const char *first, *second; /* second: a segment of its own, sent while the first is read */
};

static void inject(struct peer *peer)
{
	const struct injection *what = peer->user;

	peer_send(peer, what->first);
	if (what->second)
		peer_send(peer, what->second);
	peer_drain(peer);
}

static void octets_behind_starttls_are_never_executed(void **state)
{
	static const struct injection cases[] = {
		{ "STARTTLS\r\nEHLO injected\r\n", NULL },
		{ "STARTTLS\r\n\r\n", NULL },
		{ "STARTTLS\r\nx", NULL },
		{ "STARTTLS\r\n\x16\x03\x01\x02", NULL },
		{ "STARTTLS\r\n", "EHLO injected\r\n" },
		{ "STARTT", "LS\r\nRSET\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loop *loop = loop_new("test");
		struct side side = { .data = start_tls_on_demand };
		struct peer peer;
		struct injection what = cases[i];
		int fds[2];

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		peer_start(&peer, fds[1], inject, &what);
		run_until(loop, is_closed, &side);
		assert_int_equal(side.fault.code, -EPROTO);
		assert_span_text(buf_span(&side.got), "STARTTLS\r\n");
		if (what.second == NULL)
			assert_non_null(strstr(side.fault.text, "STARTTLS"));
		assert_int_equal(pthread_join(peer.thread, NULL), 0);
		if (what.second == NULL)
			assert_int_equal(peer.got.len, 0);
		buf_fini(&peer.got);
		side_fini(&side);
		loop_free(&loop);
	}
}

static bool has_six(void *user)
{
	return *(size_t *)user == 6;
}

static void octets_kept_before_starttls_end_the_stream(void **state)
{
	struct loop *loop = loop_new("test");
	size_t most = 0;
	struct side side = { .data = take_nothing, .user = &most };
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	assert_int_equal(send(fds[1], "RSET\r\n", 6, 0), 6);
	run_until(loop, has_six, &most);
	assert_false(stream_start_tls_server(side.stream, &(struct tls_server_conf){ .identity = identity }));
	close(fds[1]);
	run_until(loop, is_closed, &side);
	assert_int_equal(side.fault.code, -EPROTO);
	loop_free(&loop);
}

/* A client of GnuTLS's own over a blocking socket. */
static gnutls_session_t client_session(struct peer *peer)
{
	static gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;

	if (credentials == NULL)
		gnutls_certificate_allocate_credentials(&credentials);
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_set_default_priority(session);
	gnutls_transport_set_int(session, peer->fd);
	gnutls_handshake_set_timeout(session, 20000);
	return session;
}

static void starttls_then_talk(struct peer *peer)
{
	gnutls_session_t session;
	char got[64];
	ssize_t n = 0;

	peer_send(peer, "STARTTLS\r\n");
	require(peer_expect(peer, "220 go ahead\r\n"));
	require(peer->got.len == strlen("220 go ahead\r\n"));
	session = client_session(peer);
	require(gnutls_handshake(session) == 0);
	require(gnutls_record_send(session, "EHLO a\r\n", 8) == 8);
	do {
		n = gnutls_record_recv(session, got, sizeof(got));
	} while (n == GNUTLS_E_AGAIN);
	require(n == 8 && memcmp(got, "250 hi\r\n", 8) == 0);
	/* Ours to close: everything, then close_notify, then the end. */
	require(gnutls_record_recv(session, got, sizeof(got)) == 0);
	gnutls_bye(session, GNUTLS_SHUT_WR);
	gnutls_deinit(session);
}

static size_t tls_then_reply_and_close(struct side *side, struct span octets)
{
	if (!side->is_secured)
		return start_tls_on_demand(side, octets);
	buf_put_span(&side->got, octets);
	stream_write(side->stream, span_text("250 "));
	stream_write(side->stream, span_text("hi\r\n"));
	stream_close(side->stream);
	stream_write(side->stream, span_text("never sent"));
	return octets.len;
}

static void starttls_and_orderly_close(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { .data = tls_then_reply_and_close };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	peer_start(&peer, fds[1], starttls_then_talk, NULL);
	run_until(loop, is_closed, &side);
	assert_true(side.is_secured);
	assert_int_equal(side.fault.code, 0);
	assert_span_text(buf_span(&side.got), "STARTTLS\r\nEHLO a\r\n");
	peer_join(&peer);
	side_fini(&side);
	loop_free(&loop);
}

/* CVE-2026-45185: close_notify within a message, then plain text on the same connection. */
static void close_notify_then_plain(struct peer *peer)
{
	gnutls_session_t session = client_session(peer);

	require(gnutls_handshake(session) == 0);
	require(gnutls_record_send(session, "BODY", 4) == 4);
	gnutls_bye(session, GNUTLS_SHUT_WR);
	peer_send(peer, "\r\n.\r\nMAIL FROM:<e@x>\r\n");
	peer_drain(peer);
	gnutls_deinit(session);
}

static void plain_text_after_close_notify_is_not_heard(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { 0 };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	assert_true(stream_start_tls_server(side.stream, &(struct tls_server_conf){ .identity = identity }));
	peer_start(&peer, fds[1], close_notify_then_plain, NULL);
	run_until(loop, is_closed, &side);
	assert_span_text(buf_span(&side.got), "BODY");
	assert_int_equal(side.fault.code, -EPIPE);
	peer_join(&peer);
	side_fini(&side);
	loop_free(&loop);
}

/* Ends */

static void say_nothing_and_close(struct peer *peer)
{
	(void)peer;
}

static void reset(struct peer *peer)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void half_a_hello(struct peer *peer)
{
	send(peer->fd, "\x16\x03\x01\x02\x00\x01\x00", 7, MSG_NOSIGNAL);
}

static void plain_instead_of_hello(struct peer *peer)
{
	peer_send(peer, "GET / HTTP/1.1\r\n\r\n");
	peer_drain(peer);
}

static void http_alpn(struct peer *peer)
{
	gnutls_session_t session = client_session(peer);
	static unsigned char h2[] = "h2";
	const gnutls_datum_t protocol = { h2, 2 };

	gnutls_alpn_set_protocols(session, &protocol, 1, 0);
	require(gnutls_handshake(session) == GNUTLS_E_FATAL_ALERT_RECEIVED);
	require(gnutls_alert_get(session) == GNUTLS_A_NO_APPLICATION_PROTOCOL);
	gnutls_deinit(session);
}

static void ends_are_told_apart(void **state)
{
	static const struct {
		const char *name;
		void (*peer)(struct peer *peer);
		bool with_tls;
		int code;
	} cases[] = {
		{ "closed", say_nothing_and_close, false, -EPIPE },
		{ "reset", reset, false, -ECONNRESET },
		{ "closed before a hello", say_nothing_and_close, true, -EPIPE },
		{ "reset before a hello", reset, true, -ECONNRESET },
		{ "closed within a hello", half_a_hello, true, -EPIPE },
		{ "plain text for a hello", plain_instead_of_hello, true, -EPROTO },
		{ "HTTP by ALPN", http_alpn, true, -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loop *loop = loop_new("test");
		struct side side = { 0 };
		struct peer peer;
		int fds[2];

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		if (cases[i].with_tls)
			assert_true(stream_start_tls_server(side.stream, &(struct tls_server_conf){ .identity = identity }));
		peer_start(&peer, fds[1], cases[i].peer, NULL);
		run_until(loop, is_closed, &side);
		assert_int_equal(side.fault.code, cases[i].code);
		assert_true(side.fault.text[0] != '\0');
		assert_int_equal(side.got.len, 0);
		peer_join(&peer);
		loop_free(&loop);
	}
}

static bool has_fourteen(void *user)
{
	return ((struct side *)user)->got.len >= 14;
}

static void client_refuses_a_wrong_certificate(void **state)
{
	struct loop *loop = loop_new("test");
	struct side server = { 0 }, client = { 0 };
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&server, loop, fds[0]);
	side_open(&client, loop, fds[1]);
	stream_write(client.stream, span_text("plain before\r\n"));
	assert_true(stream_start_tls_client(client.stream, trust, "smtp.example.com"));
	stream_write(client.stream, span_text("AUTH PLAIN secret\r\n"));
	run_until(loop, has_fourteen, &server);
	assert_int_equal(memcmp(buf_span(&server.got).at, "plain before\r\n", 14), 0);
	stream_abort(server.stream);
	run_until(loop, is_closed, &client);
	/* Now with a server that answers. */
	side_fini(&server);
	server = client = (struct side){ 0 };
	tcp_pair(fds);
	side_open(&server, loop, fds[0]);
	side_open(&client, loop, fds[1]);
	assert_true(stream_start_tls_server(server.stream, &(struct tls_server_conf){ .identity = identity }));
	assert_true(stream_start_tls_client(client.stream, trust, "smtp.example.com"));
	stream_write(client.stream, span_text("AUTH PLAIN secret\r\n"));
	run_until(loop, is_closed, &client);
	run_until(loop, is_closed, &server);
	assert_int_equal(client.fault.code, -EPROTO);
	assert_non_null(strstr(client.fault.text, "does not verify"));
	assert_int_equal(server.got.len, 0);
	assert_int_equal(server.fault.code, -EPROTO);
	loop_free(&loop);
}

/* What the user may do within data() */

static size_t abort_within(struct side *side, struct span octets)
{
	stream_write(side->stream, span_text("x"));
	stream_abort(side->stream);
	stream_close(side->stream);
	stream_resume(side->stream);
	return octets.len / 2;
}

static size_t close_within(struct side *side, struct span octets)
{
	(void)octets;
	stream_write(side->stream, span_text("221 bye\r\n"));
	stream_close(side->stream);
	return 0;
}

static void send_and_drain(struct peer *peer)
{
	peer_send(peer, "QUIT\r\nmore");
	*(int *)peer->user = peer_drain(peer);
}

static void closing_within_data_is_safe(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct loop *loop = loop_new("test");
		struct side side = { .data = i ? close_within : abort_within };
		struct peer peer;
		int fds[2], end = -1;

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		peer_start(&peer, fds[1], send_and_drain, &end);
		run_until(loop, is_closed, &side);
		assert_int_equal(side.fault.code, 0);
		assert_int_equal(pthread_join(peer.thread, NULL), 0);
		if (i)
			assert_span_text(buf_span(&peer.got), "221 bye\r\n");
		assert_int_equal(end, i ? 0 : ECONNRESET);
		buf_fini(&peer.got);
		loop_free(&loop);
	}
}

/* The last reply arrives although the client still talks: no RST overtakes it. */
static void talk_on(struct peer *peer)
{
	for (int i = 0; i < 50; i++)
		peer_send(peer, "DATA that nobody wants, and more of it\r\n");
	usleep(20000);
	peer_send(peer, "and again\r\n");
	*(int *)peer->user = peer_drain(peer);
}

static void last_reply_survives_a_talking_client(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { .data = close_within };
	struct peer peer;
	int fds[2], end = -1;

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	peer_start(&peer, fds[1], talk_on, &end);
	run_until(loop, is_closed, &side);
	assert_int_equal(pthread_join(peer.thread, NULL), 0);
	assert_int_equal(end, 0);
	assert_span_text(buf_span(&peer.got), "221 bye\r\n");
	buf_fini(&peer.got);
	loop_free(&loop);
}

/* A smarthost that says why and goes, while we still send. */
static void say_why_and_go(struct peer *peer)
{
	peer_send(peer, "552 too big\r\n");
}

static void last_words_of_a_peer_are_heard(void **state)
{
	struct loop *loop = loop_new("test");
	static const unsigned char body[8 * 1024 * 1024];
	struct side side = { 0 };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	/* Far above the mark: nothing is read until the write has failed. */
	stream_write(side.stream, span_of(body, sizeof(body)));
	peer_start(&peer, fds[1], say_why_and_go, NULL);
	run_until(loop, is_closed, &side);
	assert_span_text(buf_span(&side.got), "552 too big\r\n");
	assert_true(side.fault.code == -ECONNRESET || side.fault.code == -EPIPE);
	peer_join(&peer);
	side_fini(&side);
	loop_free(&loop);
}

static void loop_free_tells_open_streams(void **state)
{
	struct loop *loop = loop_new("test");
	struct side sides[3] = { 0 };
	int fds[2], other[2];

	(void)state;
	tcp_pair(fds);
	tcp_pair(other);
	side_open(&sides[0], loop, fds[0]);
	side_open(&sides[1], loop, fds[1]);
	side_open(&sides[2], loop, other[0]);
	assert_true(stream_start_tls_client(sides[2].stream, trust, "localhost"));
	stream_write(sides[2].stream, span_text("waits"));
	stream_close(sides[1].stream);
	loop_free(&loop);
	assert_true(sides[0].is_closed && sides[1].is_closed && sides[2].is_closed);
	assert_int_equal(sides[0].fault.code, -ECANCELED);
	assert_int_equal(sides[1].fault.code, 0);
	close(other[1]);
}

static void addresses_are_plain(void **state)
{
	struct loop *loop = loop_new("test");
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	struct side side = { 0 };
	int listener = socket(AF_INET6, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	if (listener < 0 || bind(listener, (struct sockaddr *)&any, len) != 0) {
		close(listener);
		close(fd);
		loop_free(&loop);
		skip();
	}
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&any, &len);
	to.sin_port = any.sin6_port;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	side_open(&side, loop, accept(listener, NULL, NULL));
	assert_string_equal(stream_peer_address(side.stream), "127.0.0.1");
	len = sizeof(to);
	getsockname(fd, (struct sockaddr *)&to, &len);
	assert_int_equal(stream_peer_port(side.stream), ntohs(to.sin_port));
	close(listener);
	close(fd);
	loop_free(&loop);
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	identity = tls_identity_load(&certificates.ecdsa, 1, &fault);
	trust = tls_trust_load(certificates.ca, &fault);
	return identity && trust ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&identity);
	tls_trust_unref(&trust);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_octets_pass_both_ways),
		cmocka_unit_test(secured_octets_pass_both_ways),
		cmocka_unit_test(secured_octets_pass_between_threads),
		cmocka_unit_test(peer_that_does_not_read_is_not_read),
		cmocka_unit_test(octets_left_unused_are_bounded),
		cmocka_unit_test(rest_comes_with_the_next_octets),
		cmocka_unit_test(octets_behind_starttls_are_never_executed),
		cmocka_unit_test(octets_kept_before_starttls_end_the_stream),
		cmocka_unit_test(starttls_and_orderly_close),
		cmocka_unit_test(plain_text_after_close_notify_is_not_heard),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(client_refuses_a_wrong_certificate),
		cmocka_unit_test(closing_within_data_is_safe),
		cmocka_unit_test(last_reply_survives_a_talking_client),
		cmocka_unit_test(last_words_of_a_peer_are_heard),
		cmocka_unit_test(loop_free_tells_open_streams),
		cmocka_unit_test(addresses_are_plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
