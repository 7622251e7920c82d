#include "test.h"

#include "base/mem.h"
#include "base/require.h"
#include "io/dial.h"
#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Dialling and listening, one against the other. */
struct caller {
	struct loop *loop;
	struct lane *lane;
	struct dial *dial;
	struct stream *stream;
	struct fault fault;
	bool is_done, is_connected, is_closed;
};

struct server {
	struct loop *loop;
	struct listener *listeners[2];
	unsigned accepted, stop_at;
	int last_fd;
};

static int port_of(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	require(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
	return ntohs(((struct sockaddr_in *)(void *)&own)->sin_port);
}

static size_t on_data(void *user, struct span octets)
{
	(void)user;
	return octets.len;
}

static void on_connected(void *user)
{
	struct caller *c = user;

	require(c->is_done && c->stream);
	c->is_connected = true;
}

static void on_closed(void *user, const struct fault *fault)
{
	struct caller *c = user;

	(void)fault;
	c->is_closed = true;
}

static const struct stream_ops ops = { .data = on_data,
				       .connected = on_connected,
				       .closed = on_closed };

static void on_done(void *user, struct stream *stream, const struct fault *fault)
{
	struct caller *c = user;

	require(!c->is_done && (stream == NULL) == (fault != NULL));
	c->is_done = true;
	c->dial = NULL;
	c->stream = stream;
	if (fault)
		c->fault = *fault;
	loop_stop(c->loop);
}

static void caller_init(struct caller *c)
{
	*c = (struct caller){ .loop = loop_new("caller"), .lane = lane_new("lookup", 1) };
}

static void caller_fini(struct caller *c)
{
	lane_free(&c->lane);
	loop_free(&c->loop);
}

static void call(struct caller *c, const char *host, int port)
{
	const struct dial_conf conf = { .loop = c->loop,
					.lane = c->lane,
					.host = host,
					.port = port,
					.connect_ms = 10000,
					.ops = &ops,
					.user = c,
					.done = on_done };

	c->dial = dial_start(&conf);
	require(!c->is_done);
}

static void keep(void *user, int fd)
{
	struct server *s = user;

	require(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	require(fcntl(fd, F_GETFL) & O_NONBLOCK);
	if (s->last_fd > 0)
		close(s->last_fd);
	s->last_fd = fd;
	if (++s->accepted == s->stop_at)
		loop_stop(s->loop);
}

static int listen_anywhere(const char *address, int *fd)
{
	struct fault fault = { 0 };

	require(listen_bind(address, 0, fd, 1, true, &fault) == 1);
	return port_of(*fd);
}

static void call_reaches_listener(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct caller c;
		struct server s = { .stop_at = 1 };
		int fd, port = listen_anywhere("127.0.0.1", &fd);

		caller_init(&c);
		s.loop = c.loop;
		s.listeners[0] = listen_start(c.loop, fd, keep, &s);
		call(&c, hosts[i], port);
		loop_run(c.loop);
		if (!c.is_done || !s.accepted)
			loop_run(c.loop);
		assert_non_null(c.stream);
		assert_true(c.is_connected);
		assert_string_equal(stream_peer_address(c.stream), "127.0.0.1");
		assert_int_equal(stream_peer_port(c.stream), port);
		stream_abort(c.stream);
		listen_stop(&s.listeners[0]);
		assert_null(s.listeners[0]);
		caller_fini(&c);
		assert_true(c.is_closed);
		close(s.last_fd);
	}
}

static void failures_name_host_address_and_port(void **state)
{
	static const struct {
		const char *host, *words;
		int code; /* 0: any */
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1: Connection refused", -ECONNREFUSED },
		{ "localhost", "127.0.0.1: Connection refused", -ECONNREFUSED },
		{ "no such name", "no such name", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caller c;
		int fd, port = listen_anywhere("127.0.0.1", &fd);
		char number[16];

		close(fd);
		caller_init(&c);
		call(&c, cases[i].host, port);
		loop_run(c.loop);
		assert_true(c.is_done && c.stream == NULL);
		assert_non_null(strstr(c.fault.text, cases[i].words));
		assert_non_null(strstr(c.fault.text, cases[i].host));
		snprintf(number, sizeof(number), "port %d", port);
		if (cases[i].code) {
			assert_int_equal(c.fault.code, cases[i].code);
			assert_non_null(strstr(c.fault.text, number));
		}
		assert_true(c.fault.code < 0);
		caller_fini(&c);
	}
}

static void stop_loop(struct work *work)
{
	struct loop **at = (struct loop **)(void *)(work + 1);

	loop_stop(*at);
}

/* At once, after the look-up, and after the connection would stand. */
static void cancelled_dial_says_nothing(void **state)
{
	(void)state;
	for (int turns = 0; turns < 3; turns++) {
		struct caller c;
		struct {
			struct work work;
			struct loop *loop;
		} stop;
		int fd, port = listen_anywhere("127.0.0.1", &fd);

		caller_init(&c);
		stop.work.run = stop_loop;
		stop.loop = c.loop;
		call(&c, "127.0.0.1", port);
		for (int i = 0; i < turns && !c.is_done; i++) {
			loop_post(c.loop, &stop.work);
			loop_run(c.loop);
		}
		if (!c.is_done) {
			dial_cancel(&c.dial);
			assert_null(c.dial);
		} else {
			stream_abort(c.stream);
		}
		lane_free(&c.lane);
		loop_post(c.loop, &stop.work);
		loop_run(c.loop);
		caller_fini(&c);
		close(fd);
	}
}

/* A listener whose queue is full answers no SYN: the dial ends at its own deadline. */
static void silent_peer_ends_at_the_deadline(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[4];
	socklen_t len = sizeof(at);
	struct dial_conf conf;
	struct caller c;

	(void)state;
	require(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 0) == 0);
	require(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	for (int i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fillers[i], (struct sockaddr *)&at, len);
	}
	caller_init(&c);
	conf = (struct dial_conf){ .loop = c.loop,
				   .lane = c.lane,
				   .host = "127.0.0.1",
				   .port = ntohs(at.sin_port),
				   .connect_ms = 50,
				   .ops = &ops,
				   .user = &c,
				   .done = on_done };
	c.dial = dial_start(&conf);
	loop_run(c.loop);
	assert_int_equal(c.fault.code, -ETIMEDOUT);
	assert_non_null(strstr(c.fault.text, "timed out"));
	caller_fini(&c);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
}

/* Listening */

static void all_addresses_share_a_port(void **state)
{
	struct fault fault = { 0 };
	int fds[4], again[4], count, more;

	(void)state;
	count = listen_bind(NULL, 0, fds, 4, true, &fault);
	assert_true(count == 1 || count == 2);
	if (count == 2)
		assert_int_equal(port_of(fds[0]), port_of(fds[1]));
	/* A second loop takes a share. */
	more = listen_bind(NULL, port_of(fds[0]), again, 4, false, &fault);
	assert_int_equal(more, count);
	for (int i = 0; i < count; i++) {
		close(fds[i]);
		close(again[i]);
	}
}

static void taken_port_is_explained(void **state)
{
	struct fault fault = { 0 };
	int fd, other[2], port = listen_anywhere("127.0.0.1", &fd);
	char number[16];

	(void)state;
	snprintf(number, sizeof(number), "port %d", port);
	assert_int_equal(listen_bind("127.0.0.1", port, other, 2, true, &fault), -EADDRINUSE);
	assert_int_equal(fault.code, -EADDRINUSE);
	assert_non_null(strstr(fault.text, number));
	assert_non_null(strstr(fault.text, "in use"));
	close(fd);
	assert_int_equal(listen_bind("127.0.0.1", port, other, 2, true, &fault), 1);
	close(other[0]);
	assert_int_equal(listen_bind("192.0.2.1", 0, other, 2, true, &fault), -EADDRNOTAVAIL);
	assert_non_null(strstr(fault.text, "192.0.2.1"));
	assert_int_equal(listen_bind("300.1.1.1", 0, other, 2, true, &fault), -EINVAL);
}

struct crowd {
	int port, fds[200];
};

static void *connect_all(void *arg)
{
	struct crowd *crowd = arg;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)crowd->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (int i = 0; i < 200; i++) {
		crowd->fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		require(connect(crowd->fds[i], (struct sockaddr *)&to, sizeof(to)) == 0);
	}
	return NULL;
}

static void crowd_is_accepted(void **state)
{
	struct loop *loop = loop_new("test");
	struct server s = { .loop = loop, .stop_at = 200 };
	struct crowd crowd;
	pthread_t thread;
	int fd;

	(void)state;
	crowd.port = listen_anywhere("127.0.0.1", &fd);
	s.listeners[0] = listen_start(loop, fd, keep, &s);
	pthread_create(&thread, NULL, connect_all, &crowd);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(s.accepted, 200);
	listen_stop(&s.listeners[0]);
	loop_free(&loop);
	for (int i = 0; i < 200; i++)
		close(crowd.fds[i]);
	close(s.last_fd);
}

/* Descriptors run out, come back, and nothing spun in between. */
static struct rlimit before;

static void give_back(struct timer *timer)
{
	(void)timer;
	setrlimit(RLIMIT_NOFILE, &before);
}

static void lack_of_descriptors_pauses(void **state)
{
	struct loop *loop = loop_new("test");
	struct server s = { .loop = loop, .stop_at = 1 };
	struct timer later = { .fire = give_back };
	struct rlimit few;
	struct rusage start, end;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, clients[8], highest;
	long used_us;

	(void)state;
	to.sin_port = htons((uint16_t)listen_anywhere("127.0.0.1", &fd));
	s.listeners[0] = listen_start(loop, fd, keep, &s);
	for (int i = 0; i < 8; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(clients[i], (struct sockaddr *)&to, sizeof(to)), 0);
	}
	highest = dup(fd);
	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ (rlim_t)highest, before.rlim_max };
	close(highest);
	/* Every number below is taken, but perhaps for holes. */
	int holes[64], count = 0;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < 64 && (holes[count] = dup(fd)) >= 0)
		count++;
	timer_set(loop, &later, 250);
	getrusage(RUSAGE_SELF, &start);
	loop_run(loop);
	getrusage(RUSAGE_SELF, &end);
	used_us = (end.ru_utime.tv_sec - start.ru_utime.tv_sec +
		   (end.ru_stime.tv_sec - start.ru_stime.tv_sec)) *
			  1000000 +
		  end.ru_utime.tv_usec - start.ru_utime.tv_usec + end.ru_stime.tv_usec -
		  start.ru_stime.tv_usec;
	assert_true(s.accepted >= 1);
	assert_true(used_us < 100000);
	listen_stop(&s.listeners[0]);
	loop_free(&loop);
	while (count)
		close(holes[--count]);
	for (int i = 0; i < 8; i++)
		close(clients[i]);
	close(s.last_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_reaches_listener),
		cmocka_unit_test(failures_name_host_address_and_port),
		cmocka_unit_test(cancelled_dial_says_nothing),
		cmocka_unit_test(silent_peer_ends_at_the_deadline),
		cmocka_unit_test(all_addresses_share_a_port),
		cmocka_unit_test(taken_port_is_explained),
		cmocka_unit_test(crowd_is_accepted),
		cmocka_unit_test(lack_of_descriptors_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
