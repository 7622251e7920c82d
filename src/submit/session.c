#include "session.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

/* A body must come at 500 octets a second on average, or the session is taken for a slow attack. */
enum { BODY_MS_PER_OCTET = 2 };

void session_log_start(const struct session *s, struct logline *l, enum log_level level,
		       const char *event)
{
	logline_start(l, level, event);
	logline_text(l, "sid", s->sid_text);
}

void session_log_put(const struct session *s, const struct logline *l)
{
	log_put(s->submit->conf.log, l);
}

static void flush(struct session *s)
{
	struct span out = smtp_server_output(s->engine);

	if (out.len == 0)
		return;
	s->has_spoken = true;
	stream_write(s->stream, out);
	smtp_server_sent(s->engine, out.len);
}

/* A smarthost's answer may be waited for before ours can be made. */
static int64_t patience_ms(const struct session *s)
{
	const struct conf_queue *conf = &s->settings->conf->queue;

	return conf->handoff == CONF_HANDOFF_HYBRID && s->message ? conf->patience_ms : 0;
}

static int64_t phase_limit_ms(const struct session *s)
{
	const struct conf_limits *l = &s->settings->conf->limits;

	switch (s->phase) {
	case SMTP_PHASE_GREETING:
		return s->is_secured || !s->is_implicit ? l->greeting_ms : l->handshake_ms;
	case SMTP_PHASE_BODY:
		return l->body_ms;
	case SMTP_PHASE_ANSWER:
		return l->answer_ms + patience_ms(s);
	default:
		return l->command_ms;
	}
}

/* Nothing that comes or goes lengthens it. What a client sends while it waits for answers of ours
 * does not count anyway, but each of several answers is waited for anew. */
static bool phase_is_absolute(const struct session *s, enum smtp_server_phase phase)
{
	return s->account == NULL || (phase == SMTP_PHASE_ANSWER && s->message == NULL);
}

static int64_t due_ms(const struct session *s, int64_t now)
{
	int64_t limit = phase_limit_ms(s), due = now + limit, by_rate;

	if (s->account == NULL && (s->phase == SMTP_PHASE_COMMAND || s->phase == SMTP_PHASE_LOGIN))
		return s->login_due_ms;
	if (s->phase != SMTP_PHASE_BODY)
		return due;
	by_rate = s->phase_began_ms + limit + (int64_t)message_octets(s) * BODY_MS_PER_OCTET;
	return by_rate < due ? by_rate : due;
}

/* All that a stranger does between EHLO and a login that succeeds is done within one time. */
static void enter_phase(struct session *s, enum smtp_server_phase phase, int64_t now)
{
	if (s->phase == SMTP_PHASE_GREETING)
		s->login_due_ms = now + s->settings->conf->limits.login_ms;
	s->phase = phase;
	s->phase_began_ms = now;
}

/* Content counts as it comes; of a command only the whole, which we have answered. */
static void mind_deadline(struct session *s)
{
	enum smtp_server_phase phase = smtp_server_phase(s->engine);
	int64_t now = loop_now_ms(s->submit->conf.loop);
	bool is_new = phase != s->phase;
	bool is_moved = phase == SMTP_PHASE_BODY || s->has_spoken;

	if (s->is_handshaking || (!is_new && (!is_moved || phase_is_absolute(s, phase))))
		return;
	s->has_spoken = false;
	if (is_new)
		enter_phase(s, phase, now);
	timer_set(s->submit->conf.loop, &s->deadline, due_ms(s, now) - now);
}

void session_close(struct session *s, const char *reason)
{
	if (s->is_closing)
		return;
	s->is_closing = true;
	s->reason = reason;
	timer_clear(s->submit->conf.loop, &s->deadline);
	flush(s);
	stream_close(s->stream);
}

static void on_ehlo(struct session *s, const struct smtp_event *ev)
{
	buf_clear(&s->ehlo);
	buf_put_span(&s->ehlo, ev->text);
}

static void on_starttls(struct session *s, const struct smtp_event *ev)
{
	struct tls_server_conf tls;

	smtp_server_answer(s->engine, ev->ticket, &SMTP_REPLY(220, 2, 0, 0, "Ready to start TLS"));
	flush(s);
	buf_clear(&s->ehlo);
	s->is_handshaking = true;
	timer_set(s->submit->conf.loop, &s->deadline, s->settings->conf->limits.handshake_ms);
	tls = session_tls_conf(s);
	if (!stream_start_tls_server(s->stream, &tls)) {
		s->is_closing = true;
		s->reason = "octets sent together with STARTTLS";
	}
}

static void on_refused(struct session *s, const struct smtp_event *ev)
{
	struct logline l;

	session_log_start(s, &l, LOG_LEVEL_INFO, "refused");
	logline_format(&l, "ref", "%s-%u", s->sid_text, ev->ref);
	logline_text(&l, "address", s->address);
	logline_text(&l, "account", s->account ? s->account : login_last_name(s));
	logline_text(&l, "verb", ev->verb);
	logline_number(&l, "code", ev->code);
	logline_span(&l, "text", ev->text);
	session_log_put(s, &l);
}

static void on_quit(struct session *s, const struct smtp_event *ev)
{
	(void)ev;
	session_close(s, "quit");
}

static void on_close(struct session *s, const struct smtp_event *ev)
{
	struct logline l;

	if (s->reason == NULL && ev->text.len) {
		session_log_start(s, &l, LOG_LEVEL_INFO, "violation");
		logline_text(&l, "address", s->address);
		logline_span(&l, "text", ev->text);
		session_log_put(s, &l);
	}
	session_close(s, s->reason ? s->reason : "closed by us");
}

static void (*const handlers[])(struct session *s, const struct smtp_event *ev) = {
	[SMTP_EVENT_EHLO] = on_ehlo,
	[SMTP_EVENT_STARTTLS] = on_starttls,
	[SMTP_EVENT_AUTH] = login_on_auth,
	[SMTP_EVENT_AUTH_LINE] = login_on_line,
	[SMTP_EVENT_AUTH_CANCEL] = login_on_cancel,
	[SMTP_EVENT_MAIL] = message_on_mail,
	[SMTP_EVENT_RCPT] = message_on_rcpt,
	[SMTP_EVENT_BODY_BEGIN] = message_on_begin,
	[SMTP_EVENT_BODY_CHUNK] = message_on_chunk,
	[SMTP_EVENT_BODY_END] = message_on_end,
	[SMTP_EVENT_BODY_BAD] = message_on_void,
	[SMTP_EVENT_RESET] = message_on_void,
	[SMTP_EVENT_REFUSED] = on_refused,
	[SMTP_EVENT_QUIT] = on_quit,
	[SMTP_EVENT_CLOSE] = on_close,
};

static void run_events(struct session *s)
{
	struct smtp_event ev;

	while (!s->is_closing && !s->is_held && stream_unsent(s->stream) < SESSION_OUTPUT_MARK) {
		enum smtp_event_type type = smtp_server_next(s->engine, &ev);

		if (type == SMTP_EVENT_MORE || type == SMTP_EVENT_WAIT)
			break;
		handlers[type](s, &ev);
		if (!s->is_closing)
			flush(s);
	}
}

/* A stopping daemon lets a client finish its message, not begin another. */
static void stop_between_messages(struct session *s)
{
	enum smtp_server_phase phase;

	if (!s->submit->is_stopping || s->is_closing)
		return;
	phase = smtp_server_phase(s->engine);
	if (phase == SMTP_PHASE_GREETING || phase == SMTP_PHASE_COMMAND)
		session_shut(s, &SMTP_REPLY(421, 4, 3, 2, "Restarting; try again in a minute"),
			     "stopping");
}

/* A login that was withdrawn ends, but who has sent a message as a whole hears what became of it. */
static void end_revoked(struct session *s)
{
	if (s->is_revoked && !s->is_closing && !message_is_whole(s))
		session_shut(s, &SMTP_REPLY(421, 4, 7, 0, "Your login was withdrawn; log in again"),
			     "login withdrawn");
}

static void after_events(struct session *s)
{
	if (s->is_closing)
		return;
	flush(s);
	stop_between_messages(s);
	end_revoked(s);
	if (!s->is_closing)
		mind_deadline(s);
}

static size_t on_data(void *user, struct span octets)
{
	struct session *s = user;

	if (s->is_closing)
		return octets.len;
	s->is_in_data = true;
	smtp_server_feed(s->engine, octets);
	run_events(s);
	s->is_in_data = false;
	after_events(s);
	return s->is_closing ? octets.len : octets.len - smtp_server_left(s->engine);
}

void session_resume(struct session *s)
{
	if (s->is_in_data || s->is_closing)
		return;
	run_events(s);
	after_events(s);
	if (!s->is_closing)
		stream_resume(s->stream);
}

static void on_drained(void *user)
{
	session_resume(user);
}

void session_answer(struct session *s, unsigned ticket, const struct smtp_reply *reply)
{
	smtp_server_answer(s->engine, ticket, reply);
	session_resume(s);
}

void session_answerf(struct session *s, unsigned ticket, int code, struct smtp_status status,
		     const char *fmt, ...)
{
	struct smtp_reply reply = { .code = code, .status = status };
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	reply.text = buf_span(&text);
	session_answer(s, ticket, &reply);
	buf_fini(&text);
}

/* A login or a message under way is let go first: its ticket is void with the engine's end. */
void session_shut(struct session *s, const struct smtp_reply *reply, const char *reason)
{
	if (s->is_closing)
		return;
	s->reason = reason;
	if (s->is_awaiting_proxy) { /* nobody there to speak to yet */
		s->is_closing = true;
		stream_abort(s->stream);
		return;
	}
	login_drop(s);
	message_drop(s);
	s->is_held = false;
	smtp_server_shut(s->engine, reply);
	run_events(s);
	session_close(s, reason);
}

/* Who waits for our greeting says nothing either, and leaves after a while. */
static const char *explain_silence(const struct session *s, const char *reason)
{
	if (!s->is_implicit || s->is_awaiting_proxy || stream_tls_is_begun(s->stream))
		return reason;
	return "nothing came, and TLS comes first here; a mail program that waited for a greeting "
	       "is to be set to SSL/TLS";
}

void session_on_deadline(struct timer *timer)
{
	struct session *s = timer_entry(timer, struct session, deadline);

	if (s->is_awaiting_proxy || s->is_handshaking || (s->is_implicit && !s->is_secured)) {
		s->is_closing = true;
		s->reason = s->is_awaiting_proxy ? "no PROXY header in time"
						 : explain_silence(s, "no TLS handshake in time");
		if (s->is_awaiting_proxy)
			session_log_no_proxy(s, s->reason);
		stream_abort(s->stream);
		return;
	}
	if (s->account == NULL && s->phase != SMTP_PHASE_GREETING)
		session_shut(s, &SMTP_REPLY(421, 4, 4, 2, "No login came in time; connect again"),
			     "no login in time");
	else
		session_shut(s,
			     &SMTP_REPLY(421, 4, 4, 2, "Nothing came for too long; connect again"),
			     "silence");
}

void session_greet(struct session *s, const struct smtp_reply *refusal)
{
	smtp_server_greet(s->engine, refusal);
	flush(s);
	s->phase = SMTP_PHASE_CLOSED; /* so that the greeting's deadline starts now */
	mind_deadline(s);
}

static void on_secured(void *user)
{
	struct session *s = user;
	struct logline l;

	if (s->is_closing)
		return;
	s->is_secured = true;
	s->is_handshaking = false;
	counter_add(&s->submit->conf.counters->tls_handshakes, 1);
	if (s->listen->conf->profile == CONF_PROFILE_LEGACY)
		counter_add(&s->submit->conf.counters->tls_legacy, 1);
	session_log_start(s, &l, LOG_LEVEL_INFO, "tls");
	logline_text(&l, "tls", stream_tls_describe(s->stream));
	session_log_put(s, &l);
	session_offer_login(s);
	if (s->is_implicit) {
		session_welcome(s);
		return;
	}
	smtp_server_tls_started(s->engine);
	s->phase = SMTP_PHASE_CLOSED;
	mind_deadline(s);
}

static void session_free(struct session *s)
{
	struct submit *submit = s->submit;

	timer_clear(submit->conf.loop, &s->deadline);
	login_drop(s);
	message_drop(s);
	smtp_server_free(&s->engine);
	if (s->has_entered) {
		gate_leave(submit->conf.gate, &s->gate_address, s->is_known);
		counter_sub(&submit->conf.counters->sessions_open, 1);
	}
	submit->turned_away -= s->is_turned_away;
	if (atomic_fetch_sub(&s->settings->refs, 1) == 1)
		s->settings->freed(s->settings);
	list_remove(&submit->sessions, &s->node);
	buf_fini(&s->ehlo);
	buf_fini(&s->certificate_names);
	free(s->account);
	free(s->credential);
	free(s);
	if (submit->is_stopping && list_is_empty(&submit->sessions))
		loop_post(submit->conf.loop, &submit->free_work);
}

static void on_closed(void *user, const struct fault *fault)
{
	struct session *s = user;
	const char *reason = s->reason ? s->reason : fault->text;
	struct logline l;

	if (s->reason == NULL && (fault->code == -EPIPE || fault->code == -ECONNRESET))
		reason = explain_silence(s, reason);
	if (!s->is_secured && s->reason == NULL && fault->code == -EPROTO && s->has_entered)
		counter_add(&s->submit->conf.counters->tls_failures, 1);
	/* It sends none for anybody then. One that comes and goes only looks whether we live. */
	if (s->is_awaiting_proxy && s->reason == NULL && fault->code == -EPROTO)
		session_log_no_proxy(s, fault->text);
	if (s->has_entered || s->is_awaiting_proxy) {
		session_log_start(s, &l, LOG_LEVEL_INFO, "closed");
		logline_text(&l, "reason", reason);
		logline_number(&l, "messages", s->accepted);
		session_log_put(s, &l);
	}
	session_free(s);
}

const struct stream_ops session_stream_ops = {
	.data = on_data,
	.drained = on_drained,
	.secured = on_secured,
	.connected = session_on_proxied,
	.closed = on_closed,
};
