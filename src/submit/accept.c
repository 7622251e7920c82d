#include "session.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNED_AWAY_MOST = 16 };

static struct smtp_server *engine_new(const struct session *s)
{
	const struct conf *conf = s->settings->conf;
	struct smtp_server_conf ec = {
		.hostname = conf->hostname,
		.mechanisms = s->settings->listens[0].mechanisms,
		.sid = s->sid_text,
		.message_octets = (uint64_t)conf->limits.message_octets,
		.recipients = (unsigned)conf->limits.recipients,
		.errors = (unsigned)conf->limits.errors,
		.login_failures = (unsigned)conf->limits.login_failures,
		.line_octets = (size_t)conf->limits.line_octets,
		.auth_line_octets = 12288 + 2, /* RFC 4954 section 4 */
		.output_octets = SESSION_OUTPUT_MARK,
		.refuse_bare_lf = conf->limits.refuse_bare_lf,
		.starttls_offered = !s->is_implicit,
		.is_tls = s->is_implicit,
	};

	return smtp_server_new(&ec);
}

/* A session too many is told so where that costs no handshake, and while not too many others are being
 * told: each keeps its socket until the client has read it. */
static void turn_away(struct session *s, enum gate_verdict verdict)
{
	static const struct smtp_reply full =
		SMTP_REPLY(421, 4, 3, 2, "Too many sessions; try again in a minute");
	static const struct smtp_reply address_full =
		SMTP_REPLY(421, 4, 7, 0,
			   "Too many sessions from your address; close some or try again");
	struct logline l;

	counter_add(&s->submit->conf.counters->sessions_refused, 1);
	session_log_start(s, &l, LOG_LEVEL_WARN, "turned-away");
	logline_text(&l, "address", s->address);
	logline_text(&l, "reason",
		     verdict == GATE_FULL ? "limits.sessions is reached"
					  : "limits.sessions_per_address is reached");
	session_log_put(s, &l);
	s->reason = "turned away";
	s->is_turned_away = true;
	s->submit->turned_away++;
	if (s->is_implicit || s->submit->turned_away > TURNED_AWAY_MOST) {
		s->is_closing = true;
		stream_abort(s->stream);
		return;
	}
	session_greet(s, verdict == GATE_FULL ? &full : &address_full);
	session_resume(s);
}

static void welcome(struct session *s, const struct conf_listen *listen)
{
	struct counters *counters = s->submit->conf.counters;
	struct logline l;

	s->has_entered = true;
	counter_add(&counters->sessions_opened, 1);
	counter_add(&counters->sessions_open, 1);
	session_log_start(s, &l, LOG_LEVEL_INFO, "accept");
	logline_text(&l, "address", s->address);
	logline_number(&l, "port", stream_peer_port(s->stream));
	logline_text(&l, "listener", listen->name);
	session_log_put(s, &l);
	if (!s->is_implicit) {
		session_greet(s, NULL);
		return;
	}
	timer_set(s->submit->conf.loop, &s->deadline, s->settings->conf->limits.handshake_ms);
	stream_start_tls_server(
		s->stream,
		&(struct tls_server_conf){ .identity = s->submit->conf.settings->identity });
}

static const struct conf_listen *find_listen(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (strcmp(conf->listens[i].name, name) == 0)
			return &conf->listens[i];
	return &conf->listens[0];
}

void submit_accept(struct submit *submit, int fd, const char *listener)
{
	const struct conf_listen *listen = find_listen(submit->conf.settings->conf, listener);
	struct session *s = mem_new(struct session);
	const struct conf_limits *limits;
	enum gate_verdict verdict;

	s->submit = submit;
	s->settings = submit->conf.settings;
	s->stream = stream_accept(submit->conf.loop, fd, &session_stream_ops, s);
	if (s->stream == NULL) {
		free(s);
		return;
	}
	atomic_fetch_add(&s->settings->refs, 1);
	list_push_back(&submit->sessions, &s->node);
	limits = &s->settings->conf->limits;
	s->sid = atomic_fetch_add(submit->conf.next_sid, 1);
	id_format(s->sid, s->sid_text);
	s->is_implicit = listen->tls == CONF_LISTEN_IMPLICIT;
	s->deadline.fire = session_on_deadline;
	snprintf(s->address, sizeof(s->address), "%s", stream_peer_address(s->stream));
	gate_address_parse(s->address, &s->gate_address);
	s->engine = engine_new(s);
	verdict = gate_enter(submit->conf.gate, &s->gate_address, limits->sessions,
			     limits->sessions_per_address);
	if (verdict == GATE_OPEN)
		welcome(s, listen);
	else
		turn_away(s, verdict);
}
