/* Frames on a worker's socket, however they come. */
#include "test.h"

#include "auth/frame.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct ends {
	int far;
	struct wire near;
};

static struct ends ends_open(void)
{
	struct ends e = { 0 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	e.far = fds[0];
	e.near.fd = fds[1];
	memset(buf_room(&e.near.in, 1), 0, 1);
	memset(e.near.in.at, 0, e.near.in.cap);
	return e;
}

static void ends_close(struct ends *e)
{
	close(e->far);
	close(e->near.fd);
	wire_fini(&e->near);
}

static void put(int fd, const char *octets, size_t n)
{
	assert_int_equal(send(fd, octets, n, 0), n);
}

static void several_come_at_once(void **state)
{
	struct ends e = ends_open();
	struct span frame;

	(void)state;
	assert_false(wire_has_frame(&e.near));
	put(e.far, "\3\0\0\0one\0\0\0\0\5\0\0\0th", 17);
	assert_int_equal(wire_read(&e.near, &frame), 1);
	assert_span_text(frame, "one");
	assert_true(wire_has_frame(&e.near));
	assert_int_equal(wire_read(&e.near, &frame), 1);
	assert_int_equal(frame.len, 0);
	assert_false(wire_has_frame(&e.near));
	put(e.far, "ree", 3);
	assert_int_equal(wire_read(&e.near, &frame), 1);
	assert_span_text(frame, "three");
	ends_close(&e);
}

static bool holds(const struct wire *w, const char *text)
{
	return memmem(w->in.at, w->in.cap, text, strlen(text)) != NULL;
}

/* By the next frame, or before, since that may be long in coming. */
static void what_was_taken_is_wiped(void **state)
{
	(void)state;
	for (int is_forgotten = 0; is_forgotten < 2; is_forgotten++) {
		struct ends e = ends_open();
		struct span frame;

		put(e.far, "\6\0\0\0secret\3\0\0\0two", 17);
		assert_int_equal(wire_read(&e.near, &frame), 1);
		assert_span_text(frame, "secret");
		if (is_forgotten) {
			wire_forget(&e.near);
			assert_false(holds(&e.near, "secret"));
			assert_true(wire_has_frame(&e.near));
		}
		assert_int_equal(wire_read(&e.near, &frame), 1);
		assert_false(holds(&e.near, "secret"));
		assert_span_text(frame, "two");
		ends_close(&e);
	}
}

/* Frames of passwords, each of a letter of its own. The first two fill most of the buffer, so that
 * the front of the third must make room for its rest. */
static const struct {
	size_t octets;
	char letter;
} secrets[] = { { 5000, 'a' }, { 3500, 'b' }, { 3000, 'c' }, { 0, 'd' }, { 1, 'e' }, { 300, 'f' } };

enum { SECRETS = sizeof(secrets) / sizeof(secrets[0]), SECRETS_OCTETS = 11801 + 4 * SECRETS };

static void lay_out_secrets(char *to)
{
	for (size_t i = 0; i < SECRETS; i++) {
		const size_t n = secrets[i].octets;

		*to++ = (char)(n & 0xFF);
		*to++ = (char)(n >> 8);
		*to++ = 0;
		*to++ = 0;
		memset(to, secrets[i].letter, n);
		to += n;
	}
}

static void assert_no_secret(struct span in)
{
	for (size_t i = 0; i < SECRETS; i++) {
		char run[8];

		memset(run, secrets[i].letter, sizeof(run));
		if (in.len)
			assert_null(memmem(in.at, in.len, run, sizeof(run)));
	}
}

/* Before and behind what the wire has still to give. */
static void assert_no_copies(const struct wire *w)
{
	const struct buf *in = &w->in;

	assert_no_secret(span_of(in->at, in->from));
	assert_no_secret(span_of(in->at + in->from + in->len, in->cap - in->from - in->len));
}

/* Takes what is whole. Returns how many secrets were taken till then. */
static size_t take_secrets(struct wire *w, size_t taken)
{
	struct span frame;
	int r;

	while ((r = wire_read(w, &frame)) == 1) {
		assert_in_range(taken, 0, SECRETS - 1);
		assert_int_equal(frame.len, secrets[taken].octets);
		for (size_t i = 0; i < frame.len; i++)
			if (frame.at[i] != secrets[taken].letter)
				fail();
		taken++;
		wire_forget(w);
		assert_no_copies(w);
	}
	assert_int_equal(r, -EAGAIN);
	return taken;
}

static void feed_secrets(const char *octets, size_t first, size_t step)
{
	struct ends e = ends_open();
	size_t taken = 0, sent = 0;

	assert_int_equal(fcntl(e.near.fd, F_SETFL, O_NONBLOCK), 0);
	while (sent < SECRETS_OCTETS) {
		size_t n = sent == 0 && first ? first : step;

		if (n > SECRETS_OCTETS - sent)
			n = SECRETS_OCTETS - sent;
		put(e.far, octets + sent, n);
		sent += n;
		taken = take_secrets(&e.near, taken);
	}
	assert_int_equal(taken, SECRETS);
	assert_int_equal(e.near.in.len, 0);
	ends_close(&e);
}

/* And nothing of a frame that was taken stays in memory, wherever it stood. */
static void frames_come_in_any_parts(void **state)
{
	static char octets[SECRETS_OCTETS];

	(void)state;
	lay_out_secrets(octets);
	for (size_t cut = 0; cut < SECRETS_OCTETS; cut += 7)
		feed_secrets(octets, cut, SECRETS_OCTETS);
	for (size_t step = 1; step < SECRETS_OCTETS; step = step * 5 / 3 + 1)
		feed_secrets(octets, 0, step);
}

static void an_end_is_told_from_a_break(void **state)
{
	struct ends e = ends_open();
	struct span frame;

	(void)state;
	assert_int_equal(shutdown(e.far, SHUT_WR), 0);
	assert_int_equal(wire_read(&e.near, &frame), 0);
	ends_close(&e);
	for (size_t n = 1; n < 7; n++) {
		e = ends_open();
		put(e.far, "\3\0\0\0one", n);
		assert_int_equal(shutdown(e.far, SHUT_WR), 0);
		assert_int_equal(wire_read(&e.near, &frame), -EPIPE);
		ends_close(&e);
	}
}

static void a_frame_is_bounded(void **state)
{
	struct ends e = ends_open();
	struct span frame;

	(void)state;
	put(e.far, "\1\0\1\0x", 5); /* 65,537 */
	assert_int_equal(wire_read(&e.near, &frame), -EINVAL);
	ends_close(&e);
}

static void the_largest_goes_through(void **state)
{
	static char octets[AUTH_FRAME_OCTETS_MAX];
	struct ends e = ends_open();
	struct wire far = { .fd = e.far };
	struct span frame;

	(void)state;
	memset(octets, 'x', sizeof(octets));
	assert_int_equal(wire_write(&far, span_of(octets, sizeof(octets))), 0);
	assert_int_equal(wire_read(&e.near, &frame), 1);
	assert_int_equal(frame.len, sizeof(octets));
	assert_memory_equal(frame.at, octets, sizeof(octets));
	ends_close(&e);
}

/* The other side wakes once for it. */
static void a_frame_is_one_write(void **state)
{
	struct wire far;
	char got[16];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	far = (struct wire){ .fd = fds[0] };
	assert_int_equal(wire_write(&far, span_text("answer")), 0);
	assert_int_equal(recv(fds[1], got, sizeof(got), 0), 10);
	assert_memory_equal(got, "\6\0\0\0answer", 10);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_come_at_once),
		cmocka_unit_test(what_was_taken_is_wiped),
		cmocka_unit_test(frames_come_in_any_parts),
		cmocka_unit_test(an_end_is_told_from_a_break),
		cmocka_unit_test(a_frame_is_bounded),
		cmocka_unit_test(the_largest_goes_through),
		cmocka_unit_test(a_frame_is_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
