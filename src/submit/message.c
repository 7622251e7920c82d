#include "session.h"

#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"
#include "queue/handoff.h"
#include "words.h"

#include <stdlib.h>

/* One that has come whole lives until its hand-off's end, also when the session is gone before. */
struct message {
	/* Kept from one message to the next, empty. */
	struct message *next; /* of the spare ones */
	struct buf sender;    /* with its angle brackets, for the log */
	struct buf message_id;
	unsigned *tickets; /* of RCPT, by recipient */
	size_t ticket_room;
	struct mail_scan scan;
	struct logline accepted; /* made while the session is there, put at the end */

	/* From here on of one message alone. */
	struct session *session; /* NULL: nobody waits any more */
	struct log *log;
	struct counters *counters;
	struct handoff *handoff; /* gone with its end */
	size_t recipient_count;
	size_t recipients_in; /* not refused */
	int64_t arrived_ms;
	char date[MAIL_DATE_MAX];
	uint64_t sid;
	uint64_t octets;       /* put into the hand-off */
	uint64_t trace_octets; /* of them, our Received field */
	unsigned ticket;       /* of the content's end */
	bool is_whole, is_utf8, is_binary;
	char qid[ID_TEXT_MAX];
};

enum { SPARES_MOST = 32 };

static void destroy(struct message *m)
{
	mail_scan_fini(&m->scan);
	buf_fini(&m->message_id);
	buf_fini(&m->sender);
	free(m->tickets);
	free(m);
}

/* Without a session the submit may be gone too. */
static void message_free(struct message *m)
{
	struct submit *submit = m->session ? m->session->submit : NULL;

	if (submit == NULL || submit->spare_count == SPARES_MOST) {
		destroy(m);
		return;
	}
	m->next = submit->spare;
	submit->spare = m;
	submit->spare_count++;
}

void message_free_spares(struct submit *submit)
{
	struct message *m;

	while ((m = submit->spare)) {
		submit->spare = m->next;
		destroy(m);
	}
	submit->spare_count = 0;
}

static struct message *message_take(struct submit *submit)
{
	const size_t kept = offsetof(struct message, session);
	struct message *m = submit->spare;

	if (m == NULL)
		return mem_new(struct message);
	submit->spare = m->next;
	submit->spare_count--;
	memset((char *)m + kept, 0, sizeof(*m) - kept);
	return m;
}

void message_drop(struct session *s)
{
	struct message *m = s->message;

	s->message = NULL;
	s->is_held = false;
	if (m == NULL)
		return;
	if (m->is_whole) {
		m->session = NULL;
		return;
	}
	handoff_drop(&m->handoff);
	message_free(m);
}

bool message_is_whole(const struct session *s)
{
	return s->message && s->message->is_whole;
}

uint64_t message_octets(const struct session *s)
{
	return s->message ? s->message->octets : 0;
}

void message_on_void(struct session *s, const struct smtp_event *ev)
{
	if (ev->type == SMTP_EVENT_BODY_BAD)
		counter_add(&s->submit->conf.counters->messages_refused, 1);
	message_drop(s);
}

static void on_recipient(void *user, size_t index, const struct smtp_reply *reply,
			 const char *host);
static void on_room(void *user);
static void on_done(void *user, const struct handoff_end *end);

static struct message *message_new(struct session *s, const struct smtp_event *ev,
				   int64_t release_ms)
{
	const struct conf_queue *conf = &s->settings->conf->queue;
	struct message *m = message_take(s->submit);

	m->session = s;
	m->log = s->submit->conf.log;
	m->counters = s->submit->conf.counters;
	m->sid = s->sid;
	buf_clear(&m->sender);
	buf_put_char(&m->sender, '<');
	buf_put_span(&m->sender, ev->path.mailbox);
	buf_put_char(&m->sender, '>');
	m->is_utf8 = ev->mail.is_utf8;
	m->is_binary = ev->mail.body == SMTP_BODY_BINARYMIME;
	m->handoff = handoff_new(&(struct handoff_conf){
		.queue = s->submit->conf.queue,
		.is_hybrid = conf->handoff == CONF_HANDOFF_HYBRID,
		.patience_ms = conf->patience_ms,
		.sid = s->sid,
		.account = s->account ? s->account : "",
		.sender = ev->path.mailbox,
		.ret = ev->mail.ret,
		.envid = ev->mail.envid,
		.size_told = ev->mail.size,
		.is_utf8 = ev->mail.is_utf8,
		.require_tls = ev->mail.require_tls,
		.is_binary = m->is_binary,
		.release_ms = release_ms,
		.recipient = on_recipient,
		.room = on_room,
		.done = on_done,
		.user = m,
	});
	id_format(handoff_qid(m->handoff), m->qid);
	return m;
}

static void refuse_for_spool(struct session *s, const struct smtp_event *ev,
			     const struct fault *why)
{
	static const struct smtp_reply no_room =
		SMTP_REPLY(452, 4, 3, 1, "The server has no room for mail now; try again later");
	struct logline l;

	session_log_start(s, &l, LOG_LEVEL_ERROR, "spool-unavailable");
	logline_text(&l, "reason", why->text);
	session_log_put(s, &l);
	smtp_server_answer(s->engine, ev->ticket, &no_room);
}

void message_on_mail(struct session *s, const struct smtp_event *ev)
{
	const struct smtp_reply *refusal;
	int64_t release_ms;
	struct fault why;

	message_drop(s);
	refusal = envelope_judge_mail(s, ev, &release_ms);
	if (refusal) {
		smtp_server_answer(s->engine, ev->ticket, refusal);
		return;
	}
	if (!spool_may_accept(s->submit->conf.spool, &why)) {
		refuse_for_spool(s, ev, &why);
		return;
	}
	s->message = message_new(s, ev, release_ms);
	smtp_server_answer(s->engine, ev->ticket, &SMTP_REPLY(250, 2, 1, 0, "Sender accepted"));
}

void message_on_rcpt(struct session *s, const struct smtp_event *ev)
{
	const struct smtp_reply *refusal = envelope_judge_rcpt(s, ev);
	struct message *m = s->message;

	if (refusal) {
		smtp_server_answer(s->engine, ev->ticket, refusal);
		return;
	}
	if (m->recipient_count == m->ticket_room) {
		m->ticket_room = m->ticket_room ? m->ticket_room * 2 : 4;
		m->tickets = mem_resize(m->tickets, m->ticket_room * sizeof(*m->tickets));
	}
	m->tickets[m->recipient_count++] = ev->ticket;
	handoff_recipient(m->handoff, ev->path.mailbox, &ev->rcpt);
}

/* The session may end with the answer, and the message with it. */
static void on_recipient(void *user, size_t index, const struct smtp_reply *reply, const char *host)
{
	struct message *m = user;
	struct smtp_reply answer = words_for_recipient(reply);

	(void)host;
	m->recipients_in += answer.code < 300;
	session_answer(m->session, m->tickets[index], &answer);
}

static void put(struct message *m, struct span content)
{
	if (content.len == 0)
		return;
	m->octets += content.len;
	if (!handoff_put(m->handoff, content))
		m->session->is_held = true;
}

static void on_room(void *user)
{
	struct message *m = user;

	m->session->is_held = false;
	session_resume(m->session);
}

static void prepare_log(struct session *s, struct message *m)
{
	struct logline *l = &m->accepted;

	session_log_start(s, l, LOG_LEVEL_INFO, "accepted");
	logline_text(l, "qid", m->qid);
	logline_text(l, "account", s->account);
	logline_span(l, "from", buf_span(&m->sender));
	logline_number(l, "nrcpt", (int64_t)m->recipients_in);
	logline_number(l, "size", (int64_t)m->octets);
	logline_span(l, "message_id", buf_span(&m->scan.id));
}

static void tell_not_stored(struct message *m, const struct fault *fault)
{
	struct logline l;

	logline_start(&l, LOG_LEVEL_ERROR, "not-stored");
	logline_id(&l, "sid", m->sid);
	logline_text(&l, "qid", m->qid);
	logline_text(&l, "reason", fault->text);
	log_put(m->log, &l);
	counter_add(&m->counters->messages_refused, 1);
}

static void tell_accepted(struct message *m, const struct handoff_end *end)
{
	logline_text(&m->accepted, "handoff", end->outcome == HANDOFF_PASSED ? "passed" : "stored");
	logline_text(&m->accepted, "host", end->host);
	log_put(m->log, &m->accepted);
	counter_add(&m->counters->messages_accepted, 1);
}

/* The message is told of whether or not its client still waits: it is on its way. */
static void tell_end(struct message *m, const struct handoff_end *end)
{
	switch (end->outcome) {
	case HANDOFF_PASSED:
	case HANDOFF_STORED:
		tell_accepted(m, end);
		break;
	case HANDOFF_REFUSED:
		counter_add(&m->counters->messages_refused, 1);
		break;
	case HANDOFF_FAILED:
		tell_not_stored(m, end->fault);
		break;
	}
}

static void on_done(void *user, const struct handoff_end *end)
{
	struct message *m = user;
	struct session *s = m->session;
	unsigned ticket = m->ticket;

	tell_end(m, end);
	if (s) {
		struct buf *text = &s->submit->scratch;
		struct smtp_reply reply;

		buf_clear(text);
		reply = words_for_end(end, m->qid, text);
		message_free(m);
		s->message = NULL;
		s->accepted += reply.code < 300;
		session_answer(s, ticket, &reply);
	} else {
		message_free(m);
	}
}

static void put_trace(struct message *m)
{
	struct session *s = m->session;
	const struct conf *conf = s->settings->conf;
	struct buf *out = &s->submit->scratch;
	static const enum mail_trace traces[] = {
		[CONF_TRACE_COMPANY] = MAIL_TRACE_COMPANY,
		[CONF_TRACE_FULL] = MAIL_TRACE_FULL,
		[CONF_TRACE_NONE] = MAIL_TRACE_NONE,
	};
	struct mail_received received = {
		.trace = traces[conf->trace],
		.company = conf->company,
		.from_domain = conf->company_domain,
		.by = conf->hostname,
		.ehlo = buf_span(&s->ehlo),
		.address = s->address,
		.protocol = m->is_utf8 ? "UTF8SMTPSA" : "ESMTPSA",
		.id = m->qid,
		.unix_ms = m->arrived_ms,
	};

	buf_clear(out);
	mail_received_format(&received, out);
	put(m, buf_span(out));
	m->trace_octets = m->octets;
}

/* Drawn for some messages at once. */
static uint64_t take_salt(struct submit *submit)
{
	if (submit->salt_count == 0) {
		random_fill(submit->salts, sizeof(submit->salts));
		submit->salt_count = sizeof(submit->salts) / sizeof(submit->salts[0]);
	}
	return submit->salts[--submit->salt_count];
}

/* The id alone would tell how many messages there are. */
static const char *make_message_id(struct message *m)
{
	struct submit *submit = m->session->submit;
	struct buf *id = &m->message_id;
	char salt[ID_TEXT_MAX];

	id_format(take_salt(submit), salt);
	buf_clear(id);
	buf_put_char(id, '<');
	buf_put_text(id, m->qid);
	buf_put_char(id, '.');
	buf_put_text(id, salt);
	buf_put_char(id, '@');
	buf_put_text(id, m->session->settings->conf->hostname);
	buf_put(id, ">", 2); /* with its NUL */
	return (const char *)id->at;
}

void message_on_begin(struct session *s, const struct smtp_event *ev)
{
	const struct conf *conf = s->settings->conf;
	struct message *m = s->message;

	handoff_begin(m->handoff);
	m->arrived_ms = wall_now_ms();
	mail_date_format(m->arrived_ms, m->date);
	mail_scan_restart(&m->scan, &(struct mail_scan_conf){
					    .date = m->date,
					    .message_id = make_message_id(m),
					    .header_octets = (size_t)conf->limits.header_octets,
					    .hops = (unsigned)conf->limits.hops,
				    });
	put_trace(m);
	smtp_server_answer(s->engine, ev->ticket,
			   &SMTP_REPLY(354, 0, 0, 0, "Send the message, then a line with a dot"));
}

void message_on_chunk(struct session *s, const struct smtp_event *ev)
{
	struct message *m = s->message;
	struct buf *out = &s->submit->scratch;
	struct span body;

	buf_clear(out);
	body = mail_scan_feed(&m->scan, ev->data, out);
	put(m, buf_span(out));
	put(m, body);
}

/* What the scan found that forbids the message; NULL: nothing. */
static const struct smtp_reply *refusal_of(const struct mail_scan *scan)
{
	static const struct smtp_reply loop =
		SMTP_REPLY(554, 5, 4, 6, "Too many hops: this message goes in circles");
	static const struct smtp_reply long_header =
		SMTP_REPLY(552, 5, 3, 4, "The header of the message is too long");

	if (scan->is_too_long)
		return &long_header;
	return mail_scan_is_loop(scan) ? &loop : NULL;
}

static unsigned form_of(const struct message *m, const struct smtp_event *end)
{
	return (m->scan.has_8bit ? SMTP_FORM_8BIT : 0) |
	       (m->scan.has_8bit_header ? SMTP_FORM_8BIT_HEADER : 0) |
	       (end->has_long_lines ? SMTP_FORM_LONG_LINES : 0) |
	       (end->is_dotless ? SMTP_FORM_DOTLESS : 0) | (m->is_binary ? SMTP_FORM_BINARY : 0);
}

void message_on_end(struct session *s, const struct smtp_event *ev)
{
	const struct smtp_reply *refusal = refusal_of(&s->message->scan);
	struct message *m = s->message;
	struct buf *out = &s->submit->scratch;

	if (refusal) {
		counter_add(&s->submit->conf.counters->messages_refused, 1);
		message_drop(s);
		smtp_server_answer(s->engine, ev->ticket, refusal);
		return;
	}
	buf_clear(out);
	mail_scan_end(&m->scan, out);
	put(m, buf_span(out));
	s->is_held = false;
	m->ticket = ev->ticket;
	m->is_whole = true;
	prepare_log(s, m);
	handoff_finish(m->handoff, m->arrived_ms, m->trace_octets + m->scan.header_put,
		       form_of(m, ev));
}
