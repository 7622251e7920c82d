/* What many messages at once cost the disk: syncs, calls, octets. */
#include "rig.h"

enum { CROWD = 150 };

/* A disk that counts, and whose syncs can be held up. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_held, is_in_sync;
	unsigned writes, syncs;
	uint64_t octets;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

static ssize_t count_write(void *user, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	ssize_t n = spool_disk_real.pwritev(user, fd, iov, count, offset);

	pthread_mutex_lock(&seen.lock);
	seen.writes++;
	seen.octets += n > 0 ? (uint64_t)n : 0;
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static int hold_sync(void *user, int fd)
{
	(void)user;
	(void)fd;
	pthread_mutex_lock(&seen.lock);
	seen.syncs++;
	seen.is_in_sync = true;
	pthread_cond_broadcast(&seen.change);
	while (seen.is_held)
		pthread_cond_wait(&seen.change, &seen.lock);
	seen.is_in_sync = false;
	pthread_mutex_unlock(&seen.lock);
	return 0;
}

static void hold(bool is_held)
{
	pthread_mutex_lock(&seen.lock);
	seen.is_held = is_held;
	pthread_cond_broadcast(&seen.change);
	pthread_mutex_unlock(&seen.lock);
}

static void await_sync(void)
{
	pthread_mutex_lock(&seen.lock);
	while (!seen.is_in_sync)
		pthread_cond_wait(&seen.change, &seen.lock);
	pthread_mutex_unlock(&seen.lock);
}

static void begin(struct rig *rig, struct spool_disk *disk, int64_t gather_us)
{
	*disk = spool_disk_real;
	disk->pwritev = count_write;
	disk->sync = hold_sync;
	rig_init(rig);
	rig->conf.disk = disk;
	rig->conf.gather_us = gather_us;
	rig_open(rig);
	seen.writes = seen.syncs = 0;
	seen.octets = 0;
}

static void put_commits(struct rig *rig, struct rig_pending *commits, unsigned n, uint64_t first)
{
	for (unsigned i = 0; i < n; i++) {
		commits[i].write = (struct spool_write){ .kind = SPOOL_COMMIT,
							 .id = first + i,
							 .content = span_text("content"),
							 .record = span_text("envelope") };
		rig_put(rig, &commits[i]);
	}
}

/* From here on a commit looks as if many came, whatever the clock says: what counts is when the batch
 * before it was taken, behind the first, which the committer may find as it starts. */
static void begin_crowd(struct rig *rig)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(rig_write(rig, SPOOL_CONTENT, 1, span_text("content"),
					   span_of(NULL, 0)),
				 0);
	assert_int_equal(seen.syncs, 0);
}

static void await_commits(struct rig_pending *commits, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(rig_wait(&commits[i]), 0);
}

/* However slow the disk: what comes while it syncs shares the next sync, and one write. */
static void test_waiting_share(void **state)
{
	static struct rig_pending first, rest[CROWD];
	struct spool_disk disk;
	struct rig rig;

	(void)state;
	begin(&rig, &disk, -1);
	hold(true);
	put_commits(&rig, &first, 1, 1);
	await_sync();
	put_commits(&rig, rest, CROWD, 2);
	hold(false);
	await_commits(&first, 1);
	await_commits(rest, CROWD);
	assert_int_equal(seen.syncs, 2);
	assert_int_equal(seen.writes, 2);
	rig_fini(&rig);
}

/* However fast it is: under load a sync waits until it has company. */
static void test_crowd_gathers(void **state)
{
	static struct rig_pending commits[32];
	struct spool_disk disk;
	struct rig rig;

	(void)state;
	begin(&rig, &disk, 1000 * 1000000);
	begin_crowd(&rig);
	put_commits(&rig, commits, 32, 2);
	await_commits(commits, 32);
	assert_int_equal(seen.syncs, 1);
	rig_fini(&rig);
}

static void test_end_waits_for_nobody(void **state)
{
	static struct rig_pending commit;
	struct spool_disk disk;
	struct rig rig;

	(void)state;
	begin(&rig, &disk, 1000 * 1000000);
	begin_crowd(&rig);
	put_commits(&rig, &commit, 1, 2);
	rig_close(&rig);
	await_commits(&commit, 1);
	assert_int_equal(seen.syncs, 1);
	rig_fini(&rig);
}

/* Of messages of 100 KiB that come and go, with all that is written of them. */
static void test_octets(void **state)
{
	enum { MESSAGES = 100, OCTETS = 100 * 1024 };
	static char content[OCTETS];
	struct spool_disk disk;
	struct rig rig;

	(void)state;
	begin(&rig, &disk, -1);
	rig_close(&rig);
	rig.conf.segment_octets = 1 << 20;
	rig_open(&rig);
	seen.octets = 0;
	for (uint64_t id = 1; id <= MESSAGES; id++) {
		assert_int_equal(rig_write(&rig, SPOOL_COMMIT, id, span_of(content, OCTETS),
					   span_text("envelope")),
				 0);
		assert_int_equal(rig_settle(&rig, id), 0);
	}
	assert_true(seen.octets * 100 <= (uint64_t)MESSAGES * OCTETS * 102);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting_share),
		cmocka_unit_test(test_crowd_gathers),
		cmocka_unit_test(test_end_waits_for_nobody),
		cmocka_unit_test(test_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
