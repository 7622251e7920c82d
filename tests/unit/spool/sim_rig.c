#include "sim_rig.h"

#include <stdlib.h>

static unsigned done_count;

static void note_done(void *home, struct work *work)
{
	(void)home;
	(void)work;
	done_count++;
}

unsigned sim_rig_done(void)
{
	return done_count;
}

static void note_found(void *user, const struct spool_found *found)
{
	struct sim_rig *rig = user;

	(void)found;
	rig->found++;
}

static void note_damaged(void *user, const struct fault *what)
{
	struct sim_rig *rig = user;

	rig->damaged++;
	rig->damage = *what;
}

int sim_rig_try_open(struct sim_rig *rig, struct fault *fault)
{
	rig->found = rig->damaged = 0;
	rig->spool = spool_open_idle(&rig->conf, fault);
	if (rig->spool == NULL)
		return fault->code;
	committer_step(rig->spool, rig->now_ms);
	return 0;
}

void sim_rig_open(struct sim_rig *rig)
{
	struct fault fault = { 0 };

	if (sim_rig_try_open(rig, &fault) < 0)
		fail_msg("%s", fault.text);
}

void sim_rig_restart(struct sim_rig *rig, enum sim_end end)
{
	spool_close(&rig->spool);
	sim_disk_restart(&rig->disk, end);
	sim_rig_open(rig);
}

int sim_rig_setup(void **state)
{
	struct sim_rig *rig = calloc(1, sizeof(*rig));

	sim_disk_init(&rig->disk, 1);
	rig->calls = sim_disk_calls(&rig->disk);
	rig->conf = (struct spool_conf){
		.dir = "sim",
		.disk = &rig->calls,
		.segment_octets = 64 * 1024,
		.reserve_octets = 4096,
		.post = note_done,
		.found = note_found,
		.damaged = note_damaged,
		.counters = &rig->counters,
		.user = rig,
	};
	sim_rig_open(rig);
	*state = rig;
	return 0;
}

int sim_rig_teardown(void **state)
{
	struct sim_rig *rig = *state;

	spool_close(&rig->spool);
	sim_disk_fini(&rig->disk);
	free(rig);
	return 0;
}

static void fill_chunk(unsigned char octets[SIM_RIG_CHUNK], uint64_t id, unsigned part)
{
	for (unsigned i = 0; i < SIM_RIG_CHUNK; i++)
		octets[i] = (unsigned char)(id * 151 + part * 31 + i / 7);
}

int sim_rig_put(struct sim_rig *rig, struct spool_write *w, enum spool_write_kind kind, uint64_t id)
{
	unsigned char octets[SIM_RIG_CHUNK];
	unsigned before = done_count;

	*w = (struct spool_write){ .kind = kind, .id = id };
	fill_chunk(octets, id, rig->part);
	if (kind == SPOOL_CONTENT || kind == SPOOL_COMMIT)
		w->content = span_of(octets, sizeof(octets));
	if (kind == SPOOL_COMMIT || kind == SPOOL_NOTE)
		w->record = span_text("record");
	spool_put(rig->spool, w);
	for (int i = 0; i < 4; i++)
		committer_step(rig->spool, rig->now_ms);
	assert_int_equal(done_count, before + 1);
	return w->status;
}

int sim_rig_do(struct sim_rig *rig, enum spool_write_kind kind, uint64_t id)
{
	struct spool_write w;

	return sim_rig_put(rig, &w, kind, id);
}

int sim_rig_read(struct sim_rig *rig, uint64_t id, unsigned part)
{
	unsigned char expected[SIM_RIG_CHUNK];
	struct fault fault = { 0 };
	struct buf out = { 0 };
	int status;

	buf_put_text(&out, "before");
	status = spool_read(rig->spool, id, part, &out, &fault);
	assert_int_equal(fault.code, status);
	fill_chunk(expected, id, part);
	assert_int_equal(out.len, status == 0 ? 6 + SIM_RIG_CHUNK : 6);
	assert_memory_equal(out.at + out.from, "before", 6);
	if (status == 0)
		assert_memory_equal(out.at + out.from + 6, expected, SIM_RIG_CHUNK);
	buf_fini(&out);
	return status;
}

void sim_rig_fail(struct sim_rig *rig, enum sim_fault fault, unsigned long skip,
		  unsigned long count)
{
	rig->disk.fault = fault;
	rig->disk.fault_at = rig->disk.calls + 1 + skip;
	rig->disk.fault_calls = count;
}
