#include "io/log.h"

#include "base/mem.h"
#include "base/require.h"
#include "io/loop.h"
#include "log_sink.h"
#include "thread.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	HALF_OCTETS = 512 * 1024,	 /* two of them: one fills while the other is written */
	GATHER_MS = 20,			 /* the writer lets lines gather so long, */
	GATHER_OCTETS = HALF_OCTETS / 4, /* or until there are so many */
	END_MS = 5000,			 /* what is left at the end has so long to be written */
};

struct log {
	enum log_level most;
	bool is_journal;
	pthread_mutex_t lock;
	pthread_cond_t more;	/* for the writer */
	pthread_cond_t written; /* for those who wait for it */
	/* Guarded by lock. */
	struct buf filling;
	uint64_t dropped;
	uint64_t batches_taken, batches_written;
	bool is_ending, is_ended, is_asleep, is_gathering, is_urgent;
	bool is_left; /* to its writer, to be destroyed */
	/* The writer's own. */
	struct buf writing, lines;
	struct log_second second;
	pthread_t writer;
};

bool log_wants(const struct log *log, enum log_level level)
{
	return level <= log->most;
}

/* Wakes the writer for the first line, and for the one with which it has enough. */
static bool must_wake(struct log *log)
{
	bool has_enough = log->filling.len >= GATHER_OCTETS;

	if (!log->is_asleep && !(log->is_gathering && has_enough))
		return false;
	log->is_asleep = false;
	log->is_gathering = log->is_gathering && !has_enough;
	return true;
}

void log_put(struct log *log, const struct logline *line)
{
	struct log_entry entry = { .len = (uint32_t)line->len, .level = line->level };
	bool wakes;

	if (!log_wants(log, line->level))
		return;
	entry.wall_ms = wall_now_ms();
	pthread_mutex_lock(&log->lock);
	if (log->filling.len + sizeof(entry) + line->len > HALF_OCTETS) {
		log->dropped++;
	} else {
		buf_put(&log->filling, &entry, sizeof(entry));
		buf_put(&log->filling, line->text, line->len);
	}
	wakes = must_wake(log);
	pthread_mutex_unlock(&log->lock);
	if (wakes)
		pthread_cond_signal(&log->more);
}

static struct timespec in_ms(int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

static void let_gather(struct log *log)
{
	struct timespec until = in_ms(GATHER_MS);

	log->is_gathering = true;
	while (!log->is_ending && !log->is_urgent && log->filling.len < GATHER_OCTETS &&
	       pthread_cond_timedwait(&log->more, &log->lock, &until) == 0)
		;
	log->is_gathering = false;
	log->is_urgent = false;
}

/* Waits until there are lines, then a moment for their neighbours. False: that was all. */
static bool take(struct log *log, uint64_t *dropped)
{
	struct buf empty = log->writing;

	pthread_mutex_lock(&log->lock);
	while (log->filling.len == 0 && log->dropped == 0 && !log->is_ending) {
		log->is_asleep = true;
		pthread_cond_wait(&log->more, &log->lock);
	}
	log->is_asleep = false;
	let_gather(log);
	log->writing = log->filling;
	log->filling = empty;
	*dropped = log->dropped;
	log->dropped = 0;
	log->batches_taken++;
	pthread_mutex_unlock(&log->lock);
	return log->writing.len || *dropped;
}

static void tell_written(struct log *log)
{
	pthread_mutex_lock(&log->lock);
	log->batches_written = log->batches_taken;
	pthread_cond_broadcast(&log->written);
	pthread_mutex_unlock(&log->lock);
}

static void write_entry(struct log *log, const struct log_entry *entry, const char *text)
{
	if (log->is_journal)
		log_sink_journal(entry, text);
	else
		log_sink_format(&log->lines, &log->second, entry, text);
}

static void write_batch(struct log *log)
{
	struct span left = buf_span(&log->writing);
	struct log_entry entry;

	while (left.len) {
		memcpy(&entry, left.at, sizeof(entry));
		left = span_from(left, sizeof(entry));
		write_entry(log, &entry, (const char *)left.at);
		left = span_from(left, entry.len);
	}
	buf_clear(&log->writing);
}

static void write_dropped(struct log *log, uint64_t dropped)
{
	struct log_entry entry = { .wall_ms = wall_now_ms(), .level = LOG_LEVEL_WARN };
	struct logline line;

	logline_start(&line, LOG_LEVEL_WARN, "log-dropped");
	logline_number(&line, "lines", (int64_t)dropped);
	entry.len = (uint32_t)line.len;
	write_entry(log, &entry, line.text);
}

static void destroy(struct log *log)
{
	buf_fini(&log->filling);
	buf_fini(&log->writing);
	buf_fini(&log->lines);
	pthread_cond_destroy(&log->more);
	pthread_cond_destroy(&log->written);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

static void end_writer(struct log *log)
{
	bool is_left;

	pthread_mutex_lock(&log->lock);
	log->is_ended = true;
	is_left = log->is_left;
	pthread_cond_broadcast(&log->written);
	pthread_mutex_unlock(&log->lock);
	if (is_left) {
		pthread_detach(pthread_self());
		destroy(log);
	}
}

static void *writer_main(void *arg)
{
	struct log *log = arg;
	uint64_t dropped;

	while (take(log, &dropped)) {
		write_batch(log);
		if (dropped)
			write_dropped(log, dropped);
		log_sink_write(STDERR_FILENO, buf_span(&log->lines));
		buf_clear(&log->lines);
		tell_written(log);
	}
	end_writer(log);
	return NULL;
}

bool log_flush(struct log *log, int64_t within_ms)
{
	struct timespec until = in_ms(within_ms);
	uint64_t last;
	bool is_written;

	pthread_mutex_lock(&log->lock);
	last = log->batches_taken;
	if (log->filling.len || log->dropped) {
		last++;
		log->is_urgent = true;
		pthread_cond_signal(&log->more);
	}
	while (log->batches_written < last &&
	       pthread_cond_timedwait(&log->written, &log->lock, &until) == 0)
		;
	is_written = log->batches_written >= last;
	pthread_mutex_unlock(&log->lock);
	return is_written;
}

static void init_conditions(struct log *log)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&log->more, &attr);
	pthread_cond_init(&log->written, &attr);
	pthread_condattr_destroy(&attr);
}

struct log *log_new(enum log_to to, enum log_level most)
{
	struct log *log = mem_new(struct log);

	log->most = most;
	log->is_journal = to == LOG_TO_JOURNAL || (to == LOG_TO_AUTO && log_sink_is_journal());
	pthread_mutex_init(&log->lock, NULL);
	init_conditions(log);
	thread_start(&log->writer, "log", writer_main, log);
	return log;
}

/* Whether the writer came to its end in time; else it is left to itself. */
static bool end(struct log *log)
{
	struct timespec until = in_ms(END_MS);
	bool is_ended;

	pthread_mutex_lock(&log->lock);
	log->is_ending = true;
	pthread_cond_signal(&log->more);
	while (!log->is_ended && pthread_cond_timedwait(&log->written, &log->lock, &until) == 0)
		;
	is_ended = log->is_ended;
	log->is_left = !is_ended;
	pthread_mutex_unlock(&log->lock);
	return is_ended;
}

void log_free(struct log **log_at)
{
	struct log *log = *log_at;

	*log_at = NULL;
	if (log == NULL || !end(log))
		return;
	require(pthread_join(log->writer, NULL) == 0);
	destroy(log);
}
