/* tests/unit/queue/queue.c: from intake to settled, with a real spool, a real relay and a scripted
 * smarthost. */
#include "test.h"

#include "base/id.h"
#include "base/mem.h"
#include "spool/disk.h"

#include "inside.h"
#include "rig.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char content[] = "From: alice@example.com\r\nSubject: t\r\n\r\nHello\r\n.dot\r\n";

static struct rig rig;
static struct fake fake;
static struct relay_limit *limit;
static struct spool *spool;
static struct queue *queue;
static struct lane *reads;
static _Atomic int64_t memory;
static struct queue_conf conf;
static int64_t budget = 1 << 20;
static char dir[64];
static unsigned recovered;
static int recover_status;

/* The house around the queue */

static void on_found(void *user, const struct spool_found *found)
{
	(void)user;
	recovered++;
	recover_status = queue_recover(queue, found);
}

static void on_damaged(void *user, const struct fault *what)
{
	(void)user;
	fail_msg("damaged: %s", what->text);
}

/* A disk that can be full. */
static struct spool_disk disk;
static _Atomic int disk_error;
static _Atomic unsigned disk_refusals;

static ssize_t write_or_refuse(void *user, int fd, const struct iovec *iov, int count,
			       uint64_t offset)
{
	if (disk_error) {
		disk_refusals++;
		return disk_error;
	}
	return spool_disk_real.pwritev(user, fd, iov, count, offset);
}

static void set_conf(void)
{
	conf = (struct queue_conf){ .loop = rig.loop,
				    .reads = reads,
				    .counters = &rig.counters,
				    .relay = rig.relay,
				    .hostname = "relay.example.com",
				    .company = "Example Corp",
				    .retry_ms = { 20, 40, 80 },
				    .retry_count = 3,
				    .expire_ms = 3600 * 1000,
				    .active = 8,
				    .memory = &memory,
				    .keep_octets = 100000 };
}

/* What recovery finds goes to the queue before it knows its spool, which it needs only later. */
static void open_queue(void)
{
	struct spool_conf spool_conf = { .dir = dir,
					 .disk = &disk,
					 .lazy_ms = 5,
					 .post = loop_post_home,
					 .counters = &rig.counters,
					 .wall_ms = wall_now_ms,
					 .found = on_found,
					 .damaged = on_damaged };
	struct fault fault;

	recovered = 0;
	disk = spool_disk_real;
	disk.pwritev = write_or_refuse;
	disk_error = 0;
	set_conf();
	queue = queue_new(&conf);
	spool = spool_open(&spool_conf, &fault);
	if (!spool)
		fail_msg("%s", fault.text);
	conf.spool = spool;
	queue_renew(queue, &conf);
}

static void on_relay_room(void *user)
{
	(void)user;
	if (queue)
		queue_on_room(queue);
}

static void use_relay(int port)
{
	struct relay_smarthost to = rig_smarthost("main", port, limit);
	struct relay_conf relay_conf = rig_relay_conf(&rig, &to, 1);

	relay_conf.room = on_relay_room;
	rig.relay = relay_new(&relay_conf);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/queue-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(&fake, 0, sizeof(fake));
	fake.offers = "250-PIPELINING\r\n250-8BITMIME\r\n";
	limit = relay_limit_new(4, 0);
	budget = 1 << 20;
	memory = budget;
	rig_start(&rig);
	reads = lane_new("reads", 1);
	fake_start(&fake);
	use_relay(fake.port);
	open_queue();
	return 0;
}

static bool is_freed;

static void on_freed(void *user)
{
	(void)user;
	is_freed = true;
	queue = NULL;
}

static bool was_freed(void *user)
{
	(void)user;
	return is_freed;
}

static void close_queue(void)
{
	is_freed = false;
	queue_free(queue, on_freed, NULL);
	rig_until(&rig, was_freed, NULL);
	spool_close(&spool);
	queue = NULL;
	assert_int_equal(memory, budget);
	assert_int_equal(rig.counters.queue_messages, 0);
}

static void reopen_queue(void)
{
	close_queue();
	open_queue();
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	close_queue();
	rig_stop(&rig);
	lane_free(&reads);
	fake_stop(&fake);
	relay_limit_free(&limit);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Messages in */

struct submission {
	struct intake *in;
	unsigned rooms;
	bool is_done;
	int status;
	struct fault fault;
	uint64_t qid;
};

static void on_room(void *user)
{
	((struct submission *)user)->rooms++;
}

static void on_done(void *user, int status, const struct fault *fault)
{
	struct submission *s = user;

	assert_false(s->is_done);
	s->is_done = true;
	s->status = status;
	if (fault)
		s->fault = *fault;
}

static bool is_accepted(void *user)
{
	return ((struct submission *)user)->is_done;
}

static bool has_room(void *user)
{
	return ((struct submission *)user)->rooms > 0;
}

static void begin(struct submission *s)
{
	struct intake_conf intake = { queue, on_room, on_done, s };

	*s = (struct submission){ .in = intake_new(&intake) };
	s->qid = intake_qid(s->in);
}

static struct envelope envelope_for(const char *sender, const char *recipients)
{
	struct envelope e = { .sid = 7,
			      .account = mem_text("alice"),
			      .sender = mem_text(sender),
			      .arrived_ms = wall_now_ms(),
			      .header_octets = strstr(content, "\r\n\r\n") - content + 2 };
	struct span rest = span_text(recipients);

	while (rest.len) {
		struct span one = span_first(rest, span_find(rest, ' '));

		envelope_add_recipient(&e, one, NULL);
		rest = span_from(rest, one.len + 1);
	}
	return e;
}

static void commit(struct submission *s, const char *sender, const char *recipients)
{
	struct envelope e = envelope_for(sender, recipients);

	intake_commit(s->in, &e);
	assert_false(s->is_done);
	rig_until(&rig, is_accepted, s);
	if (s->status)
		fail_msg("%s", s->fault.text);
}

static uint64_t submit(const char *sender, const char *recipients)
{
	struct submission s;

	begin(&s);
	assert_true(intake_put(s.in, span_text(content)));
	commit(&s, sender, recipients);
	return s.qid;
}

static void put_all(struct submission *s, struct span text, size_t part_octets)
{
	while (text.len) {
		struct span part = span_first(text, part_octets);

		s->rooms = 0;
		if (!intake_put(s->in, part))
			rig_until(&rig, has_room, s);
		text = span_from(text, part.len);
	}
}

static bool is_empty(void *user)
{
	(void)user;
	return queue_length(queue) == 0;
}

static bool is_quiet(void *user)
{
	(void)user;
	return queue_length(queue) == 0 && rig.counters.spool_commits > 0;
}

static char *large_text(size_t octets)
{
	char *text = malloc(octets + 1);

	for (size_t i = 0; i < octets; i++)
		text[i] = (char)('a' + i % 26);
	for (size_t i = 78; i + 2 < octets; i += 80)
		memcpy(text + i, "\r\n.", 3);
	text[octets - 2] = '\r';
	text[octets - 1] = '\n';
	text[octets] = '\0';
	return text;
}

/* The straight way */

static void delivered_is_settled(void **state)
{
	(void)state;
	submit("alice@example.com", "bob@example.net carol@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 1);
	assert_string_equal(fake.messages[0].sender, "alice@example.com");
	assert_string_equal(fake.messages[0].recipients, "bob@example.net carol@example.net");
	assert_string_equal(fake.messages[0].content, content);
	assert_int_equal(rig.counters.recipients_delivered, 2);
	reopen_queue();
	assert_int_equal(recovered, 0);
}

static void empty_content_is_a_message(void **state)
{
	struct submission s;

	(void)state;
	begin(&s);
	commit(&s, "alice@example.com", "bob@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 1);
	assert_int_equal(fake.messages[0].octets, 0);
}

static atomic_uint refusals;

static const char *refuses_some(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (strstr(line, "RCPT TO:<slow@") && refusals > 0) {
		refusals--;
		return "451 4.7.1 grey";
	}
	if (strstr(line, "RCPT TO:<gone@"))
		return "550 5.1.1 no such person here";
	if (strstr(line, "RCPT TO:<never@"))
		return "450 4.2.0 come back later";
	return NULL;
}

static void deferred_is_tried_again(void **state)
{
	(void)state;
	refusals = 3;
	fake.answer = refuses_some;
	submit("alice@example.com", "bob@example.net slow@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 2);
	assert_string_equal(fake.messages[0].recipients, "bob@example.net");
	assert_string_equal(fake.messages[1].recipients, "slow@example.net");
	assert_string_equal(fake.messages[1].content, content);
	assert_int_equal(rig.counters.recipients_deferred, 3);
	assert_int_equal(rig.counters.recipients_delivered, 2);
	assert_int_equal(rig.counters.bounces_made, 0);
}

/* Views */

static bool has_tried(void *user)
{
	struct queue_view view;

	return queue_find(queue, *(const uint64_t *)user, &view) &&
	       view.stand != QUEUE_STAND_ACTIVE && view.delivery->attempts > 0;
}

/* Its notice has come and gone. */
static bool has_tried_alone(void *user)
{
	return has_tried(user) && queue_length(queue) == 1 && rig.counters.bounces_made == 1;
}

static void count_view(void *user, const struct queue_view *view)
{
	assert_non_null(view->envelope);
	(*(unsigned *)user)++;
}

static void a_view_says_why_it_waits(void **state)
{
	struct queue_walk walk;
	struct queue_view view;
	uint64_t qid, other;
	unsigned seen = 0;

	(void)state;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	qid = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_tried, &qid);
	other = submit("alice@example.com", "never@example.org");
	rig_until(&rig, has_tried, &other);
	assert_true(queue_find(queue, qid, &view));
	assert_int_equal(view.delivery->recipients[0].code, 450);
	assert_string_equal(view.delivery->recipients[0].text, "come back later");
	assert_string_equal(view.delivery->recipients[0].smarthost, "main");
	assert_true(view.delivery->next_ms >= view.delivery->last_ms + 45000);
	assert_true(view.delivery->next_ms <= view.delivery->last_ms + 75000);
	assert_false(queue_find(queue, other + 1, &view));
	queue_walk_init(&walk, queue);
	assert_false(queue_walk(&walk, 10, count_view, &seen));
	queue_walk_fini(&walk);
	assert_int_equal(seen, 2);
}

/* Notices */

static const struct fake_message *message_to(const char *recipients)
{
	for (unsigned i = 0; i < fake.message_count; i++)
		if (strcmp(fake.messages[i].recipients, recipients) == 0)
			return &fake.messages[i];
	fail_msg("nothing came for %s", recipients);
	return NULL;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void refused_makes_a_notice(void **state)
{
	const struct fake_message *notice;
	char id[ID_TEXT_MAX];

	(void)state;
	fake.answer = refuses_some;
	id_format(submit("alice@example.com", "bob@example.net gone@example.net gone@example.org"),
		  id);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 2);
	message_to("bob@example.net");
	notice = message_to("alice@example.com");
	assert_string_equal(notice->sender, "");
	assert_contains(notice->content, "multipart/report; report-type=delivery-status");
	assert_contains(notice->content, "Final-Recipient: rfc822; gone@example.net");
	assert_contains(notice->content, "Final-Recipient: rfc822; gone@example.org");
	assert_null(strstr(notice->content, "bob@example.net"));
	assert_contains(notice->content, "Status: 5.1.1");
	assert_contains(notice->content, "550 5.1.1 no such person here");
	assert_contains(notice->content, "Remote-MTA: dns; [127.0.0.1]");
	assert_contains(notice->content, "Subject: t\r\n");
	assert_contains(notice->content, id);
	assert_null(strstr(notice->content, "Hello"));
	assert_int_equal(rig.counters.bounces_made, 1);
	assert_int_equal(rig.counters.recipients_failed, 2);
	reopen_queue();
	assert_int_equal(recovered, 0);
}

static bool has_warned(void *user)
{
	(void)user;
	return rig.counters.warnings_made > 0;
}

static bool has_tried_and_is_alone(void *user)
{
	return has_tried(user) && queue_length(queue) == 1;
}

/* A smarthost without DSN: that it was passed on is ours to tell. */
static void success_is_told_where_asked_for(void **state)
{
	struct smtp_rcpt_params wants = { .notify = SMTP_NOTIFY_SUCCESS,
					  .orcpt = span_text("rfc822;bob@example.net") };
	struct envelope e = envelope_for("alice@example.com", "carol@example.net");
	const struct fake_message *notice;
	struct submission s;

	(void)state;
	envelope_add_recipient(&e, span_text("bob@example.net"), &wants);
	begin(&s);
	intake_put(s.in, span_text(content));
	intake_commit(s.in, &e);
	rig_until(&rig, is_accepted, &s);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 2);
	notice = message_to("alice@example.com");
	assert_contains(notice->content, "Action: relayed");
	assert_contains(notice->content, "Final-Recipient: rfc822; bob@example.net");
	assert_null(strstr(notice->content, "carol@example.net"));
	assert_int_equal(rig.counters.successes_made, 1);
	assert_int_equal(rig.counters.bounces_made, 0);
}

static void late_mail_is_warned_of(void **state)
{
	const struct fake_message *notice;
	uint64_t qid;

	(void)state;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	conf.warn_ms = 200;
	queue_renew(queue, &conf);
	qid = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_warned, NULL);
	rig_until(&rig, has_tried_and_is_alone, &qid);
	notice = message_to("alice@example.com");
	assert_contains(notice->content, "Action: delayed");
	assert_contains(notice->content, "450 4.2.0 come back later");
	assert_contains(notice->content, "Will-Retry-Until: ");
	/* Once, also after a start. */
	reopen_queue();
	rig_until(&rig, has_tried, &qid);
	assert_int_equal(rig.counters.warnings_made, 1);
}

static void null_sender_gets_no_notice(void **state)
{
	(void)state;
	fake.answer = refuses_some;
	submit("", "gone@example.net");
	rig_until(&rig, is_quiet, NULL);
	assert_int_equal(fake.message_count, 0);
	assert_int_equal(rig.counters.bounces_made, 0);
	reopen_queue();
	assert_int_equal(recovered, 0);
}

static void notice_that_is_refused_makes_no_other(void **state)
{
	(void)state;
	fake.answer = refuses_some;
	submit("gone@example.com", "gone@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(rig.counters.bounces_made, 1);
	assert_int_equal(rig.counters.spool_commits, 2);
	assert_int_equal(fake.message_count, 0);
}

static void time_runs_out(void **state)
{
	const struct fake_message *notice;
	uint64_t qid;

	(void)state;
	fake.answer = refuses_some;
	qid = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_tried, &qid);
	conf.expire_ms = 500;
	queue_renew(queue, &conf);
	rig_until(&rig, is_empty, NULL);
	notice = message_to("alice@example.com");
	assert_contains(notice->content, "Status: 4.4.7");
	assert_contains(notice->content, "450 4.2.0 come back later");
	assert_contains(notice->content, "could not be delivered in the time");
	assert_true(rig.counters.recipients_deferred >= 1);
	assert_int_equal(rig.counters.recipients_failed, 1);
}

static bool has_bounced(void *user)
{
	(void)user;
	return rig.counters.bounces_made > 0;
}

static bool is_left_alone(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.reason;
}

static void nobody_reached_till_the_end(void **state)
{
	struct relay_smarthost to = rig_smarthost("dead", fake_closed_port(), limit);
	struct relay_smarthost alive = rig_smarthost("main", fake.port, limit);
	const struct fake_message *notice;

	(void)state;
	relay_renew(rig.relay, &to, 1, "relay.example.com");
	submit("alice@example.com", "bob@example.net");
	rig_until(&rig, is_left_alone, NULL);
	conf.expire_ms = 500;
	queue_renew(queue, &conf);
	rig_until(&rig, has_bounced, NULL);
	relay_renew(rig.relay, &alive, 1, "relay.example.com");
	conf.expire_ms = 3600 * 1000;
	queue_renew(queue, &conf);
	rig_until(&rig, is_empty, NULL);
	notice = message_to("alice@example.com");
	assert_contains(notice->content, "Status: 4.4.7");
	assert_contains(notice->content, "cannot connect to 127.0.0.1");
}

/* Large contents and little memory */

static void large_content_goes_through_the_spool(void **state)
{
	const size_t octets = 5 * 1024 * 1024;
	char *text = large_text(octets);
	struct submission s;

	(void)state;
	begin(&s);
	put_all(&s, span_of(text, octets), 65536);
	/* What is under way of it, however long it is. */
	assert_int_equal(memory, budget - 3 * 65536);
	commit(&s, "alice@example.com", "bob@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(memory, budget);
	assert_int_equal(fake.messages[0].octets, octets);
	assert_memory_equal(fake.messages[0].content, text, octets);
	free(text);
}

enum { CONTENTS = 64 };

/* Once what is under way is written. */
static bool is_small(void *user)
{
	return mallinfo2().uordblks < *(size_t *)user + CONTENTS * 24 * 1024;
}

/* What the budget does not cover is small. */
static void large_contents_without_a_budget_are_small_in_memory(void **state)
{
	const size_t octets = 300 * 1000;
	char *text = large_text(octets);
	struct submission s[CONTENTS];
	size_t before;

	(void)state;
	memory = 0;
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < CONTENTS; i++) {
		begin(&s[i]);
		put_all(&s[i], span_of(text, octets), 1000);
	}
	rig_until(&rig, is_small, &before);
	assert_int_equal(memory, 0);
	for (unsigned i = 0; i < CONTENTS; i++)
		intake_drop(&s[i].in);
	memory = budget;
	free(text);
}

/* keep_octets above what one record may hold: the commit takes several. */
static void large_content_may_be_kept(void **state)
{
	const size_t octets = 900 * 1000;
	char *text = large_text(octets);
	struct submission s;

	(void)state;
	conf.keep_octets = 1000 * 1000;
	queue_renew(queue, &conf);
	begin(&s);
	put_all(&s, span_of(text, octets), 10000);
	assert_int_equal(memory, budget - (int64_t)octets);
	commit(&s, "alice@example.com", "bob@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_memory_equal(fake.messages[0].content, text, octets);
	free(text);
}

static void without_budget_all_goes_through_the_spool(void **state)
{
	static const size_t sizes[] = { 1, 100, 40000, 70000, 131072, 262144, 262145, 600000 };

	(void)state;
	memory = budget = 50000;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t octets = sizes[i] + 2;
		char *text = large_text(octets);
		struct submission s;

		begin(&s);
		put_all(&s, span_of(text, octets), 7777);
		commit(&s, "alice@example.com", "bob@example.net");
		rig_until(&rig, is_empty, NULL);
		assert_int_equal(fake.messages[i].octets, octets);
		assert_memory_equal(fake.messages[i].content, text, octets);
		assert_int_equal(memory, budget);
		free(text);
	}
}

static void parts_of_any_size_are_taken(void **state)
{
	const size_t octets = 1024 * 1024;
	char *text = large_text(octets);
	struct submission s;

	(void)state;
	begin(&s);
	/* In one part, whatever the answer was. */
	intake_put(s.in, span_of(text, octets));
	commit(&s, "alice@example.com", "bob@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_memory_equal(fake.messages[0].content, text, octets);
	free(text);
}

static bool memory_is_back(void *user)
{
	(void)user;
	return memory == budget;
}

static void drop_leaves_nothing(void **state)
{
	static const size_t sizes[] = { 0, 1000, 3 * 1024 * 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = large_text(sizes[i] + 2);
		struct submission s;

		begin(&s);
		/* Without waiting for room: writes are under way when it is dropped. */
		intake_put(s.in, span_of(text, sizes[i]));
		intake_drop(&s.in);
		assert_null(s.in);
		rig_until(&rig, memory_is_back, NULL);
		assert_false(s.is_done);
		free(text);
	}
	assert_int_equal(queue_length(queue), 0);
	reopen_queue();
	assert_int_equal(recovered, 0);
}

/* After a start */

static void those_who_have_it_do_not_get_it_again(void **state)
{
	uint64_t qid;
	struct queue_view view;

	(void)state;
	refusals = 1;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	qid = submit("alice@example.com", "bob@example.net slow@example.net gone@example.net");
	rig_until(&rig, has_tried_alone, &qid);
	reopen_queue();
	assert_int_equal(recovered, 1);
	assert_int_equal(recover_status, 0);
	/* The note says a minute, but no pause is longer than the settings now allow. */
	assert_true(queue_find(queue, qid, &view));
	assert_int_equal(view.delivery->attempts, 1);
	assert_int_equal(view.delivery->recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(view.delivery->recipients[1].state, RECIPIENT_WAITING);
	assert_int_equal(view.delivery->recipients[2].state, RECIPIENT_FAILED);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 3);
	message_to("bob@example.net");
	assert_string_equal(message_to("slow@example.net")->content, content);
	message_to("alice@example.com");
	assert_int_equal(rig.counters.bounces_made, 1);
}

struct written {
	struct spool_write write;
	bool is_done;
};

static void on_written(struct work *work)
{
	list_entry(work, struct written, write.done)->is_done = true;
}

static bool is_written(void *user)
{
	return ((struct written *)user)->is_done;
}

/* The crash came between the last note and the settle. */
static void what_is_final_is_settled_after_a_start(void **state)
{
	struct written w = {
		.write = { .done = { .run = on_written }, .home = rig.loop, .kind = SPOOL_NOTE }
	};
	struct buf note = { 0 };
	struct delivery d;

	(void)state;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	w.write.id = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_tried, &w.write.id);
	delivery_init(&d, 1);
	d.attempts = 2;
	d.recipients[0].state = RECIPIENT_DELIVERED;
	delivery_encode(&d, &note);
	delivery_fini(&d);
	w.write.record = buf_span(&note);
	spool_put(spool, &w.write);
	rig_until(&rig, is_written, &w);
	buf_fini(&note);
	reopen_queue();
	assert_int_equal(recovered, 1);
	rig_until(&rig, is_empty, NULL);
	reopen_queue();
	assert_int_equal(recovered, 0);
	assert_int_equal(fake.message_count, 0);
	assert_int_equal(rig.counters.recipients_delivered, 0);
}

static void what_was_not_tried_is_tried(void **state)
{
	struct relay_smarthost dead = rig_smarthost("dead", fake_closed_port(), limit);
	struct relay_smarthost alive = rig_smarthost("main", fake.port, limit);

	(void)state;
	relay_renew(rig.relay, &dead, 1, "relay.example.com");
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	for (int i = 0; i < 20; i++)
		submit("alice@example.com", "bob@example.net");
	relay_renew(rig.relay, &alive, 1, "relay.example.com");
	reopen_queue();
	assert_true(recovered > 0);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 20);
}

static void a_record_that_makes_no_sense_is_refused(void **state)
{
	struct spool_found found = { .id = 1, .envelope = span_text("\x01nonsense") };
	struct envelope e = envelope_for("a@b", "c@d e@f");
	struct delivery d;
	struct buf envelope = { 0 }, note = { 0 };

	(void)state;
	assert_int_equal(queue_recover(queue, &found), -EINVAL);
	found.envelope = span_text("\x04");
	assert_int_equal(queue_recover(queue, &found), -ENOTSUP);
	/* A note for another number of recipients. */
	envelope_encode(&e, &envelope);
	delivery_init(&d, 1);
	delivery_encode(&d, &note);
	found.envelope = buf_span(&envelope);
	found.note = buf_span(&note);
	assert_int_equal(queue_recover(queue, &found), -EINVAL);
	assert_int_equal(queue_length(queue), 0);
	envelope_fini(&e);
	delivery_fini(&d);
	buf_fini(&envelope);
	buf_fini(&note);
}

/* By hand */

static atomic_bool may_go_on;

static const char *waits_at_dot(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (strcmp(line, ".") == 0 && !may_go_on)
		usleep(1000);
	return NULL;
}

static bool body_has_begun(void *user)
{
	(void)user;
	return fake.starts_of_body > 0;
}

struct asked {
	struct queue_order order;
	bool is_done;
	int status;
};

static void on_acted(struct queue_order *order, int status, const struct fault *fault)
{
	struct asked *a = list_entry(order, struct asked, order);

	(void)fault;
	a->is_done = true;
	a->status = status;
}

static bool is_acted(void *user)
{
	return ((struct asked *)user)->is_done;
}

static int ask(uint64_t qid, enum queue_action action)
{
	struct asked a = { .order = { .action = action, .done = on_acted } };

	queue_act(queue, qid, &a.order);
	assert_false(a.is_done);
	rig_until(&rig, is_acted, &a);
	return a.status;
}

static bool is_told_why(void *user)
{
	struct queue_view view;

	return queue_find(queue, *(const uint64_t *)user, &view) &&
	       view.stand == QUEUE_STAND_NO_SMARTHOST;
}

static bool only_two_are_left(void *user)
{
	(void)user;
	return queue_length(queue) == 2;
}

/* One that stands in line for a smarthost that is away, and one that pauses, are held; both are still
 * held after a start; released they go. */
static void what_is_held_stays_held(void **state)
{
	struct relay_smarthost dead = rig_smarthost("dead", fake_closed_port(), limit);
	struct relay_smarthost alive = rig_smarthost("main", fake.port, limit);
	uint64_t paused, in_line;
	struct queue_view view;

	(void)state;
	refusals = 1;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	paused = submit("alice@example.com", "slow@example.net");
	rig_until(&rig, has_tried, &paused);
	dead.pause_first_ms = dead.pause_most_ms = 60000;
	relay_renew(rig.relay, &dead, 1, "relay.example.com");
	in_line = submit("alice@example.com", "bob@example.net");
	rig_until(&rig, is_told_why, &in_line);
	assert_true(queue_find(queue, in_line, &view));
	assert_int_equal(view.delivery->attempts, 0);
	assert_int_equal(ask(paused, QUEUE_HOLD), 0);
	assert_int_equal(ask(in_line, QUEUE_HOLD), 0);
	relay_renew(rig.relay, &alive, 1, "relay.example.com");
	reopen_queue();
	assert_int_equal(recovered, 2);
	assert_int_equal(rig.counters.queue_held, 2);
	submit("alice@example.com", "carol@example.net");
	rig_until(&rig, only_two_are_left, NULL);
	assert_int_equal(fake.message_count, 1);
	assert_int_equal(ask(paused, QUEUE_RELEASE), 0);
	assert_int_equal(ask(in_line, QUEUE_RELEASE), 0);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 3);
}

static void what_is_removed_is_gone(void **state)
{
	uint64_t paused, active;

	(void)state;
	may_go_on = false;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	fake.answer = refuses_some;
	paused = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_tried, &paused);
	fake.answer = waits_at_dot;
	active = submit("alice@example.com", "bob@example.net");
	rig_until(&rig, body_has_begun, NULL);
	assert_int_equal(ask(paused, QUEUE_REMOVE), 0);
	assert_int_equal(ask(active, QUEUE_REMOVE), 0);
	assert_int_equal(queue_length(queue), 0);
	may_go_on = true;
	reopen_queue();
	assert_int_equal(recovered, 0);
	assert_int_equal(rig.counters.bounces_made, 0);
}

static void who_is_given_up_gets_a_notice(void **state)
{
	const struct fake_message *notice;
	uint64_t qid;

	(void)state;
	fake.answer = refuses_some;
	conf.retry_ms[0] = 60000;
	queue_renew(queue, &conf);
	qid = submit("alice@example.com", "never@example.net");
	rig_until(&rig, has_tried, &qid);
	assert_int_equal(ask(qid, QUEUE_BOUNCE), 0);
	rig_until(&rig, is_empty, NULL);
	notice = message_to("alice@example.com");
	assert_contains(notice->content, "Status: 5.0.0");
	assert_contains(notice->content, "Final-Recipient: rfc822; never@example.net");
	reopen_queue();
	assert_int_equal(recovered, 0);
}

static void flush_asks_who_was_left_alone(void **state)
{
	struct relay_smarthost dead = rig_smarthost("dead", fake_closed_port(), limit);
	struct relay_smarthost alive = rig_smarthost("main", fake.port, limit);
	uint64_t qid;

	(void)state;
	dead.pause_first_ms = dead.pause_most_ms = 3600 * 1000;
	relay_renew(rig.relay, &dead, 1, "relay.example.com");
	qid = submit("alice@example.com", "bob@example.net");
	rig_until(&rig, is_told_why, &qid);
	assert_int_equal(ask(qid, QUEUE_FLUSH), 0);
	rig_until(&rig, is_told_why, &qid);
	relay_renew(rig.relay, &alive, 1, "relay.example.com");
	assert_int_equal(ask(qid, QUEUE_FLUSH), 0);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 1);
}

/* A disk that takes nothing */

static void a_full_disk_refuses_and_stores_nothing(void **state)
{
	static const size_t sizes[] = { 100, 600000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = large_text(sizes[i]);
		struct envelope e = envelope_for("alice@example.com", "bob@example.net");
		struct submission s;

		disk_error = -ENOSPC;
		begin(&s);
		put_all(&s, span_of(text, sizes[i]), 65536);
		intake_commit(s.in, &e);
		rig_until(&rig, is_accepted, &s);
		assert_true(s.status < 0);
		assert_true(s.fault.text[0] != '\0');
		assert_int_equal(memory, budget);
		assert_int_equal(queue_length(queue), 0);
		disk_error = 0;
		free(text);
	}
	submit("alice@example.com", "bob@example.net");
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 1);
	reopen_queue();
	assert_int_equal(recovered, 0);
}

static const char *refuses_while_disk_is_full(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	if (!strstr(line, "RCPT TO:<gone@"))
		return NULL;
	disk_error = -ENOSPC;
	return "550 5.1.1 no such person here";
}

static bool waits_unreported(void *user)
{
	return has_tried(user) && disk_refusals > 0;
}

/* The original stays until its notice is safe. */
static void a_notice_waits_for_the_disk(void **state)
{
	uint64_t qid;

	(void)state;
	fake.answer = refuses_while_disk_is_full;
	qid = submit("alice@example.com", "gone@example.net");
	disk_refusals = 0;
	rig_until(&rig, waits_unreported, &qid);
	assert_int_equal(rig.counters.bounces_made, 0);
	disk_error = 0;
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(rig.counters.bounces_made, 1);
	assert_int_equal(rig.counters.recipients_failed, 1);
	assert_int_equal(fake.message_count, 1);
	message_to("alice@example.com");
}

/* Many at once, and a stop in the middle */

static void no_more_than_allowed_are_tried_at_once(void **state)
{
	struct submission s[60];

	(void)state;
	relay_limit_set(limit, 50, 0);
	conf.active = 3;
	queue_renew(queue, &conf);
	for (size_t i = 0; i < 60; i++) {
		struct envelope e = envelope_for("alice@example.com", "bob@example.net");

		begin(&s[i]);
		intake_put(s[i].in, span_text(content));
		intake_commit(s[i].in, &e);
	}
	for (size_t i = 0; i < 60; i++)
		rig_until(&rig, is_accepted, &s[i]);
	rig_until(&rig, is_empty, NULL);
	assert_int_equal(fake.message_count, 60);
	assert_true(fake.most_open <= 3);
}

static void stop_waits_for_the_outcome(void **state)
{
	(void)state;
	may_go_on = false;
	fake.answer = waits_at_dot;
	submit("alice@example.com", "bob@example.net");
	rig_until(&rig, body_has_begun, NULL);
	is_freed = false;
	queue_free(queue, on_freed, NULL);
	assert_false(is_freed);
	may_go_on = true;
	rig_until(&rig, was_freed, NULL);
	spool_close(&spool);
	open_queue();
	assert_int_equal(recovered, 0);
	assert_int_equal(fake.message_count, 1);
}

static void stop_that_cuts_an_attempt_loses_nothing(void **state)
{
	(void)state;
	may_go_on = false;
	fake.answer = waits_at_dot;
	submit("alice@example.com", "bob@example.net");
	rig_until(&rig, body_has_begun, NULL);
	is_freed = false;
	relay_free(rig.relay, 0, NULL, NULL);
	rig.relay = NULL;
	queue_free(queue, on_freed, NULL);
	rig_until(&rig, was_freed, NULL);
	spool_close(&spool);
	may_go_on = true;
	use_relay(fake.port);
	open_queue();
	assert_int_equal(recovered, 1);
	rig_until(&rig, is_empty, NULL);
	assert_true(fake.message_count >= 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delivered_is_settled),
		TEST(empty_content_is_a_message),
		TEST(deferred_is_tried_again),
		TEST(a_view_says_why_it_waits),
		TEST(refused_makes_a_notice),
		TEST(success_is_told_where_asked_for),
		TEST(late_mail_is_warned_of),
		TEST(null_sender_gets_no_notice),
		TEST(notice_that_is_refused_makes_no_other),
		TEST(time_runs_out),
		TEST(nobody_reached_till_the_end),
		TEST(large_content_goes_through_the_spool),
		TEST(large_content_may_be_kept),
		TEST(large_contents_without_a_budget_are_small_in_memory),
		TEST(without_budget_all_goes_through_the_spool),
		TEST(parts_of_any_size_are_taken),
		TEST(drop_leaves_nothing),
		TEST(those_who_have_it_do_not_get_it_again),
		TEST(what_is_final_is_settled_after_a_start),
		TEST(what_was_not_tried_is_tried),
		TEST(a_record_that_makes_no_sense_is_refused),
		TEST(what_is_held_stays_held),
		TEST(what_is_removed_is_gone),
		TEST(who_is_given_up_gets_a_notice),
		TEST(flush_asks_who_was_left_alone),
		TEST(a_full_disk_refuses_and_stores_nothing),
		TEST(a_notice_waits_for_the_disk),
		TEST(no_more_than_allowed_are_tried_at_once),
		TEST(stop_waits_for_the_outcome),
		TEST(stop_that_cuts_an_attempt_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
