#include "test.h"

#include "base/buf.h"
#include "base/require.h"
#include "io/log.h"
#include "log_sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The log writes to stderr, which is a pipe here. */
struct capture {
	int saved, from;
	struct buf text;
	pthread_t reader;
};

static void capture_start(struct capture *c)
{
	int ends[2];

	*c = (struct capture){ .saved = dup(STDERR_FILENO) };
	require(pipe2(ends, O_CLOEXEC) == 0);
	require(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
	c->from = ends[0];
}

static void *read_all(void *arg)
{
	struct capture *c = arg;
	ssize_t n;

	while ((n = read(c->from, buf_room(&c->text, 65536), 65536)) > 0)
		buf_grew(&c->text, (size_t)n);
	return NULL;
}

static void capture_read(struct capture *c)
{
	require(pthread_create(&c->reader, NULL, read_all, c) == 0);
}

/* Gives stderr back; the text is whole then. */
static char *capture_end(struct capture *c)
{
	require(dup2(c->saved, STDERR_FILENO) >= 0);
	close(c->saved);
	pthread_join(c->reader, NULL);
	close(c->from);
	return buf_take_text(&c->text);
}

static void put(struct log *log, enum log_level level, const char *event, int64_t n)
{
	struct logline line;

	logline_start(&line, level, event);
	logline_number(&line, "n", n);
	log_put(log, &line);
}

static void lines_have_time_level_and_text(void **state)
{
	struct capture c;
	struct log *log;
	char *text, level[8], event[16];
	int year, month, day, hour, minute, second, ms, n, used;
	const char *at;

	(void)state;
	capture_start(&c);
	capture_read(&c);
	log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	assert_true(log_wants(log, LOG_LEVEL_ERROR));
	assert_true(log_wants(log, LOG_LEVEL_INFO));
	assert_false(log_wants(log, LOG_LEVEL_DEBUG));
	put(log, LOG_LEVEL_INFO, "accept", 1);
	put(log, LOG_LEVEL_DEBUG, "hidden", 2);
	put(log, LOG_LEVEL_WARN, "login", 3);
	put(log, LOG_LEVEL_ERROR, "spool", 4);
	log_free(&log);
	assert_null(log);
	text = capture_end(&c);
	at = text;
	for (int i = 0; i < 3; i++) {
		static const char *const levels[] = { "info", "warn", "error" };
		static const char *const events[] = { "event=accept", "event=login",
						      "event=spool" };

		assert_int_equal(sscanf(at, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %7s %15s n=%d\n%n", &year,
					&month, &day, &hour, &minute, &second, &ms, level, event,
					&n, &used),
				 10);
		assert_true(year >= 2024 && month <= 12 && day <= 31);
		assert_string_equal(level, levels[i]);
		assert_string_equal(event, events[i]);
		assert_int_equal(at[23], 'Z');
		at += used;
	}
	assert_int_equal(*at, '\0');
	free(text);
}

/* Nobody reads the pipe: the writer is stuck, the ring fills, and what is dropped is counted. */
static void dropped_lines_are_counted(void **state)
{
	enum { LINES = 60000 };
	unsigned written = 0, dropped = 0, sum = 0;
	int64_t last = -1, n;
	struct capture c;
	struct log *log;
	char *text;

	(void)state;
	capture_start(&c);
	log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	for (int64_t i = 0; i < LINES; i++)
		put(log, LOG_LEVEL_INFO, "line-of-some-length-so-that-the-ring-is-full-soon", i);
	capture_read(&c);
	log_free(&log);
	text = capture_end(&c);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *event = strstr(line, "event=");

		assert_non_null(event);
		if (sscanf(event, "event=log-dropped lines=%u", &dropped) == 1) {
			assert_non_null(strstr(line, " warn "));
			sum += dropped;
			continue;
		}
		assert_int_equal(sscanf(strstr(event, "n="), "n=%ld", &n), 1);
		assert_true(n > last);
		last = n;
		written++;
	}
	assert_true(sum > 0);
	assert_true(written > 0);
	assert_int_equal(written + sum, LINES);
	free(text);
}

static struct log *shared;

static void *put_many(void *arg)
{
	for (int i = 0; i < 1000; i++)
		put(shared, LOG_LEVEL_INFO, arg, i);
	return NULL;
}

static void threads_share_one_log(void **state)
{
	static char names[4][8] = { "a", "b", "c", "d" };
	pthread_t threads[4];
	struct capture c;
	unsigned lines = 0;
	char *text;

	(void)state;
	capture_start(&c);
	capture_read(&c);
	shared = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, put_many, names[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_free(&shared);
	text = capture_end(&c);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 4000);
	free(text);
}

/* What the pipe holds now. */
static int octets_written(const struct capture *c)
{
	int n;

	require(ioctl(c->from, FIONREAD, &n) == 0);
	return n;
}

static void all_is_written_after_a_flush(void **state)
{
	struct capture c;
	struct log *log;
	int before = 0, after;
	char *text;

	(void)state;
	capture_start(&c);
	log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	assert_true(log_flush(log, 60000));
	for (int i = 0; i < 100; i++) {
		put(log, LOG_LEVEL_INFO, "first", i);
		put(log, LOG_LEVEL_INFO, "second", i);
		assert_true(log_flush(log, 60000));
		after = octets_written(&c);
		assert_true(after > before + 60);
		assert_true(log_flush(log, 60000));
		assert_int_equal(octets_written(&c), after);
		before = after;
	}
	capture_read(&c);
	log_free(&log);
	text = capture_end(&c);
	assert_int_equal(strlen(text), before);
	free(text);
}

/* The pipe is full, and nobody reads. */
static void a_flush_ends_though_nobody_reads(void **state)
{
	struct capture c;
	struct log *log;

	(void)state;
	capture_start(&c);
	log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	for (int i = 0; i < 3000; i++)
		put(log, LOG_LEVEL_INFO, "more-than-a-pipe-holds", i);
	assert_false(log_flush(log, 1));
	capture_read(&c);
	assert_true(log_flush(log, 60000));
	log_free(&log);
	free(capture_end(&c));
}

/* Nobody reads; what is written when somebody does at last is whole. */
static void an_end_does_not_wait_for_ever(void **state)
{
	struct capture c;
	struct log *log;
	char *text;

	(void)state;
	capture_start(&c);
	log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	for (int i = 0; i < 1500; i++)
		put(log, LOG_LEVEL_INFO, "more-than-a-pipe-holds", i);
	log_free(&log);
	assert_null(log);
	capture_read(&c);
	text = capture_end(&c);
	assert_non_null(strstr(text, "more-than-a-pipe-holds n=0\n"));
	free(text);
}

/* JOURNAL_STREAM that names another file: stderr is not the journal. */
static void auto_is_stderr_without_a_journal(void **state)
{
	struct capture c;
	struct log *log;
	char *text;

	(void)state;
	capture_start(&c);
	capture_read(&c);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log = log_new(LOG_TO_AUTO, LOG_LEVEL_DEBUG);
	put(log, LOG_LEVEL_DEBUG, "here", 1);
	log_free(&log);
	unsetenv("JOURNAL_STREAM");
	text = capture_end(&c);
	assert_non_null(strstr(text, " debug event=here n=1\n"));
	free(text);
}

static void fields_of_the_journal_are_our_own(void **state)
{
	static const struct {
		const char *line, *sid, *qid;
	} cases[] = {
		{ "event=accepted sid=038G qid=1M80 account=alice", "038G", "1M80" },
		{ "event=settled qid=1M80", "", "1M80" },
		{ "event=refused sid=038G text=\"<\\x22a qid=FAKE\\x22@c.d>: no\"", "038G", "" },
		{ "event=refused text=\"x sid=FAKE y\" sid=038G", "038G", "" },
		{ "event=x text=\"a cut line qid=FAKE...", "", "" },
		{ "event=x qid=", "", "" },
		{ "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span line = span_text(cases[i].line);

		assert_span_text(log_sink_field(line, "sid="), cases[i].sid);
		assert_span_text(log_sink_field(line, "qid="), cases[i].qid);
	}
}

static void test_time_of_a_line(void **state)
{
	static const struct {
		int64_t wall_ms;
		const char *line;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z info text\n" },
		{ 7, "1970-01-01T00:00:00.007Z info text\n" },
		{ 1763763114123, "2025-11-21T22:11:54.123Z info text\n" },
		{ 1763763114999, "2025-11-21T22:11:54.999Z info text\n" },
		{ 1763763115050, "2025-11-21T22:11:55.050Z info text\n" },
		{ 1763763114999, "2025-11-21T22:11:54.999Z info text\n" }, /* set back */
		{ 253402300799999, "9999-12-31T23:59:59.999Z info text\n" },
	};
	struct log_second last = { 0 };
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct log_entry entry = { cases[i].wall_ms, 4, LOG_LEVEL_INFO };

		buf_clear(&out);
		log_sink_format(&out, &last, &entry, "text");
		buf_put_char(&out, '\0');
		assert_string_equal((const char *)buf_span(&out).at, cases[i].line);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_of_a_line),
		cmocka_unit_test(lines_have_time_level_and_text),
		cmocka_unit_test(dropped_lines_are_counted),
		cmocka_unit_test(threads_share_one_log),
		cmocka_unit_test(all_is_written_after_a_flush),
		cmocka_unit_test(a_flush_ends_though_nobody_reads),
		cmocka_unit_test(an_end_does_not_wait_for_ever),
		cmocka_unit_test(fields_of_the_journal_are_our_own),
		cmocka_unit_test(auto_is_stderr_without_a_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
