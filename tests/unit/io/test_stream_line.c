/* Handshakes wait for their turn, and who is served already does not wait for them. */
#include "test.h"

#include "certificates.h"
#include "sides.h"
#include "stream_inside.h"

#include <sys/socket.h>
#include <unistd.h>

enum { CROWD = 100, GOES = CROWD / 2 };

static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_trust *trust;

struct crowd {
	struct loop *loop;
	struct side server[CROWD], client[CROWD], here, there;
	unsigned turns_between; /* of the two that talk in plain, while others waited */
	size_t longest;
};

static size_t throw_back(struct side *side, struct span octets)
{
	struct crowd *c = side->user;
	size_t waiting = c->loop->line.count;

	if (waiting) {
		c->turns_between++;
		if (!c->server[GOES].is_closed)
			stream_abort(c->server[GOES].stream);
	}
	if (waiting > c->longest)
		c->longest = waiting;
	stream_write(side->stream, octets);
	return octets.len;
}

static bool all_stand(void *user)
{
	struct crowd *c = user;

	for (int i = 0; i < CROWD; i++)
		if (i != GOES && !(c->server[i].is_secured && c->client[i].is_secured))
			return false;
	return c->server[GOES].is_closed;
}

static bool all_are_closed(void *user)
{
	struct crowd *c = user;

	for (int i = 0; i < CROWD; i++)
		if (!c->server[i].is_closed || !c->client[i].is_closed)
			return false;
	return c->here.is_closed && c->there.is_closed;
}

static void come(struct crowd *c, int i)
{
	int fds[2];

	tcp_pair(fds);
	side_open(&c->server[i], c->loop, fds[0]);
	side_open(&c->client[i], c->loop, fds[1]);
	assert_true(stream_start_tls_server(c->server[i].stream,
					    &(struct tls_server_conf){ .identity = identity }));
	assert_true(stream_start_tls_client(c->client[i].stream, trust, "localhost"));
}

static void talk(struct crowd *c)
{
	int fds[2];

	tcp_pair(fds);
	side_open(&c->here, c->loop, fds[0]);
	side_open(&c->there, c->loop, fds[1]);
	c->here.data = c->there.data = throw_back;
	c->here.user = c->there.user = c;
	stream_write(c->here.stream, span_text("ball"));
}

static void close_all(struct crowd *c)
{
	for (int i = 0; i < CROWD; i++) {
		if (!c->server[i].is_closed)
			stream_close(c->server[i].stream);
		if (!c->client[i].is_closed)
			stream_close(c->client[i].stream);
	}
	stream_close(c->here.stream);
	stream_close(c->there.stream);
	run_until(c->loop, all_are_closed, c);
	for (int i = 0; i < CROWD; i++) {
		side_fini(&c->server[i]);
		side_fini(&c->client[i]);
	}
	side_fini(&c->here);
	side_fini(&c->there);
}

/* A hundred handshakes take more than one turn's time for them on any machine. */
static void a_crowd_does_not_hold_up_who_talks(void **state)
{
	struct crowd c = { .loop = loop_new("test") };

	(void)state;
	talk(&c);
	for (int i = 0; i < CROWD; i++)
		come(&c, i);
	run_until(c.loop, all_stand, &c);
	assert_true(c.longest > 0);
	assert_true(c.turns_between >= 2);
	assert_int_equal(c.loop->line.count, 0);
	close_all(&c);
	loop_free(&c.loop);
}

static void say_part(struct peer *peer)
{
	/* The head of a record that holds a ClientHello, and no more of it. */
	send(peer->fd, "\x16\3\1\2\0\1\0\1\xFC", 9, MSG_NOSIGNAL);
	shutdown(peer->fd, SHUT_WR);
	peer_drain(peer);
}

static void who_leaves_in_the_line_is_let_go(void **state)
{
	struct loop *loop = loop_new("test");
	struct side side = { 0 };
	struct peer peer;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	side_open(&side, loop, fds[0]);
	assert_true(stream_start_tls_server(side.stream,
					    &(struct tls_server_conf){ .identity = identity }));
	peer_start(&peer, fds[1], say_part, NULL);
	run_until(loop, is_closed, &side);
	assert_false(side.is_secured);
	assert_int_not_equal(side.fault.code, 0);
	assert_int_equal(loop->line.count, 0);
	assert_int_equal(side.got.len, 0);
	peer_join(&peer);
	side_fini(&side);
	loop_free(&loop);
}

static void nobody_waits_where_nobody_comes(void **state)
{
	struct loop *loop = loop_new("test");

	(void)state;
	assert_int_equal(loop_wait_ms(loop), 0);
	loop_free(&loop);
}

static int set_up(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	certificates_make(&certificates);
	identity = tls_identity_load(&certificates.ecdsa, 1, &fault);
	trust = tls_trust_load(certificates.ca, &fault);
	return identity && trust ? 0 : -1;
}

static int tear_down(void **state)
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
		cmocka_unit_test(a_crowd_does_not_hold_up_who_talks),
		cmocka_unit_test(who_leaves_in_the_line_is_let_go),
		cmocka_unit_test(nobody_waits_where_nobody_comes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
