#include "model.h"

#include "base/id.h"
#include "base/mem.h"
#include "base/require.h"
#include "committer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What is known of a message. UNSURE: written, but not answered with success. */
enum knowledge { UNSURE, REFUSED, SAFE, SETTLING, SETTLED, GONE };

struct model_message {
	uint64_t id;
	enum knowledge known;
	bool is_busy, is_committing, is_broken, is_hurt;
	size_t octets, written;	      /* of its content, and how far that was put */
	unsigned notes, noted, asked; /* put, answered as synced, commits asked for */
	unsigned found;
};

struct model_write {
	struct spool_write write;
	struct list_node node;
	size_t message;
	unsigned note;
	struct buf content, record;
};

static void fail_check(struct model *m, uint64_t id, const char *what)
{
	char qid[ID_TEXT_MAX];

	id_format(id, qid);
	m->failures++;
	if (!m->is_quiet)
		fprintf(stderr, "seed %" PRIu64 ": message %s %s\n", m->seed, qid, what);
}

static unsigned pick(struct model *m, unsigned n)
{
	return (unsigned)(sim_random(&m->random) % n);
}

/* Octet `at` of the content of message `id`. */
static unsigned char octet_of(uint64_t id, size_t at)
{
	return (unsigned char)((id * 131 + at) * 2654435761u >> 13);
}

static void put_content(struct buf *out, uint64_t id, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_put_char(out, (char)octet_of(id, from + i));
}

static void put_envelope(struct buf *out, uint64_t id)
{
	buf_printf(out, "envelope of %" PRIu64, id);
}

static void put_note(struct buf *out, unsigned note)
{
	buf_printf(out, "note %u", note);
}

static void home_post(void *home, struct work *work)
{
	struct model *m = home;
	struct model_write *w = work_entry(work, struct model_write, write.done);

	list_push_back(&m->done, &w->node);
}

static void take_answer(struct model *m, struct model_write *w)
{
	struct model_message *msg = &m->messages[w->message];
	int status = w->write.status;

	m->refusals += status < 0;
	if (status < 0 && !m->has_faults)
		fail_check(m, msg->id, "was refused without a reason");
	switch (w->write.kind) {
	case SPOOL_CONTENT:
		msg->is_broken |= status < 0;
		break;
	case SPOOL_COMMIT:
		m->commits += status == 0;
		msg->known = status == 0 ? SAFE : REFUSED;
		break;
	case SPOOL_NOTE:
		if (status == 0 && !w->write.is_lazy)
			msg->noted = w->note;
		break;
	case SPOOL_SETTLE:
		if (status == 0 && !w->write.is_lazy)
			msg->known = SETTLED;
		break;
	case SPOOL_DROP:
		msg->known = GONE;
		break;
	}
}

/* Answers that come while the power is off reach nobody. */
static void run_done(struct model *m)
{
	struct list_node *node;

	while ((node = list_pop_front(&m->done)) != NULL) {
		struct model_write *w = list_entry(node, struct model_write, node);

		m->messages[w->message].is_busy = false;
		if (!m->disk->is_dead)
			take_answer(m, w);
		buf_fini(&w->content);
		buf_fini(&w->record);
		free(w);
	}
}

static struct model_write *new_write(struct model *m, size_t message, enum spool_write_kind kind)
{
	struct model_write *w = mem_new(struct model_write);

	w->message = message;
	w->write.kind = kind;
	w->write.home = m;
	w->write.id = m->messages[message].id;
	m->messages[message].is_busy = true;
	return w;
}

static void put(struct model *m, struct model_write *w)
{
	w->write.content = buf_span(&w->content);
	w->write.record = buf_span(&w->record);
	spool_put(m->spool, &w->write);
}

static void add_message(struct model *m)
{
	size_t octets = pick(m, 4) ? pick(m, 600) : pick(m, (unsigned)m->max_octets);

	m->messages = mem_resize(m->messages, (m->count + 1) * sizeof(*m->messages));
	m->messages[m->count++] = (struct model_message){
		.id = spool_new_id(m->spool),
		.octets = octets,
	};
}

/* The next chunk, or the last one with the envelope. */
static void put_more(struct model *m, size_t i)
{
	struct model_message *msg = &m->messages[i];
	size_t left = msg->octets - msg->written, n = left < 700 ? left : 100 + pick(m, 600);
	bool is_last = n == left && pick(m, 4);
	struct model_write *w;

	if ((msg->is_broken && pick(m, 2)) || (m->gives_up && msg->written && pick(m, 10) == 0))
		w = new_write(m, i, SPOOL_DROP);
	else
		w = new_write(m, i, is_last ? SPOOL_COMMIT : SPOOL_CONTENT);
	if (w->write.kind != SPOOL_DROP)
		put_content(&w->content, msg->id, msg->written, n);
	if (w->write.kind == SPOOL_COMMIT) {
		put_envelope(&w->record, msg->id);
		msg->asked++;
	}
	msg->written += n;
	put(m, w);
}

static void put_outcome(struct model *m, size_t i)
{
	struct model_message *msg = &m->messages[i];
	bool is_note = pick(m, 3) == 0;
	struct model_write *w = new_write(m, i, is_note ? SPOOL_NOTE : SPOOL_SETTLE);

	w->write.is_lazy = pick(m, 2);
	if (is_note) {
		w->note = ++msg->notes;
		put_note(&w->record, w->note);
	} else {
		msg->known = SETTLING;
	}
	put(m, w);
}

static void put_something(struct model *m)
{
	size_t window = m->count < m->lively ? m->count : m->lively;
	struct model_message *msg;
	size_t i;

	if (m->count == 0 || pick(m, 6) == 0) {
		add_message(m);
		put_more(m, m->count - 1);
		return;
	}
	/* Mostly the newer ones; some old ones stay for long. */
	i = pick(m, 8) ? m->count - 1 - pick(m, (unsigned)window) : pick(m, (unsigned)m->count);
	msg = &m->messages[i];
	if (msg->is_busy)
		return;
	if (msg->known == UNSURE && !msg->asked)
		put_more(m, i);
	else if (msg->known == SAFE && pick(m, 16))
		put_outcome(m, i);
}

static void check_content(struct model *m, const struct model_message *msg)
{
	struct buf is = { 0 }, should = { 0 };
	int status = 0;

	for (unsigned i = 0; status == 0; i++)
		status = spool_read(m->spool, msg->id, i, &is, NULL);
	put_content(&should, msg->id, 0, msg->octets);
	if (!m->disk->is_dead && (status != -ENODATA || !span_eq(buf_span(&is), buf_span(&should))))
		if (status != -EIO || !m->has_faults)
			fail_check(m, msg->id, "has other content than was put");
	buf_fini(&is);
	buf_fini(&should);
}

/* Of one that is not committed yet, all that was written, and nothing that was not. */
static void check_begun(struct model *m, const struct model_message *msg)
{
	struct buf is = { 0 }, should = { 0 };
	int status = 0;

	for (unsigned i = 0; status == 0; i++)
		status = spool_read(m->spool, msg->id, i, &is, NULL);
	put_content(&should, msg->id, 0, msg->written);
	if (m->disk->is_dead)
		status = -ENODATA;
	else if (status == -ENODATA ? !span_eq(buf_span(&is), buf_span(&should))
				    : !m->has_faults || status != -EIO)
		fail_check(m, msg->id, "cannot be read as far as it was written");
	buf_fini(&is);
	buf_fini(&should);
}

static void read_something(struct model *m)
{
	const struct model_message *msg =
		m->count ? &m->messages[pick(m, (unsigned)m->count)] : NULL;

	if (m->disk->is_dead || msg == NULL || msg->is_busy)
		return;
	if (msg->known == SAFE)
		check_content(m, msg);
	else if (msg->known == UNSURE && msg->written && !msg->is_broken)
		check_begun(m, msg);
}

void model_work(struct model *m)
{
	for (unsigned n = 1 + pick(m, 8); n > 0; n--)
		put_something(m);
	m->now_ms += pick(m, 60);
	for (unsigned n = pick(m, 4); committer_step(m->spool, m->now_ms) && n > 0; n--)
		;
	run_done(m);
	if (pick(m, 4) == 0)
		read_something(m);
}

static struct model_message *find_message(struct model *m, uint64_t id)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->messages[i].id == id)
			return &m->messages[i];
	return NULL;
}

static bool is_right_note(const struct model_message *msg, struct span note, unsigned *which)
{
	for (*which = msg->noted; *which <= msg->notes; ++*which) {
		struct buf text = { 0 };
		bool is_same;

		if (*which)
			put_note(&text, *which);
		is_same = span_eq(note, buf_span(&text));
		buf_fini(&text);
		if (is_same)
			return true;
	}
	return false;
}

static void note_found(void *user, const struct spool_found *found)
{
	struct model *m = user;
	struct model_message *msg = find_message(m, found->id);
	struct buf envelope = { 0 };
	unsigned note;

	if (m->is_blind || m->disk->is_dead)
		return;
	if (msg == NULL) {
		fail_check(m, found->id, "was never put");
		return;
	}
	m->found++;
	msg->found++;
	put_envelope(&envelope, msg->id);
	if (!span_eq(found->envelope, buf_span(&envelope)) || found->content_octets != msg->octets)
		fail_check(m, msg->id, "has another envelope than was put");
	if (!is_right_note(msg, found->note, &note) && !msg->is_hurt)
		fail_check(m, msg->id, "has not its latest note");
	else if (!m->was_killed)
		msg->noted = msg->is_hurt ? 0 : note;
	buf_fini(&envelope);
}

static void note_damaged(void *user, const struct fault *what)
{
	struct model *m = user;

	if (m->is_blind || m->disk->is_dead || !strstr(what->text, "is not delivered"))
		return;
	for (size_t i = 0; i < m->count; i++) {
		struct model_message *msg = &m->messages[i];
		char qid[ID_TEXT_MAX];

		id_format(msg->id, qid);
		if (msg->known >= SAFE && msg->known != GONE && !msg->is_hurt &&
		    strstr(what->text, qid))
			fail_check(m, msg->id, what->text);
	}
}

static void check_found(struct model *m, struct model_message *msg)
{
	if (msg->found > 1)
		fail_check(m, msg->id, "was found twice");
	if (msg->is_hurt && (msg->known == SAFE || msg->known == SETTLED))
		msg->known = msg->found ? SAFE : GONE;
	if (msg->known == SAFE && !msg->found)
		fail_check(m, msg->id, "was answered for and is lost");
	if (msg->known == SETTLED && msg->found)
		fail_check(m, msg->id, "was settled and is back");
	if (msg->known == GONE && msg->found)
		fail_check(m, msg->id, "was given up and is back");
	if (msg->found) {
		if (!m->was_killed || msg->known == SETTLING)
			msg->known = SAFE;
		check_content(m, msg);
	} else if (!m->was_killed && msg->known != SETTLED) {
		msg->known = GONE;
	} else if (msg->known == UNSURE || msg->known == SETTLING) {
		/* Its session is gone; what is only in the cache may still come, or come back. */
		msg->known = msg->asked ? REFUSED : GONE;
	}
	msg->is_busy = false;
	msg->found = 0;
}

/* Each life begins later than the one before: what was never stored may otherwise be given out again. */
static int64_t lives;

static int64_t wall_ms(void)
{
	return lives;
}

bool model_open(struct model *m)
{
	struct spool_conf conf = {
		.dir = "sim",
		.disk = &m->calls,
		.segment_octets = 12 * 1024,
		.post = home_post,
		.wall_ms = wall_ms,
		.found = note_found,
		.damaged = note_damaged,
		.user = m,
	};
	struct fault fault = { 0 };

	lives++;
	m->calls = sim_disk_calls(m->disk);
	m->spool = spool_open_idle(&conf, &fault);
	if (m->disk->is_dead || m->spool == NULL) {
		if (!m->disk->is_dead && !m->is_blind && !m->has_faults)
			fail_check(m, 0, fault.text);
		for (size_t i = 0; i < m->count; i++)
			m->messages[i].found = 0;
		spool_close(&m->spool);
		return false;
	}
	for (size_t i = 0; !m->is_blind && i < m->count; i++)
		check_found(m, &m->messages[i]);
	return true;
}

void model_close(struct model *m)
{
	bool was_dead = m->disk->is_dead;

	spool_close(&m->spool);
	run_done(m);
	/* What was lazy is synced by now. */
	if (was_dead || m->disk->is_dead || m->has_faults || m->is_blind)
		return;
	for (size_t i = 0; i < m->count; i++)
		if (m->messages[i].known == SETTLING)
			m->messages[i].known = SETTLED;
}

void model_hurt(struct model *m, uint64_t id)
{
	struct model_message *msg = find_message(m, id);

	if (msg)
		msg->is_hurt = true;
}

void model_init(struct model *m, struct sim_disk *disk, uint64_t seed)
{
	*m = (struct model){ .disk = disk, .seed = seed, .random = seed ^ 0x706F737465726Eu };
	m->lively = 12;
	m->max_octets = 6000;
	list_init(&m->done);
}

void model_fini(struct model *m)
{
	require(m->spool == NULL);
	free(m->messages);
	m->messages = NULL;
}
