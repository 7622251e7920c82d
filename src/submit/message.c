#include "session.h"

#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"
#include "queue/intake.h"

#include <errno.h>
#include <stdlib.h>

/* One that is being committed lives until the commit's end, also when the session is gone before. */
struct message {
	struct session *session; /* NULL: nobody waits any more */
	struct log *log;
	struct counters *counters;
	struct envelope envelope;
	struct intake *intake; /* NULL before DATA, and after the commit's end */
	struct mail_scan scan;
	char date[MAIL_DATE_MAX];
	char *message_id;
	uint64_t sid;
	uint64_t octets;       /* put into the intake */
	uint64_t trace_octets; /* of them, our Received field */
	unsigned ticket;
	bool is_committing;
	char qid[ID_TEXT_MAX];
	struct logline accepted; /* made before the commit takes the envelope, put after it */
};

static void message_free(struct message *m)
{
	envelope_fini(&m->envelope);
	mail_scan_fini(&m->scan);
	free(m->message_id);
	free(m);
}

void message_drop(struct session *s)
{
	struct message *m = s->message;

	s->message = NULL;
	s->is_held = false;
	if (m == NULL)
		return;
	if (m->is_committing) {
		m->session = NULL;
		return;
	}
	if (m->intake)
		intake_drop(&m->intake);
	message_free(m);
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

void message_on_mail(struct session *s, const struct smtp_event *ev)
{
	struct fault why = { 0 };
	struct logline l;

	message_drop(s);
	if (!spool_may_accept(s->submit->conf.spool, &why)) {
		session_log_start(s, &l, LOG_LEVEL_ERROR, "spool-unavailable");
		logline_text(&l, "reason", why.text);
		session_log_put(s, &l);
		smtp_server_answer(
			s->engine, ev->ticket,
			&SMTP_REPLY(452, 4, 3, 1,
				    "The server has no room for mail now; try again later"));
		return;
	}
	s->message = mem_new(struct message);
	s->message->session = s;
	s->message->log = s->submit->conf.log;
	s->message->counters = s->submit->conf.counters;
	s->message->envelope.sid = s->message->sid = s->sid;
	s->message->envelope.account = mem_text(s->account ? s->account : "");
	s->message->envelope.sender = mem_text_n(ev->path.mailbox.at, ev->path.mailbox.len);
	smtp_server_answer(s->engine, ev->ticket, &SMTP_REPLY(250, 2, 1, 0, "Sender accepted"));
}

void message_on_rcpt(struct session *s, const struct smtp_event *ev)
{
	envelope_add_recipient(&s->message->envelope, ev->path.mailbox);
	smtp_server_answer(s->engine, ev->ticket, &SMTP_REPLY(250, 2, 1, 5, "Recipient accepted"));
}

static void put(struct message *m, struct span content)
{
	if (content.len == 0)
		return;
	m->octets += content.len;
	if (!intake_put(m->intake, content))
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
	logline_format(l, "from", "<%s>", m->envelope.sender);
	logline_number(l, "nrcpt", (int64_t)m->envelope.recipient_count);
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

static void answer_not_stored(struct session *s, unsigned ticket, int status)
{
	bool is_full = status == -ENOSPC || status == -EDQUOT;

	session_answer(s, ticket,
		       is_full ? &SMTP_REPLY(452, 4, 3, 1,
					     "The server has no room for mail now; try again later")
			       : &SMTP_REPLY(452, 4, 3, 1,
					     "The message could not be stored; try again later"));
}

/* The message is told of whether or not its client still waits: it is on its way. */
static void on_done(void *user, int status, const struct fault *fault)
{
	struct message *m = user;
	struct session *s = m->session;
	unsigned ticket = m->ticket;
	char qid[ID_TEXT_MAX];

	memcpy(qid, m->qid, sizeof(qid));
	if (status) {
		tell_not_stored(m, fault);
	} else {
		log_put(m->log, &m->accepted);
		counter_add(&m->counters->messages_accepted, 1);
	}
	message_free(m);
	if (s == NULL)
		return;
	s->message = NULL;
	if (status) {
		answer_not_stored(s, ticket, status);
		return;
	}
	s->accepted++;
	session_answerf(s, ticket, 250, (struct smtp_status){ 2, 0, 0 }, "Accepted as %s", qid);
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
		.protocol = "ESMTPSA",
		.id = m->qid,
		.unix_ms = m->envelope.arrived_ms,
	};

	buf_clear(out);
	mail_received_format(&received, out);
	put(m, buf_span(out));
	m->trace_octets = m->octets;
}

static char *make_message_id(const struct conf *conf, const char *qid)
{
	struct buf id = { 0 };
	uint64_t salt;
	char salt_text[ID_TEXT_MAX];

	/* The id alone would tell how many messages there are. */
	random_fill(&salt, sizeof(salt));
	id_format(salt, salt_text);
	buf_printf(&id, "<%s.%s@%s>", qid, salt_text, conf->hostname);
	return buf_take_text(&id);
}

void message_on_begin(struct session *s, const struct smtp_event *ev)
{
	const struct conf *conf = s->settings->conf;
	struct message *m = s->message;

	m->intake = intake_new(&(struct intake_conf){
		.queue = s->submit->conf.queue, .room = on_room, .done = on_done, .user = m });
	id_format(intake_qid(m->intake), m->qid);
	m->envelope.arrived_ms = wall_now_ms();
	mail_date_format(m->envelope.arrived_ms, m->date);
	m->message_id = make_message_id(conf, m->qid);
	mail_scan_init(&m->scan, &(struct mail_scan_conf){
					 .date = m->date,
					 .message_id = m->message_id,
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

	buf_clear(out);
	mail_scan_feed(&m->scan, ev->data, out);
	put(m, buf_span(out));
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
	m->envelope.header_octets = m->trace_octets + m->scan.header_put;
	m->envelope.has_8bit = m->scan.has_8bit;
	m->ticket = ev->ticket;
	m->is_committing = true;
	prepare_log(s, m);
	intake_commit(m->intake, &m->envelope);
}
