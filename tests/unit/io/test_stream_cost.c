/* What a stream costs in system calls, segments and memory. */
#include "test.h"

#include "certificates.h"
#include "segments.h"
#include "sides.h"
#include "stream_inside.h"
#include "wipe.h"

#include <dlfcn.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_trust *trust;

static int watched; /* the descriptor of which calls are counted */
static unsigned sends, controls, options;
static bool was_for_more; /* the last of them */

ssize_t send(int fd, const void *at, size_t n, int flags)
{
	static ssize_t (*theirs)(int, const void *, size_t, int);

	if (theirs == NULL)
		*(void **)&theirs = dlsym(RTLD_NEXT, "send");
	if (fd == watched) {
		sends++;
		was_for_more = flags & MSG_MORE;
	}
	return theirs(fd, at, n, flags);
}

int setsockopt(int fd, int level, int name, const void *at, socklen_t n)
{
	static int (*theirs)(int, int, int, const void *, socklen_t);

	if (theirs == NULL)
		*(void **)&theirs = dlsym(RTLD_NEXT, "setsockopt");
	options += fd == watched;
	return theirs(fd, level, name, at, n);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	static int (*theirs)(int, int, int, struct epoll_event *);

	if (theirs == NULL)
		*(void **)&theirs = dlsym(RTLD_NEXT, "epoll_ctl");
	controls += fd == watched;
	return theirs(epoll, op, fd, event);
}

struct burst {
	struct side server, client;
	unsigned asked, answers; /* how often each heard something */
};

static const char line[] = "250 2.0.0 ok\r\n";
enum { LINES = 10, LINE = sizeof(line) - 1 };

/* Two streams write into one turn, each in small pieces. */
static size_t answer(struct side *side, struct span octets)
{
	struct burst *b = side->user;

	b->asked++;
	for (int i = 0; i < LINES; i++)
		stream_write(side->stream, span_text(line));
	return octets.len;
}

static size_t hear(struct side *side, struct span octets)
{
	struct burst *b = side->user;

	b->answers++;
	buf_put_span(&side->got, octets);
	return octets.len;
}

static void ask(struct side *side)
{
	stream_write(side->stream, span_text("MAIL FROM:<>\r\n"));
	stream_write(side->stream, span_text("RCPT TO:<a@example.org>\r\n"));
}

static bool has_answer(void *user)
{
	const struct burst *b = user;

	return b->client.got.len >= LINES * LINE;
}

static bool is_calm(void *user)
{
	const struct burst *b = user;

	return b->client.is_secured && b->server.is_secured &&
	       stream_unsent(b->client.stream) == 0 && stream_unsent(b->server.stream) == 0;
}

static void burst_open(struct burst *b, struct loop *loop)
{
	int fds[2];

	*b = (struct burst){ .server.data = answer, .client.data = hear };
	b->server.user = b->client.user = b;
	tcp_pair(fds);
	side_open(&b->server, loop, fds[0]);
	side_open(&b->client, loop, fds[1]);
	assert_true(stream_start_tls_server(b->server.stream,
					    &(struct tls_server_conf){ .identity = identity }));
	assert_true(stream_start_tls_client(b->client.stream, trust, "localhost"));
	run_until(loop, is_calm, b);
}

static void burst_close(struct burst *b, struct loop *loop)
{
	stream_abort(b->server.stream);
	stream_abort(b->client.stream);
	run_until(loop, is_closed, &b->server);
	run_until(loop, is_closed, &b->client);
	side_fini(&b->client);
}

static void group_of_replies_is_one_record_and_one_call(void **state)
{
	struct loop *loop = loop_new("test");
	struct burst b;

	(void)state;
	burst_open(&b, loop);
	watched = b.server.stream->fd;
	ask(&b.client);
	/* The first answer may bring a session ticket besides. */
	run_until(loop, has_answer, &b);
	buf_clear(&b.client.got);
	b.asked = b.answers = sends = controls = 0;
	ask(&b.client);
	run_until(loop, has_answer, &b);
	assert_int_equal(b.asked, 1);
	assert_int_equal(b.answers, 1);
	assert_int_equal(sends, 1);
	assert_int_equal(controls, 0);
	burst_close(&b, loop);
	loop_free(&loop);
}

static void idle_stream_keeps_no_buffer(void **state)
{
	struct loop *loop = loop_new("test");
	struct burst b;

	(void)state;
	burst_open(&b, loop);
	ask(&b.client);
	run_until(loop, has_answer, &b);
	run_until(loop, is_calm, &b);
	assert_null(b.server.stream->plain.at);
	assert_null(b.server.stream->wire.at);
	assert_null(b.server.stream->sending.at);
	assert_null(b.server.stream->unused.at);
	burst_close(&b, loop);
	loop_free(&loop);
}

static void close_when_told(struct peer *peer)
{
	peer_drain(peer);
	*(unsigned *)peer->user = segments_in(peer->fd) - *(unsigned *)peer->user;
}

static void last_reply_and_end_are_one_segment(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { 0 };
	struct peer peer;
	unsigned segments;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	segments = segments_in(fds[1]);
	watched = fds[0];
	sends = controls = 0;
	side_open(&side, loop, fds[0]);
	stream_write(side.stream, span_text("221 2.0.0 bye\r\n"));
	stream_close(side.stream);
	peer_start(&peer, fds[1], close_when_told, &segments);
	run_until(loop, is_closed, &side);
	peer_join(&peer);
	assert_int_equal(side.fault.code, 0);
	assert_int_equal(sends, 1);
	assert_int_equal(segments, 1);
	/* Watched and let go, nothing between. */
	assert_int_equal(controls, 2);
	loop_free(&loop);
}

static unsigned char content[100 * 1024];

static bool has_content(void *user)
{
	const struct side *side = user;

	return side->got.len >= sizeof(content);
}

/* A content and, in the same turn, its end, or not. The socket has room for both. */
static void send_content(struct loop *loop, const char *end, struct side *from, struct side *to)
{
	const int room = 4 * sizeof(content);
	int fds[2];

	*from = *to = (struct side){ 0 };
	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	side_open(from, loop, fds[0]);
	side_open(to, loop, fds[1]);
	watched = fds[0];
	sends = options = 0;
	stream_write(from->stream, span_of(content, sizeof(content)));
	stream_write(from->stream, span_text(end));
}

static void end_contents(struct loop *loop, struct side *from, struct side *to)
{
	stream_abort(from->stream);
	stream_abort(to->stream);
	run_until(loop, is_closed, from);
	run_until(loop, is_closed, to);
	side_fini(to);
}

static void content_goes_to_the_socket_uncopied(void **state)
{
	struct loop *loop = loop_new("test");
	struct side from, to;

	(void)state;
	send_content(loop, ".\r\n", &from, &to);
	assert_int_equal(sends, 1);
	assert_int_equal(stream_unsent(from.stream), 3);
	/* The end goes with the last segment. */
	assert_true(was_for_more);
	run_until(loop, has_content, &to);
	assert_int_equal(sends, 2);
	assert_false(was_for_more);
	assert_int_equal(options, 0);
	end_contents(loop, &from, &to);
	loop_free(&loop);
}

static void content_without_an_end_is_not_held_back(void **state)
{
	struct loop *loop = loop_new("test");
	struct side from, to;

	(void)state;
	send_content(loop, "", &from, &to);
	assert_int_equal(stream_unsent(from.stream), 0);
	run_until(loop, has_content, &to);
	assert_int_equal(sends, 1);
	assert_int_equal(options, 1);
	end_contents(loop, &from, &to);
	loop_free(&loop);
}

enum { PAIRS = 40, SHORT = 7, LONG = 20000, MIXED = PAIRS * (SHORT + LONG) };

struct reader {
	int fd;
	struct buf got;
};

/* All that has come. */
static bool has_mixed(void *user)
{
	struct reader *peer = user;
	const int on = 1;
	ssize_t n;

	/* What was read makes room at once. */
	setsockopt(peer->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	while ((n = recv(peer->fd, buf_room(&peer->got, LONG), LONG, MSG_DONTWAIT)) > 0)
		buf_grew(&peer->got, (size_t)n);
	return peer->got.len == MIXED;
}

/* The socket takes some of it at once; the rest waits here and with libuv, also when there is room again. */
static void long_and_short_writes_keep_their_order(void **state)
{
	struct loop *loop = loop_new("test");
	const int room = 4096;
	struct buf sent = { 0 };
	struct side from = { 0 };
	struct reader peer = { 0 };
	int fds[2];

	(void)state;
	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	side_open(&from, loop, fds[0]);
	peer.fd = fds[1];
	for (unsigned i = 0; i < MIXED; i++)
		buf_put_char(&sent, (char)(i * 7 % 251));
	for (struct span left = buf_span(&sent); left.len; left = span_from(left, SHORT + LONG)) {
		if (left.len == MIXED / 2) {
			assert_true(stream_unsent(from.stream) > 0);
			assert_false(has_mixed(&peer));
		}
		stream_write(from.stream, span_first(left, SHORT));
		stream_write(from.stream, span_first(span_from(left, SHORT), LONG));
	}
	run_until(loop, has_mixed, &peer);
	assert_true(span_eq(buf_span(&peer.got), buf_span(&sent)));
	stream_abort(from.stream);
	run_until(loop, is_closed, &from);
	close(peer.fd);
	buf_fini(&peer.got);
	buf_fini(&sent);
	loop_free(&loop);
}

static int setup(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	certificates_make(&certificates);
	identity = tls_identity_load(&certificates.ecdsa, 1, &fault);
	trust = tls_trust_load(certificates.ca, &fault);
	return identity && trust ? 0 : -1;
}

/* Of n octets 'x' that were put into a lent buf, used up to the last and given back: those that are still
 * there when it is lent again. */
static size_t left_of(struct loop *loop, size_t n)
{
	struct buf b = { 0 };
	size_t left = 0;

	loop_lend(loop, &b);
	memset(buf_room(&b, n), 'x', n);
	buf_grew(&b, n);
	b.from += n - 1;
	b.len = 1;
	loop_return(loop, &b);
	loop_lend(loop, &b);
	assert_true(b.cap >= n);
	for (size_t i = 0; i < n; i++)
		left += b.at[i] == 'x';
	buf_clear(&b);
	loop_return(loop, &b);
	return left;
}

static void what_may_be_a_login_is_wiped(void **state)
{
	struct loop *loop = loop_new("test");

	(void)state;
	assert_int_equal(left_of(loop, WIPE_OCTETS + 100), 100);
	assert_int_equal(left_of(loop, WIPE_OCTETS - 1), 0);
	assert_int_equal(left_of(loop, 1), 0);
	loop_free(&loop);
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
		cmocka_unit_test(group_of_replies_is_one_record_and_one_call),
		cmocka_unit_test(idle_stream_keeps_no_buffer),
		cmocka_unit_test(last_reply_and_end_are_one_segment),
		cmocka_unit_test(content_goes_to_the_socket_uncopied),
		cmocka_unit_test(content_without_an_end_is_not_held_back),
		cmocka_unit_test(long_and_short_writes_keep_their_order),
		cmocka_unit_test(what_may_be_a_login_is_wiped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
