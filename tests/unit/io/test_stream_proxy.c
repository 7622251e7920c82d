#include "test.h"

#include "base/mem.h"
#include "base/require.h"
#include "certificates.h"
#include "io/proxy.h"
#include "sides.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define V1 "PROXY TCP4 192.0.2.7 192.0.2.1 56324 465\r\n"
#define V2 "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01" MAPPED_ME
#define MAPPED_ME "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\x7F\0\0\1\xDC\x04\x02\x4B"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"

static struct certificates certificates;
static struct tls_identity *identity;

/* What the peer sends, `step` octets at a time, each in a segment of its own. */
struct script {
	struct span octets;
	size_t step; /* 0: all at once */
	bool ends;   /* shuts its end behind it */
};

static void play(struct peer *peer)
{
	const struct script *script = peer->user;
	size_t step = script->step ? script->step : script->octets.len;
	int one = 1;

	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (size_t at = 0; at < script->octets.len; at += step) {
		struct span some = span_first(span_from(script->octets, at), step);

		/* The stream may have ended what is no header. */
		if (send(peer->fd, some.at, some.len, MSG_NOSIGNAL) < 0)
			break;
		if (script->step)
			usleep(300);
	}
	if (script->ends)
		shutdown(peer->fd, SHUT_WR);
	peer_drain(peer);
}

struct met {
	char address[64];
	int port;
};

static void meet(struct met *met, const struct stream *stream)
{
	snprintf(met->address, sizeof(met->address), "%s", stream_peer_address(stream));
	met->port = stream_peer_port(stream);
}

static void greet(struct side *side)
{
	meet(side->user, side->stream);
	stream_write(side->stream, span_text("220 hello\r\n"));
}

static size_t take_all_behind_header(struct side *side, struct span octets)
{
	require(side->is_connected);
	buf_put_span(&side->got, octets);
	return octets.len;
}

static void header_is_read_before_all_else(void **state)
{
	static const struct {
		const char *name;
		struct span octets;
		const char *behind, *address; /* address NULL: the socket's */
		int port;
	} cases[] = {
		{ "v1", { (const unsigned char *)V1, sizeof(V1) - 1 }, "", "192.0.2.7", 56324 },
		{ "v1 and more",
		  { (const unsigned char *)V1 "EHLO a\r\n", sizeof(V1) - 1 + 8 },
		  "EHLO a\r\n",
		  "192.0.2.7",
		  56324 },
		{ "v2 and more",
		  { (const unsigned char *)V2 "EHLO a\r\n", sizeof(V2) - 1 + 8 },
		  "EHLO a\r\n",
		  "2001:db8::1",
		  56324 },
		{ "a header is read once",
		  { (const unsigned char *)V1 V1, 2 * (sizeof(V1) - 1) },
		  V1,
		  "192.0.2.7",
		  56324 },
		{ "v2 of the proxy's own",
		  { (const unsigned char *)V2_LOCAL "QUIT\r\n", sizeof(V2_LOCAL) - 1 + 6 },
		  "QUIT\r\n",
		  NULL,
		  0 },
	};
	static const size_t steps[] = { 0, 1, 7 };

	(void)state;
	for (size_t i = 0; i < 3 * (sizeof(cases) / sizeof(cases[0])); i++) {
		struct script script = { cases[i / 3].octets, steps[i % 3], true };
		struct loop *loop = loop_new("test");
		struct met before, met;
		struct side side = { .data = take_all_behind_header,
				     .on_connected = greet,
				     .user = &met };
		struct peer peer;
		int fds[2];

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		stream_expect_proxy(side.stream);
		meet(&before, side.stream);
		assert_string_equal(before.address, "127.0.0.1");
		peer_start(&peer, fds[1], play, &script);
		run_until(loop, is_closed, &side);
		assert_true(side.is_connected);
		assert_span_text(buf_span(&side.got), cases[i / 3].behind);
		assert_string_equal(met.address,
				    cases[i / 3].address ? cases[i / 3].address : before.address);
		assert_int_equal(met.port, cases[i / 3].address ? cases[i / 3].port : before.port);
		assert_int_equal(side.fault.code, -EPIPE);
		assert_int_equal(pthread_join(peer.thread, NULL), 0);
		assert_span_text(buf_span(&peer.got), "220 hello\r\n");
		buf_fini(&peer.got);
		side_fini(&side);
		loop_free(&loop);
	}
}

static size_t never_data(struct side *side, struct span octets)
{
	(void)side;
	(void)octets;
	require(!"data before a header");
	return 0;
}

static void without_a_header_nothing_is_looked_at(void **state)
{
	static char endless[PROXY_OCTETS_MAX * 8];
	const struct {
		const char *name;
		struct script script;
		int code;
		const char *words;
	} cases[] = {
		{ "SMTP", { span_text("EHLO a\r\n"), 0, false }, -EPROTO, "PROXY" },
		{ "SMTP by octets", { span_text("PRO: no\r\n"), 1, false }, -EPROTO, "PROXY" },
		{ "TLS", { span_of("\x16\x03\x01\x02\x00\x01", 6), 0, false }, -EPROTO, "PROXY" },
		{ "line without an end",
		  { span_of(endless, sizeof(endless)), 0, false },
		  -EPROTO,
		  "PROXY" },
		{ "v2 cut", { span_of(V2_LOCAL, 12), 0, true }, -EPIPE, "before its PROXY" },
		{ "cut", { span_of(V1, sizeof(V1) - 2), 0, true }, -EPIPE, "before its PROXY" },
		{ "nothing", { span_of("", 0), 0, true }, -EPIPE, "before its PROXY" },
	};

	(void)state;
	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "PROXY UNKNOWN ", 14);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script script = cases[i].script;
		struct loop *loop = loop_new("test");
		struct side side = { .data = never_data };
		struct peer peer;
		int fds[2];

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		stream_expect_proxy(side.stream);
		stream_resume(side.stream);
		peer_start(&peer, fds[1], play, &script);
		run_until(loop, is_closed, &side);
		assert_false(side.is_connected);
		assert_int_equal(side.fault.code, cases[i].code);
		assert_non_null(strstr(side.fault.text, cases[i].words));
		assert_int_equal(pthread_join(peer.thread, NULL), 0);
		assert_int_equal(peer.got.len, 0);
		buf_fini(&peer.got);
		loop_free(&loop);
	}
}

/* TLS behind a header, its first octets in the same packet */

static void start_tls(struct side *side)
{
	assert_true(stream_start_tls_server(side->stream,
					    &(struct tls_server_conf){ .identity = identity }));
}

struct tls_peer {
	struct peer *peer;
	struct buf held; /* a header, until the first octets of TLS come */
	size_t step;
};

static ssize_t push_with_header(gnutls_transport_ptr_t user, const void *at, size_t n)
{
	struct tls_peer *t = user;
	size_t step;

	buf_put(&t->held, at, n);
	step = t->step ? t->step : t->held.len;
	while (t->held.len) {
		struct span some = span_first(buf_span(&t->held), step);

		require(send(t->peer->fd, some.at, some.len, MSG_NOSIGNAL) == (ssize_t)some.len);
		buf_drop(&t->held, some.len);
		if (t->step)
			usleep(300);
	}
	t->step = 0;
	return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t user, void *at, size_t n)
{
	struct tls_peer *t = user;

	return recv(t->peer->fd, at, n, 0);
}

static void tls_behind_header(struct peer *peer)
{
	const struct script *script = peer->user;
	struct tls_peer t = { .peer = peer, .step = script->step };
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int one = 1;

	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	buf_put_span(&t.held, script->octets);
	gnutls_certificate_allocate_credentials(&credentials);
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_set_default_priority(session);
	gnutls_transport_set_ptr(session, &t);
	gnutls_transport_set_push_function(session, push_with_header);
	gnutls_transport_set_pull_function(session, pull);
	require(gnutls_handshake(session) == 0);
	require(gnutls_record_send(session, "EHLO a\r\n", 8) == 8);
	gnutls_bye(session, GNUTLS_SHUT_WR);
	peer_drain(peer);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	buf_fini(&t.held);
}

static void tls_begins_behind_the_header(void **state)
{
	const struct script scripts[] = {
		{ span_of(V1, sizeof(V1) - 1), 0, true },
		{ span_of(V2, sizeof(V2) - 1), 0, true },
		{ span_of(V1, sizeof(V1) - 1), 1, true },
		{ span_of(V2, sizeof(V2) - 1), 50, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct script script = scripts[i];
		struct loop *loop = loop_new("test");
		struct side side = { .data = take_all_behind_header, .on_connected = start_tls };
		struct peer peer;
		int fds[2];

		tcp_pair(fds);
		side_open(&side, loop, fds[0]);
		stream_expect_proxy(side.stream);
		peer_start(&peer, fds[1], tls_behind_header, &script);
		run_until(loop, is_closed, &side);
		assert_true(side.is_secured);
		assert_span_text(buf_span(&side.got), "EHLO a\r\n");
		assert_int_equal(side.fault.code, -EPIPE);
		peer_join(&peer);
		side_fini(&side);
		loop_free(&loop);
	}
}

static void close_it(struct side *side)
{
	stream_close(side->stream);
}

static void closing_on_the_header_is_safe(void **state)
{
	struct script script = { span_of(V1 "EHLO a\r\n", sizeof(V1) - 1 + 8), 0, false };
	struct loop *loop = loop_new("test");
	struct side side = { .data = never_data, .on_connected = close_it };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	stream_expect_proxy(side.stream);
	peer_start(&peer, fds[1], play, &script);
	run_until(loop, is_closed, &side);
	assert_int_equal(side.fault.code, 0);
	peer_join(&peer);
	loop_free(&loop);
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	identity = tls_identity_load(&certificates.ecdsa, 1, &fault);
	return identity ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&identity);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_read_before_all_else),
		cmocka_unit_test(without_a_header_nothing_is_looked_at),
		cmocka_unit_test(tls_begins_behind_the_header),
		cmocka_unit_test(closing_on_the_header_is_safe),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
