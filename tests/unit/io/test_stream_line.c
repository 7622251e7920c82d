/* Handshakes wait for their turn, and who is served already does not wait for them. */
#include "test.h"

#include "certificates.h"
#include "sides.h"
#include "stream_inside.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CROWD = 100, GOES = CROWD / 2 };

static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_trust *trust;

struct crowd {
	struct loop *loop;
	struct side server[CROWD], client[CROWD], here, there, flooded;
	unsigned turns_between; /* of the two that talk in plain, while others waited */
	size_t longest, most_kept;
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
	if (c->flooded.stream && !c->flooded.is_closed &&
	    c->flooded.stream->unused.len > c->most_kept)
		c->most_kept = c->flooded.stream->unused.len;
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

static void say_all_and_leave(struct side *client)
{
	stream_write(client->stream, span_text("all that there is to say"));
	stream_close(client->stream);
}

static bool crowd_is_gone(void *user)
{
	struct crowd *c = user;

	for (int i = 0; i < CROWD; i++)
		if (!c->server[i].is_closed || !c->client[i].is_closed)
			return false;
	return true;
}

/* The end of what a client sends is read before its last flight has had its turn. */
static void who_says_all_and_leaves_is_heard(void **state)
{
	struct crowd c = { .loop = loop_new("test") };

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		come(&c, i);
		c.client[i].on_secured = say_all_and_leave;
	}
	run_until(c.loop, crowd_is_gone, &c);
	for (int i = 0; i < CROWD; i++) {
		assert_true(c.server[i].is_secured);
		assert_int_equal(c.server[i].got.len, strlen("all that there is to say"));
		assert_int_equal(c.server[i].fault.code, -EPIPE);
		side_fini(&c.server[i]);
		side_fini(&c.client[i]);
	}
	loop_free(&c.loop);
}

static void flood(int fd)
{
	static const char rubbish[8 * STREAM_UNUSED];

	/* The head of a record, as long as one may be. */
	send(fd, "\x16\3\1\x40\0", 5, MSG_NOSIGNAL);
	send(fd, rubbish, sizeof(rubbish), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool flooded_is_closed(void *user)
{
	struct crowd *c = user;

	return c->flooded.is_closed && all_stand(user);
}

static void little_is_kept_of_who_waits(void **state)
{
	struct crowd c = { .loop = loop_new("test") };
	int fds[2];

	(void)state;
	talk(&c);
	for (int i = 0; i < CROWD; i++)
		come(&c, i);
	tcp_pair(fds);
	side_open(&c.flooded, c.loop, fds[0]);
	assert_true(stream_start_tls_server(c.flooded.stream,
					    &(struct tls_server_conf){ .identity = identity }));
	flood(fds[1]);
	run_until(c.loop, flooded_is_closed, &c);
	assert_true(c.most_kept > 0);
	assert_in_range(c.most_kept, 1, 2 * STREAM_UNUSED);
	close_all(&c);
	side_fini(&c.flooded);
	close(fds[1]);
	loop_free(&c.loop);
}

/* All of a whole read is plain, and STARTTLS stands at its end; what comes behind it is read in the same turn. */
static size_t start_tls(struct side *side, struct span octets)
{
	size_t *seen = side->user;

	*seen += octets.len;
	stream_resume(side->stream);
	if (*seen == LOOP_READ_OCTETS)
		stream_start_tls_server(side->stream,
					&(struct tls_server_conf){ .identity = identity });
	return octets.len;
}

static void what_is_plain_behind_a_whole_read_is_not_given(void **state)
{
	static const char plain[LOOP_READ_OCTETS + 6];
	struct loop *loop = loop_new("test");
	struct side side = { .data = start_tls };
	const int room = 4 * LOOP_READ_OCTETS;
	size_t seen = 0;
	int fds[2];

	(void)state;
	side.user = &seen;
	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(send(fds[1], plain, sizeof(plain), 0), sizeof(plain));
	side_open(&side, loop, fds[0]);
	run_until(loop, is_closed, &side);
	assert_int_equal(seen, LOOP_READ_OCTETS);
	assert_int_equal(side.fault.code, -EPROTO);
	close(fds[1]);
	side_fini(&side);
	loop_free(&loop);
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
		cmocka_unit_test(who_says_all_and_leaves_is_heard),
		cmocka_unit_test(little_is_kept_of_who_waits),
		cmocka_unit_test(what_is_plain_behind_a_whole_read_is_not_given),
		cmocka_unit_test(nobody_waits_where_nobody_comes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
