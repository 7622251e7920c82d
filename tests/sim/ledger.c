#include "ledger.h"

#include "base/id.h"
#include "base/mem.h"
#include "form.h"
#include "io.h"
#include "net.h"
#include "plan.h"
#include "smtp/dsn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* After that, what was heard is in stable storage: lazy writes are synced within a second or so. */
enum { SAFE_MS = 5000 };

struct stretch {
	int64_t from_ms, to_ms;
};

static struct {
	struct letter **letters;
	unsigned letter_count;
	int64_t *crashes;
	unsigned crash_count;
	struct stretch *troubles;
	unsigned trouble_count;
	bool has_trouble;
	int64_t wall_most_ms; /* the latest that the wall clock has shown before it was set */
} ledger;

struct ledger_sums ledger_sums;

void ledger_begin(void)
{
	io_on_log = ledger_log;
}

void ledger_end(void)
{
	for (unsigned i = 0; i < ledger.letter_count; i++) {
		struct letter *l = ledger.letters[i];

		for (unsigned k = 0; k < l->take_count; k++)
			free(l->takes[k]);
		free(l->takes);
		buf_fini(&l->content);
		free(l);
	}
	free(ledger.letters);
	free(ledger.crashes);
	free(ledger.troubles);
	memset(&ledger, 0, sizeof(ledger));
}

struct letter *ledger_letter(void)
{
	struct letter *l = mem_new(struct letter);

	ledger.letters = mem_resize(ledger.letters, (ledger.letter_count + 1) * sizeof(l));
	l->number = ledger.letter_count;
	l->about = -1;
	l->life = io_life;
	l->begun_ms = world.now_ms;
	l->held_ms = l->removing_ms = l->removed_ms = l->finished_ms = -1;
	l->noted_ms = l->unwritten_ms = -1;
	ledger.letters[ledger.letter_count++] = l;
	return l;
}

struct letter *ledger_look(unsigned i)
{
	return i < ledger.letter_count ? ledger.letters[i] : NULL;
}

struct letter *ledger_find(uint64_t qid)
{
	for (unsigned i = ledger.letter_count; qid && i > 0; i--)
		if (ledger.letters[i - 1]->qid == qid)
			return ledger.letters[i - 1];
	return NULL;
}

/* What was never stored leaves no trace: when the clock went back before a start, its id may be given
 * out again. */
void ledger_name(struct letter *letter, uint64_t qid)
{
	struct letter *before = ledger_find(qid);

	if (before && (before->answer == ANSWER_STORED || before->life == io_life))
		fail("letters %u and %u have the same id", before->number, letter->number);
	if (before)
		before->qid = 0;
	ledger_sums.ids_again += before != NULL;
	letter->qid = qid;
}

static void note_crash(void)
{
	ledger.crashes = mem_resize(ledger.crashes, (ledger.crash_count + 1) * sizeof(int64_t));
	ledger.crashes[ledger.crash_count++] = world.now_ms;
}

void ledger_crashed(void)
{
	note_crash();
	ledger_sums.crashes++;
	for (unsigned i = 0; i < ledger.letter_count; i++)
		if (ledger.letters[i]->answer == ANSWER_NONE)
			ledger.letters[i]->answer = ANSWER_UNKNOWN;
}

void ledger_stopped(void)
{
	if (ledger.has_trouble)
		note_crash();
}

void ledger_trouble(bool is_there)
{
	struct stretch *t;

	if (is_there == ledger.has_trouble)
		return;
	ledger.has_trouble = is_there;
	if (!is_there) {
		ledger.troubles[ledger.trouble_count - 1].to_ms = world.now_ms;
		return;
	}
	ledger.troubles = mem_resize(ledger.troubles, (ledger.trouble_count + 1) * sizeof(*t));
	t = &ledger.troubles[ledger.trouble_count++];
	*t = (struct stretch){ world.now_ms, INT64_MAX / 2 };
}

bool ledger_has_had_trouble(void)
{
	return ledger.trouble_count;
}

/* Its commit may be the last thing before a crash: then no line tells of it. */
static struct letter *notice_of(uint64_t id)
{
	struct letter *notice = ledger_find(id);

	if (notice && notice->is_notice)
		return notice;
	notice = ledger_letter();
	notice->is_notice = true;
	ledger_name(notice, id);
	notice->answer = ANSWER_STORED;
	return notice;
}

void ledger_clock_jumps(void)
{
	if (io_wall_ms() > ledger.wall_most_ms)
		ledger.wall_most_ms = io_wall_ms();
}

int64_t ledger_future_ms(void)
{
	int64_t most = 0;

	for (unsigned i = 0; i < ledger.letter_count; i++)
		if (ledger.letters[i]->release_ms - io_wall_ms() > most)
			most = ledger.letters[i]->release_ms - io_wall_ms();
	return most;
}

static bool has_come(int64_t wall_ms)
{
	return wall_ms <= ledger.wall_most_ms || wall_ms <= io_wall_ms();
}

/* Log lines */

static bool field(const char *line, const char *key, uint64_t *out)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof(wanted), " %s=", key);
	at = strstr(line, wanted);
	if (at == NULL)
		return false;
	at += strlen(wanted);
	return id_parse(span_of(at, strcspn(at, " ")), out) == 0;
}

void ledger_log(const char *line)
{
	struct letter *l, *notice;
	uint64_t qid = 0, id = 0;

	tell("  log: %s", line);
	if (strncmp(line, "event=failed", 12) == 0)
		plan_tempt(60);
	if (strncmp(line, "event=discarded", 15) == 0 && field(line, "qid", &qid)) {
		l = ledger_find(qid);
		if (l)
			l->is_discarded = true;
	}
	if (strncmp(line, "event=unwritten", 15) == 0 && field(line, "qid", &qid)) {
		l = ledger_find(qid);
		if (l && l->unwritten_ms < 0)
			l->unwritten_ms = world.now_ms;
	}
	if (field(line, "qid", &qid) && field(line, "notice", &id)) {
		l = ledger_find(qid);
		notice = notice_of(id);
		notice->about = l ? (int)l->number : -1;
		notice->noted_ms = world.now_ms;
		plan_tempt(30);
	}
}

/* Takes */

static const char LETTER_FIELD[] = "X-Sim-Letter: ";

struct letter *ledger_claimed(struct span content)
{
	size_t n = sizeof(LETTER_FIELD) - 1;
	uint64_t number;
	struct span rest;

	if (content.len < n || memcmp(content.at, LETTER_FIELD, n) != 0)
		return NULL;
	rest = span_from(content, n);
	if (span_number(span_first(rest, span_find(rest, '\r')), &number) < 0)
		return NULL;
	return ledger_look((unsigned)number);
}

static int place_of(const struct letter *l, const char *address)
{
	for (unsigned i = 0; i < l->to_count; i++)
		if (strcmp(l->to[i].address, address) == 0)
			return (int)i;
	return -1;
}

static struct take *add_take(struct letter *l, const char *smarthost, int64_t begun_ms,
			     unsigned life)
{
	struct take *t = mem_new(struct take);

	t->smarthost = smarthost;
	t->life = life;
	t->begun_ms = begun_ms;
	t->taken_ms = world.now_ms;
	t->told_ms = -1;
	l->takes = mem_resize(l->takes, (l->take_count + 1) * sizeof(t));
	l->takes[l->take_count++] = t;
	ledger_sums.takes++;
	plan_tempt(80);
	return t;
}

/* A transaction that began so late after something was settled must have known it. */
static bool began_after(const struct take *t, int64_t ms)
{
	return ms >= 0 && t->begun_ms > ms + NET_LATENCY_MOST;
}

static void check_moment(const struct letter *l, const struct take *t)
{
	bool is_answered = l->answer != ANSWER_NONE;

	if (l->finished_ms < 0)
		fail("letter %u was sent before its end had come", l->number);
	else if (!l->is_hybrid && !is_answered)
		fail("letter %u was sent before it was stored", l->number);
	if (l->answer == ANSWER_LEFT)
		fail("letter %u was sent though its client left before its end", l->number);
	if (l->answer == ANSWER_REFUSED && began_after(t, l->answered_ms))
		fail("letter %u was sent after it was refused", l->number);
	if (!l->is_flushed && !has_come(l->release_ms))
		fail("letter %u was sent before its release", l->number);
	if (began_after(t, l->held_ms))
		fail("letter %u was sent while it is held", l->number);
	if (began_after(t, l->removed_ms) && (!l->was_active || t->life != l->removed_life))
		fail("letter %u was sent after it was removed", l->number);
}

static struct take *take_letter(struct letter *l, struct take *t, struct span sender,
				const char *const *recipients, unsigned count, struct span content,
				const struct terms *terms)
{
	if (!span_eq(sender, span_text(l->sender)))
		fail("letter %u came from another sender", l->number);
	form_check(l, content, terms);
	for (unsigned i = 0; i < count; i++) {
		int place = place_of(l, recipients[i]);

		if (place < 0) {
			fail("letter %u came for %s, who is none of its recipients", l->number,
			     recipients[i]);
			continue;
		}
		if (t->whom & 1u << place)
			fail("letter %u came twice at once for %s", l->number, recipients[i]);
		t->whom |= 1u << place;
	}
	check_moment(l, t);
	return t;
}

static bool next_line(struct span *text, struct span *line)
{
	size_t end = span_find(*text, '\n');

	if (text->len == 0)
		return false;
	*line = span_first(*text, end);
	*text = span_from(*text, end + 1);
	if (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

static void read_recipient(struct letter *about, struct letter *notice, struct span address,
			   bool is_failure)
{
	char text[ADDRESS_MOST];
	int place;

	snprintf(text, sizeof(text), "%.*s", (int)address.len, (const char *)address.at);
	place = place_of(about, text);
	if (place < 0) {
		fail("a notice about letter %u names %s", about->number, text);
		return;
	}
	if (is_failure && about->to[place].failure_count < FAILURES_MOST)
		about->to[place].failures[about->to[place].failure_count++] = notice;
	tell("  a notice about letter %u says of %s: %s", about->number, text,
	     is_failure ? "failed" : "delayed, or relayed");
}

/* The fields of RFC 3464 2.3: who, and what became of him. */
static void read_notice(struct letter *about, struct letter *notice, struct span text)
{
	static const char who[] = "Final-Recipient:", action[] = "Action:";
	struct span line, address = { 0 };

	while (next_line(&text, &line)) {
		if (span_istarts(line, who)) {
			address = span_from(line, sizeof(who) - 1);
			address = span_trim(span_from(address, span_find(address, ';') + 1));
		}
		if (span_istarts(line, action) && address.len) {
			read_recipient(about, notice, address,
				       span_ieq_text(span_trim(span_from(line, sizeof(action) - 1)),
						     "failed"));
			address.len = 0;
		}
	}
}

static uint64_t id_behind(struct span text, const char *key)
{
	const unsigned char *at = memmem(text.at, text.len, key, strlen(key));
	uint64_t id = 0;

	if (at) {
		text = span_trim(span_from(text, (size_t)(at - text.at) + strlen(key)));
		if (text.len >= ID_TEXT_MAX - 1)
			id_parse(span_first(text, ID_TEXT_MAX - 1), &id);
	}
	return id;
}

static struct take *take_notice(const char *smarthost, const char *const *recipients,
				unsigned count, struct span content, int64_t begun_ms,
				unsigned life)
{
	struct letter *about = ledger_find(id_behind(content, "X-Postern-Id:"));
	uint64_t id = id_behind(content, "Message-ID: <");
	struct letter *notice;
	struct take *t;

	if (about == NULL || id == 0) {
		fail("a message came that nobody sent: %.*s",
		     (int)(content.len < 300 ? content.len : 300), (const char *)content.at);
		return NULL;
	}
	notice = notice_of(id);
	t = add_take(notice, smarthost, begun_ms, life);
	t->whom = 1;
	notice->about = (int)about->number;
	if (count != 1 || strcmp(recipients[0], about->sender) != 0)
		fail("a notice about letter %u did not come to its sender", about->number);
	if (about->is_notice || about->sender[0] == '\0')
		fail("a notice about a notice came");
	if (notice->take_count == 1)
		read_notice(about, notice, content);
	ledger_sums.notices++;
	return t;
}

struct take *ledger_take(const char *smarthost, struct span sender, const char *const *recipients,
			 unsigned count, struct span content, const struct terms *terms,
			 int64_t begun_ms, unsigned life)
{
	struct letter *l = ledger_claimed(content);

	if (l == NULL && sender.len == 0) {
		form_check_notice(content, terms);
		return take_notice(smarthost, recipients, count, content, begun_ms, life);
	}
	if (l == NULL) {
		fail("octets came that nobody sent");
		return NULL;
	}
	return take_letter(l, add_take(l, smarthost, begun_ms, life), sender, recipients, count,
			   content, terms);
}

void ledger_told(void *take)
{
	((struct take *)take)->told_ms = world.now_ms;
}

/* The judgement */

/* Until when a crash may have made us forget what was heard at that time. */
static int64_t unsafe_until(int64_t told_ms)
{
	int64_t until = told_ms + SAFE_MS;

	for (unsigned i = 0; i < ledger.trouble_count; i++) {
		const struct stretch *t = &ledger.troubles[i];

		if (t->from_ms <= until && t->to_ms >= told_ms && t->to_ms + SAFE_MS > until)
			until = t->to_ms + SAFE_MS;
	}
	return until;
}

static bool has_crash_between(int64_t from_ms, int64_t to_ms)
{
	for (unsigned i = 0; i < ledger.crash_count; i++)
		if (ledger.crashes[i] >= from_ms && ledger.crashes[i] <= to_ms)
			return true;
	return false;
}

static bool was_unheard(const struct take *t)
{
	return t->told_ms < 0 || t->is_garbled;
}

static bool was_forgotten(const struct take *t)
{
	return t->told_ms >= 0 && has_crash_between(t->taken_ms, unsafe_until(t->told_ms));
}

/* The log says that the note of it could not be written: it was known until the next crash. */
static bool was_unwritten(const struct letter *l, const struct take *t)
{
	return l->unwritten_ms >= 0 && t->told_ms >= 0 &&
	       l->unwritten_ms <= unsafe_until(t->told_ms) &&
	       has_crash_between(t->told_ms, INT64_MAX);
}

/* A notice whose original was to be settled or noted next: not when a crash came between. */
static bool is_notice_sure(const struct letter *l, const struct letter *notice)
{
	int64_t ms = notice->noted_ms;

	if (ms < 0 || has_crash_between(ms, unsafe_until(ms)))
		return false;
	return l->unwritten_ms < 0 || !has_crash_between(ms, INT64_MAX);
}

static void tell_takes(const struct letter *l, unsigned place)
{
	for (unsigned i = 0; i < l->take_count; i++)
		if (l->takes[i]->whom & 1u << place)
			fail("  taken at %" PRId64 " (begun %" PRId64 ", heard of %" PRId64
			     ", life %u)",
			     l->takes[i]->taken_ms, l->takes[i]->begun_ms, l->takes[i]->told_ms,
			     l->takes[i]->life);
}

/* Each take but the last must have an excuse. */
static unsigned judge_twice(const struct letter *l, unsigned place)
{
	const struct take *last = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < l->take_count; i++) {
		const struct take *t = l->takes[i];

		if (!(t->whom & 1u << place))
			continue;
		n++;
		if (t->is_ghost && (last || i + 1 < l->take_count)) {
			ledger_sums.twice_unheard += last != NULL;
			continue;
		}
		if (last && was_unheard(last)) {
			ledger_sums.twice_unheard++;
		} else if (last && was_forgotten(last)) {
			ledger_sums.twice_by_crash++;
		} else if (last && was_unwritten(l, last)) {
			ledger_sums.twice_unwritten++;
		} else if (last) {
			fail("letter %u came twice for %s", l->number,
			     l->is_notice ? "its sender" : l->to[place].address);
			tell_takes(l, place);
		}
		last = t;
	}
	return n;
}

static bool wants_failures(const struct addressee *a)
{
	return a->notify == 0 || a->notify & SMTP_NOTIFY_FAILURE;
}

static bool has_lost_notice(const struct letter *l)
{
	if (l->is_discarded)
		return true;
	for (unsigned i = 0; i < ledger.letter_count; i++) {
		const struct letter *n = ledger.letters[i];

		if (n->is_notice && n->about == (int)l->number &&
		    (n->is_discarded || n->removing_ms >= 0))
			return true;
	}
	return false;
}

/* Stored, and yet: neither taken nor told of. */
static void judge_loss(const struct letter *l, const struct addressee *a)
{
	if (l->removing_ms >= 0)
		ledger_sums.removed++;
	else if (!wants_failures(a) || l->sender[0] == '\0' || has_lost_notice(l))
		ledger_sums.discarded++;
	else
		fail("letter %u was answered for (%s) and is lost for %s", l->number,
		     l->answer == ANSWER_PASSED ? "passed on" : "stored", a->address);
}

static bool is_any_take_sure(const struct letter *l, unsigned place)
{
	for (unsigned i = 0; i < l->take_count; i++)
		if (l->takes[i]->whom & 1u << place && !was_unheard(l->takes[i]) &&
		    !was_forgotten(l->takes[i]) && !was_unwritten(l, l->takes[i]))
			return true;
	return false;
}

static unsigned sure_notices(const struct letter *l, const struct addressee *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->failure_count; i++)
		n += is_notice_sure(l, a->failures[i]);
	return n;
}

static void judge_addressee(const struct letter *l, unsigned place)
{
	const struct addressee *a = &l->to[place];
	unsigned taken = judge_twice(l, place);

	if (a->is_refused) {
		if (taken)
			fail("letter %u came for %s, who was refused", l->number, a->address);
		if (a->failure_count)
			fail("a notice speaks of %s, who was refused at once", a->address);
		return;
	}
	if ((l->answer == ANSWER_STORED || l->answer == ANSWER_PASSED) && !taken &&
	    !a->failure_count)
		judge_loss(l, a);
	if (l->answer == ANSWER_PASSED && a->failure_count)
		fail("letter %u was passed on and yet failed for %s", l->number, a->address);
	if (sure_notices(l, a) && is_any_take_sure(l, place))
		fail("letter %u was taken and yet failed for %s", l->number, a->address);
	if (sure_notices(l, a) > 1)
		fail("%u notices of failure speak of %s", a->failure_count, a->address);
	ledger_sums.notices_twice += a->failure_count > 1;
	if (l->answer == ANSWER_REFUSED && taken)
		fail("letter %u was refused and yet came for %s", l->number, a->address);
	ledger_sums.unknown_taken += l->answer == ANSWER_UNKNOWN && taken;
	ledger_sums.failed_taken += l->answer == ANSWER_FAILED && taken;
}

void ledger_judge(void)
{
	for (unsigned i = 0; i < ledger.letter_count; i++) {
		const struct letter *l = ledger.letters[i];

		if (l->is_notice) {
			judge_twice(l, 0);
			continue;
		}
		ledger_sums.letters++;
		ledger_sums.future += l->release_ms != 0;
		ledger_sums.answers[l->answer]++;
		if (l->answer == ANSWER_NONE)
			fail("letter %u was never answered", l->number);
		for (unsigned k = 0; k < l->to_count; k++, ledger_sums.addressees++)
			judge_addressee(l, k);
	}
}
