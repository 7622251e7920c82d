/* tests/unit/queue/notice.c: notices as they are made and committed, over a content and an intake that
 * stall, fail and end as the test says. */
#include "test.h"

#include "base/mem.h"
#include "content.h"
#include "notice.h"

#include <errno.h>
#include <stdlib.h>

#define HEADER "From: alice@example.com\r\nMessage-ID: <m1@example.com>\r\nSubject: t\r\n"
#define FIRST HEADER "\r\n--=_\r\nHello\r\n"
#define SECOND ".dot\r\n--=_--\r\n"
#define WALL 1795299114123
#define NOW 1000000

enum { INTAKES_MOST = 4 };

/* The clock and the rest of the room */

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return NOW;
}

int64_t wall_now_ms(void)
{
	return WALL;
}

void random_fill(void *at, size_t n)
{
	memset(at, 0x5A, n);
}

int64_t queued_expires_at(const struct queued *q)
{
	(void)q;
	return NOW + 24 * 3600 * 1000;
}

static const char *reasons;

void queue_reasons(const struct queue *queue, struct buf *out)
{
	(void)queue;
	buf_put_text(out, reasons);
}

char *queued_text(struct span words)
{
	return mem_text_n(words.at, words.len);
}

/* The content: parts, with a stall before each while stalls are due, and an error in place of one. */

static const char *parts[3];
static size_t error_at;
static bool stalls;
static struct queued_content *reader;
static size_t next_index;
static bool has_stalled;

static int next_part(struct relay_source *source, struct span *part)
{
	assert_ptr_equal(source, &reader->source);
	if (stalls && !has_stalled) {
		has_stalled = true;
		return -EAGAIN;
	}
	has_stalled = false;
	if (next_index == error_at)
		return -EIO;
	if (next_index == 3 || parts[next_index] == NULL)
		return 0;
	*part = span_text(parts[next_index++]);
	return 1;
}

static void rewind_parts(struct relay_source *source)
{
	assert_ptr_equal(source, &reader->source);
	next_index = 0;
	has_stalled = false;
}

void queued_content_init(struct queued_content *c, struct queued *queued, void (*more)(void *user),
			 void *user)
{
	assert_null(reader);
	reader = c;
	c->source = (struct relay_source){ .next = next_part, .rewind = rewind_parts };
	c->queue = queued->queue;
	c->more = more;
	c->user = user;
	next_index = 0;
	has_stalled = false;
}

void queued_content_fini(struct queued_content *c)
{
	assert_true(reader == NULL || reader == c);
	reader = NULL;
}

/* The intake: tight ones have room for one part at a time. */

struct intake {
	struct intake_conf conf;
	struct buf content;
	struct envelope envelope;
	bool is_full, is_committed, is_dropped;
};

static struct intake intakes[INTAKES_MOST];
static size_t intake_count;
static bool is_tight;

struct intake *intake_new(const struct intake_conf *conf)
{
	assert_true(intake_count < INTAKES_MOST);
	intakes[intake_count].conf = *conf;
	return &intakes[intake_count++];
}

uint64_t intake_qid(const struct intake *in)
{
	return 100 + (uint64_t)(in - intakes);
}

bool intake_put(struct intake *in, struct span content)
{
	assert_false(in->is_full || in->is_committed || in->is_dropped);
	buf_put_span(&in->content, content);
	in->is_full = is_tight;
	return !in->is_full;
}

void intake_commit(struct intake *in, struct envelope *envelope)
{
	assert_false(in->is_committed || in->is_dropped);
	in->is_committed = true;
	in->envelope = *envelope;
	*envelope = (struct envelope){ 0 };
}

void intake_drop(struct intake **in)
{
	if (*in == NULL)
		return;
	assert_false((*in)->is_committed || (*in)->is_dropped);
	(*in)->is_dropped = true;
	*in = NULL;
}

/* A message about which there is something to say */

static struct queue queue;
static struct queued *q;
static struct queued_work work;
static struct notice_conf conf;
static bool places[2];
static bool is_done;
static int status;
static uint64_t made;

static void on_done(struct queued *queued, int how, const struct fault *fault, uint64_t notice)
{
	assert_ptr_equal(queued, q);
	assert_false(is_done);
	assert_int_equal(how != 0, fault != NULL);
	is_done = true;
	status = how;
	made = notice;
}

static void set_recipient(size_t i, int code, struct smtp_status s, const char *text)
{
	struct recipient_status *r = &work.delivery.recipients[i];

	free(r->text);
	r->code = code;
	r->status = s;
	r->text = text ? mem_text(text) : NULL;
}

static void add_recipient(const char *address, const char *orcpt)
{
	const struct smtp_rcpt_params params = { .orcpt = span_text(orcpt) };

	envelope_add_recipient(&work.envelope, span_text(address), &params);
}

static int set_up(void **state)
{
	static char hostname[] = "relay.example.com", company[] = "Example Corp";

	(void)state;
	queue = (struct queue){ .hostname = hostname, .company = company };
	work = (struct queued_work){ .envelope = { .account = mem_text("alice"),
						   .sender = mem_text("alice@example.com"),
						   .envid = mem_text("env+201"),
						   .arrived_ms = WALL - 1000 } };
	add_recipient("bob@example.net", "rfc822;b+2Bb@example.net");
	add_recipient("carl@example.net", "");
	work.delivery.recipients = mem_array(2, sizeof(struct recipient_status));
	work.delivery.last_ms = WALL - 500;
	q = mem_new(struct queued);
	q->queue = &queue;
	q->work = &work;
	q->qid = 7;
	q->sid = 8;
	q->size = strlen(FIRST SECOND);
	q->header_octets = strlen(HEADER);
	q->recipient_count = 2;
	set_recipient(0, 550, (struct smtp_status){ 5, 1, 1 }, "No such user");
	set_recipient(1, 450, (struct smtp_status){ 4, 2, 0 }, "Greylisted");
	places[0] = true;
	places[1] = false;
	conf = (struct notice_conf){
		.queued = q, .action = MAIL_DSN_FAILED, .places = places, .done = on_done
	};
	parts[0] = FIRST;
	parts[1] = SECOND;
	parts[2] = NULL;
	error_at = SIZE_MAX;
	stalls = is_tight = is_done = false;
	reasons = "";
	return 0;
}

static void forget_intakes(void)
{
	for (size_t i = 0; i < intake_count; i++) {
		buf_fini(&intakes[i].content);
		envelope_fini(&intakes[i].envelope);
		intakes[i] = (struct intake){ 0 };
	}
	intake_count = 0;
	is_done = false;
}

static int tear_down(void **state)
{
	(void)state;
	forget_intakes();
	assert_null(reader);
	for (size_t i = 0; i < 2; i++)
		free(work.delivery.recipients[i].text);
	free(work.delivery.recipients);
	envelope_fini(&work.envelope);
	free(q);
	return 0;
}

/* One thing that the notice waits for comes. False: it waits for nothing but its commit. */
static bool step(void)
{
	struct intake *in = intake_count ? &intakes[intake_count - 1] : NULL;

	if (in && in->is_full && !in->is_committed && !in->is_dropped) {
		in->is_full = false;
		in->conf.room(in->conf.user);
		return true;
	}
	if (reader && has_stalled) {
		reader->more(reader->user);
		return true;
	}
	return false;
}

static struct intake *last(void)
{
	assert_true(intake_count > 0);
	return &intakes[intake_count - 1];
}

static void end_commit(int how)
{
	struct intake *in = last();
	struct fault fault;

	assert_true(in->is_committed);
	assert_false(is_done);
	if (how)
		fault_set(&fault, how, "no");
	in->conf.done(in->conf.user, how, how ? &fault : NULL);
	assert_true(is_done);
}

/* The whole way; the text stays in the last intake. */
static char *make(void)
{
	struct buf copy = { 0 };

	notice_start(&conf);
	while (step())
		assert_false(is_done);
	assert_null(reader);
	end_commit(0);
	assert_int_equal(status, 0);
	assert_int_equal(made, intake_qid(last()));
	for (size_t i = 0; i + 1 < intake_count; i++)
		assert_true(intakes[i].is_dropped);
	buf_put_span(&copy, buf_span(&last()->content));
	return buf_take_text(&copy);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("should not be there: %s\nin: %s", part, text);
}

/* As before, wherever the lines of a paragraph are broken. */
static void assert_says(char *text, const char *words)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '\r')
			*to++ = *from == '\n' ? ' ' : *from;
	*to = '\0';
	assert_has(text, words);
}

/* Once more with other circumstances. */
static char *make_again(void)
{
	forget_intakes();
	return make();
}

static void test_wanted(void **state)
{
	static const struct {
		unsigned notify;
		bool failed, delayed, relayed;
	} cases[] = {
		{ 0, true, true, false },
		{ SMTP_NOTIFY_NEVER, false, false, false },
		{ SMTP_NOTIFY_SUCCESS, false, false, true },
		{ SMTP_NOTIFY_FAILURE, true, false, false },
		{ SMTP_NOTIFY_DELAY, false, true, false },
		{ SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE, true, false, true },
		{ SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, true, true, true },
	};
	static char address[] = "alice@example.com", null[] = "";

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		struct envelope_recipient r[] = { { .notify = SMTP_NOTIFY_NEVER },
						  { .notify = (uint8_t)cases[i / 2].notify } };
		struct envelope e = { .sender = i % 2 ? null : address, .recipients = r };
		bool may = i % 2 == 0;

		assert_int_equal(notice_is_wanted(&e, 1, MAIL_DSN_FAILED),
				 may && cases[i / 2].failed);
		assert_int_equal(notice_is_wanted(&e, 1, MAIL_DSN_DELAYED),
				 may && cases[i / 2].delayed);
		assert_int_equal(notice_is_wanted(&e, 1, MAIL_DSN_RELAYED),
				 may && cases[i / 2].relayed);
		assert_false(notice_is_wanted(&e, 0, MAIL_DSN_FAILED));
	}
}

static void test_failed(void **state)
{
	char *hosts[] = { mem_text("smtp.example.net"), NULL };
	struct envelope *e;
	char *text;

	(void)state;
	conf.hosts = hosts;
	stalls = true;
	notice_start(&conf);
	/* What is the caller's is needed no longer. */
	memset(hosts[0], 'x', strlen(hosts[0]));
	free(hosts[0]);
	hosts[0] = NULL;
	places[0] = false;
	while (step())
		;
	end_commit(0);
	assert_int_equal(status, 0);
	assert_int_equal(made, 100);
	assert_int_equal(intake_count, 1);

	e = &last()->envelope;
	assert_string_equal(e->account, "");
	assert_string_equal(e->sender, "");
	assert_string_equal(e->envid, "");
	assert_int_equal(e->recipient_count, 1);
	assert_string_equal(e->recipients[0].address, "alice@example.com");
	assert_int_equal(e->recipients[0].notify, 0);
	assert_string_equal(e->recipients[0].orcpt, "");
	assert_int_equal(e->sid, 8);
	assert_int_equal(e->ret, SMTP_RET_NONE);
	assert_int_equal(e->arrived_ms, WALL);
	assert_int_equal(e->form, 0);
	assert_memory_equal(buf_span(&last()->content).at + e->header_octets, "\r\n--=_", 6);

	buf_put_char(&last()->content, '\0');
	text = (char *)last()->content.at;
	assert_has(text, "Subject: Not delivered: your message to bob@example.net\r\n");
	assert_has(text, "In-Reply-To: <m1@example.com>\r\n");
	assert_has(text, "\r\nOriginal-Envelope-Id: env 1\r\n");
	assert_has(text, "Original-Recipient: rfc822; b+b@example.net\r\n"
			 "Final-Recipient: rfc822; bob@example.net\r\n"
			 "Action: failed\r\n"
			 "Status: 5.1.1\r\n"
			 "Remote-MTA: dns; smtp.example.net\r\n"
			 "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n");
	assert_has(text, "\r\n\r\n" HEADER "\r\n--=_5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a_");
	assert_lacks(text, "carl@");
	assert_lacks(text, "Hello");
}

/* Whatever the content and the intake wait for, the notice is the same. */
static void test_waits(void **state)
{
	char *wanted, *text;

	(void)state;
	work.envelope.ret = SMTP_RET_FULL;
	wanted = make();
	assert_has(wanted, "Content-Type: message/rfc822\r\n\r\n" FIRST SECOND "\r\n--=_5a5a");
	for (int i = 1; i < 4; i++) {
		stalls = i & 1;
		is_tight = i & 2;
		text = make_again();
		assert_string_equal(text, wanted);
		free(text);
	}
	parts[0] = HEADER;
	parts[1] = &FIRST[strlen(HEADER)];
	parts[2] = SECOND;
	text = make_again();
	assert_string_equal(text, wanted);
	free(text);
	free(wanted);
}

/* A content that cannot be read, at once, within the header section, or when it is put in. */
static void test_unreadable(void **state)
{
	(void)state;
	parts[0] = "From: alice@example.com\r\nMessage-ID: <m1@exa";
	parts[1] = "mple.com>\r\nSubject: t\r\n";
	parts[2] = "\r\nHello\r\n";
	for (int i = 0; i < 4 * 4 * 2; i++) {
		char *text;

		error_at = (size_t)i % 4;
		stalls = i & 4;
		is_tight = i & 8;
		work.envelope.ret = i < 16 ? SMTP_RET_FULL : SMTP_RET_HDRS;
		text = make_again();
		assert_has(text, "Action: failed\r\n");
		assert_lacks(text, "Hello");
		if (error_at >= 2 && i >= 16) /* not needed */
			assert_lacks(text, "read");
		else
			assert_has(text, error_at ? "could still be read" : "cannot be read");
		if (error_at >= 2)
			assert_has(text, "In-Reply-To: <m1@example.com>\r\n");
		else
			assert_lacks(text, "In-Reply-To");
		free(text);
	}
}

/* RET=FULL brings the original with failures, unless it would be in the way of its own notice. */
static void test_ret(void **state)
{
	static const struct {
		enum mail_dsn_action action;
		enum smtp_ret ret;
		int code;
		struct smtp_status status;
		bool is_full;
	} cases[] = {
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 550, { 5, 1, 1 }, true },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 450, { 4, 2, 0 }, true },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 0, { 0, 0, 0 }, true },
		{ MAIL_DSN_FAILED, SMTP_RET_HDRS, 550, { 5, 1, 1 }, false },
		{ MAIL_DSN_FAILED, SMTP_RET_NONE, 550, { 5, 1, 1 }, false },
		{ MAIL_DSN_DELAYED, SMTP_RET_FULL, 450, { 4, 2, 0 }, false },
		{ MAIL_DSN_RELAYED, SMTP_RET_FULL, 250, { 2, 0, 0 }, false },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 552, { 0, 0, 0 }, false },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 554, { 5, 3, 4 }, false },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 554, { 5, 2, 3 }, false },
		{ MAIL_DSN_FAILED, SMTP_RET_FULL, 554, { 5, 6, 3 }, false },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		bool is_full = cases[i / 2].is_full;
		char *text;

		work.envelope.form = i % 2 ? SMTP_FORM_8BIT : 0;
		work.envelope.ret = cases[i / 2].ret;
		conf.action = cases[i / 2].action;
		set_recipient(0, cases[i / 2].code, cases[i / 2].status, "words");
		text = make_again();
		assert_int_equal(strstr(text, "message/rfc822") != NULL, is_full);
		assert_int_equal(strstr(text, "Hello") != NULL, is_full);
		assert_int_equal(strstr(text, "text/rfc822-headers") == NULL, is_full);
		assert_int_equal(last()->envelope.form != 0, is_full && i % 2);
		free(text);
	}
}

/* What a recipient's state becomes in the notice. */
static void test_fates(void **state)
{
	static const struct {
		const char *name;
		enum mail_dsn_action action;
		int code;
		struct smtp_status status;
		const char *text;
		bool is_expired, is_by_hand, is_held;
		const char *reasons;
		const char *has, *says;
	} cases[] = {
		{ "ran out",
		  MAIL_DSN_FAILED,
		  450,
		  { 4, 2, 0 },
		  "Greylisted",
		  true,
		  false,
		  false,
		  "",
		  "Status: 4.4.7\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 450 4.2.0 Grey",
		  "in the time allowed" },
		{ "ran out, never reached",
		  MAIL_DSN_FAILED,
		  0,
		  { 0, 0, 0 },
		  "mx:25: refused",
		  true,
		  false,
		  false,
		  "",
		  "Status: 4.4.7\r\nDiagnostic-Code: x-postern; mx:25: refused\r\n",
		  "The reason:" },
		{ "refused without a status",
		  MAIL_DSN_FAILED,
		  550,
		  { 0, 0, 0 },
		  "No",
		  false,
		  false,
		  false,
		  "",
		  "Status: 5.0.0\r\n",
		  "refused it" },
		{ "by hand",
		  MAIL_DSN_FAILED,
		  0,
		  { 5, 0, 0 },
		  "Given up by the administrator",
		  false,
		  true,
		  false,
		  "",
		  "Status: 5.0.0\r\nDiagnostic-Code: x-postern; Given up by the administrator\r\n",
		  "given up by an administrator" },
		{ "delayed",
		  MAIL_DSN_DELAYED,
		  450,
		  { 4, 2, 0 },
		  "Greylisted",
		  false,
		  false,
		  false,
		  "down",
		  "Status: 4.2.0\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 450 4.2.0",
		  "put it off for now" },
		{ "delayed, unreached",
		  MAIL_DSN_DELAYED,
		  0,
		  { 0, 0, 0 },
		  "mx:25: refused",
		  false,
		  false,
		  false,
		  "down",
		  "Diagnostic-Code: x-postern; mx:25: refused\r\n",
		  "The reason: mx:25: refused." },
		{ "delayed, untried",
		  MAIL_DSN_DELAYED,
		  0,
		  { 0, 0, 0 },
		  NULL,
		  false,
		  false,
		  false,
		  "mx:25: down",
		  "Status: 4.0.0\r\nDiagnostic-Code: x-postern; mx:25: down\r\n",
		  "The reason: mx:25: down." },
		{ "delayed, in line",
		  MAIL_DSN_DELAYED,
		  0,
		  { 0, 0, 0 },
		  NULL,
		  false,
		  false,
		  false,
		  "",
		  "Diagnostic-Code: x-postern; its turn to be sent has not come\r\n",
		  "The reason:" },
		{ "delayed, held",
		  MAIL_DSN_DELAYED,
		  450,
		  { 4, 2, 0 },
		  "Greylisted",
		  false,
		  false,
		  true,
		  "down",
		  "Status: 4.0.0\r\nDiagnostic-Code: x-postern; it is held by",
		  "The reason: it is held by" },
		{ "relayed",
		  MAIL_DSN_RELAYED,
		  250,
		  { 2, 6, 0 },
		  "queued",
		  false,
		  false,
		  false,
		  "",
		  "Action: relayed\r\nStatus: 2.6.0\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: "
		  "smtp; "
		  "250",
		  "passed on" },
	};
	static char mx[] = "mx";
	static char *hosts[] = { NULL, mx };

	(void)state;
	places[0] = false;
	places[1] = true;
	conf.hosts = hosts;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text;

		print_message("%s\n", cases[i].name);
		set_recipient(1, cases[i].code, cases[i].status, cases[i].text);
		conf.action = cases[i].action;
		conf.is_expired = cases[i].is_expired;
		conf.is_by_hand = cases[i].is_by_hand;
		q->is_held = cases[i].is_held;
		reasons = cases[i].reasons;
		text = make_again();
		assert_has(text, cases[i].has);
		assert_lacks(text, "bob@");
		assert_int_equal(strstr(text,
					"Will-Retry-Until: Sun, 22 Nov 2026 22:11:54 +0000\r\n") !=
					 NULL,
				 cases[i].action == MAIL_DSN_DELAYED);
		assert_says(text, cases[i].says);
		free(text);
	}
}

static void test_large_header(void **state)
{
	struct buf header = { 0 };
	char *large, *text;

	(void)state;
	while (header.len < 100 * 1024)
		buf_put_text(&header, "X-Long: 0123456789\r\n");
	q->header_octets = header.len;
	large = buf_take_text(&header);
	parts[0] = large;
	text = make();
	assert_in_range(strlen(text), 64 * 1024, 66 * 1024);
	assert_has(text, "X-Long: 0123456789\r\n\r\n--=_");
	free(text);
	free(large);
}

static void test_utf8_sender(void **state)
{
	char *text;

	(void)state;
	free(work.envelope.sender);
	work.envelope.sender = mem_text("j\xC3\xB6rg@example.com");
	text = make();
	assert_has(text, "To: <j\xC3\xB6rg@example.com>\r\n");
	assert_string_equal(last()->envelope.recipients[0].address, "j\xC3\xB6rg@example.com");
	assert_int_equal(last()->envelope.form, SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER);
	assert_true(last()->envelope.is_utf8);
	free(text);
}

/* What the original was, and what its notice is; its sender asked for the whole of it. */
static void test_forms(void **state)
{
	static const struct {
		const char *name;
		unsigned form;
		bool is_utf8, require_tls, is_full;
		unsigned notice_form;
	} cases[] = {
		{ "plain", 0, false, false, true, 0 },
		{ "8-bit", SMTP_FORM_8BIT, false, false, true, SMTP_FORM_8BIT },
		{ "long lines", SMTP_FORM_LONG_LINES, false, false, true, SMTP_FORM_LONG_LINES },
		{ "8-bit header", SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER, true, false, true,
		  SMTP_FORM_8BIT },
		{ "binary", SMTP_FORM_8BIT | SMTP_FORM_BINARY | SMTP_FORM_LONG_LINES, false, false,
		  false, 0 },
		{ "secret", 0, false, true, false, 0 },
		{ "secret, 8-bit", SMTP_FORM_8BIT | SMTP_FORM_LONG_LINES, false, true, false, 0 },
	};

	(void)state;
	work.envelope.ret = SMTP_RET_FULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text;

		print_message("%s\n", cases[i].name);
		work.envelope.form = cases[i].form;
		work.envelope.is_utf8 = cases[i].is_utf8;
		work.envelope.require_tls = cases[i].require_tls;
		text = make_again();
		assert_int_equal(strstr(text, cases[i].is_utf8 ? "message/global\r\n"
							       : "message/rfc822") != NULL,
				 cases[i].is_full);
		assert_int_equal(strstr(text, "Hello") != NULL, cases[i].is_full);
		assert_has(text, "Subject: t\r\n");
		assert_int_equal(last()->envelope.form, cases[i].notice_form);
		assert_false(last()->envelope.is_utf8);
		assert_int_equal(last()->envelope.require_tls, cases[i].require_tls);
		free(text);
	}
}

static void test_not_stored(void **state)
{
	(void)state;
	notice_start(&conf);
	end_commit(-ENOSPC);
	assert_int_equal(status, -ENOSPC);
	assert_int_equal(made, 0);
}

/* The queue ends, or the message is removed, after any number of steps: done() comes once, and nothing
 * is left. */
static void test_called_off(void **state)
{
	bool was_early = true;

	(void)state;
	work.envelope.ret = SMTP_RET_FULL;
	stalls = is_tight = true;
	for (unsigned before = 0; was_early; before++) {
		forget_intakes();
		queue.is_ending = q->is_removed = false;
		notice_start(&conf);
		for (unsigned i = 0; i < before; i++)
			step();
		queue.is_ending = before % 2;
		q->is_removed = !queue.is_ending;
		was_early = step();
		assert_int_equal(is_done, was_early);
		if (was_early) {
			assert_int_equal(status, -ECANCELED);
			assert_null(reader);
			assert_true(intake_count == 0 || last()->is_dropped);
		} else {
			end_commit(0);
			assert_true(before > 4);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(wanted),	  TEST(failed),	    TEST(waits),	TEST(unreadable),
		TEST(ret),	  TEST(fates),	    TEST(large_header), TEST(utf8_sender),
		TEST(not_stored), TEST(called_off), TEST(forms),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
