#include "session.h"

#include "backend.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TURNED_AWAY_MOST = 16,
	BUSY_TOLD_MOST = 512, /* under load none of them has cost more than its socket */
};

static void log_turned_away(struct session *s, enum gate_verdict verdict)
{
	struct logline l;

	counter_add(&s->submit->conf.counters->sessions_refused, 1);
	session_log_start(s, &l, LOG_LEVEL_WARN, "turned-away");
	logline_text(&l, "address", s->address);
	logline_text(&l, "reason",
		     verdict == GATE_FULL ? "limits.sessions is reached"
					  : "limits.sessions_per_address is reached");
	session_log_put(s, &l);
}

static void say_busy(struct session *s)
{
	struct buf words = { 0 };

	load_put_words(s->submit, &words);
	stream_write(s->stream, buf_span(&words));
	buf_fini(&words);
	session_close(s, s->reason);
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
	unsigned most = verdict == GATE_BUSY ? BUSY_TOLD_MOST : TURNED_AWAY_MOST;

	if (verdict == GATE_BUSY)
		load_refused(s->submit);
	else
		log_turned_away(s, verdict);
	s->reason = "turned away";
	s->is_turned_away = true;
	s->submit->turned_away++;
	if (s->is_implicit || s->submit->turned_away > most) {
		s->is_closing = true;
		stream_abort(s->stream);
		return;
	}
	if (verdict == GATE_BUSY) {
		say_busy(s);
		return;
	}
	session_greet(s, verdict == GATE_FULL ? &full : &address_full);
	session_resume(s);
}

struct tls_server_conf session_tls_conf(const struct session *s)
{
	static const enum tls_profile profiles[] = {
		[CONF_PROFILE_MODERN] = TLS_MODERN, [CONF_PROFILE_LEGACY] = TLS_LEGACY
	};

	return (struct tls_server_conf){ .identity = s->submit->conf.settings->identity,
					 .profile = profiles[s->listen->conf->profile],
					 .clients = s->listen->clients,
					 .scope = s->listen->conf->name };
}

void session_welcome(struct session *s)
{
	static const struct smtp_reply down =
		SMTP_REPLY(421, 4, 3, 2,
			   "Logins cannot be checked right now; your password is not the problem, "
			   "try again in a few minutes");

	if (!backend_is_down(s->submit)) {
		session_greet(s, NULL);
		return;
	}
	counter_add(&s->submit->conf.counters->sessions_unserved, 1);
	s->reason = "logins cannot be checked"; /* no fault of the client's */
	session_greet(s, &down);
	session_resume(s);
}

static void log_accept(struct session *s)
{
	struct logline l;

	session_log_start(s, &l, LOG_LEVEL_INFO, "accept");
	logline_text(&l, "address", s->address);
	logline_number(&l, "port", stream_peer_port(s->stream));
	logline_text(&l, "listener", s->listen->conf->name);
	session_log_put(s, &l);
}

static void admit(struct session *s)
{
	struct counters *counters = s->submit->conf.counters;
	struct tls_server_conf tls = session_tls_conf(s);

	s->has_entered = true;
	counter_add(&counters->sessions_opened, 1);
	counter_add(&counters->sessions_open, 1);
	log_accept(s);
	if (!s->is_implicit) {
		session_welcome(s);
		return;
	}
	timer_set(s->submit->conf.loop, &s->deadline, s->settings->conf->limits.handshake_ms);
	stream_start_tls_server(s->stream, &tls);
}

/* Whom we speak to is known. */
static void begin(struct session *s)
{
	const struct conf_limits *limits = &s->settings->conf->limits;
	enum load load = load_judge(s->submit);
	enum gate_verdict verdict;

	snprintf(s->address, sizeof(s->address), "%s", stream_peer_address(s->stream));
	gate_address_parse(s->address, &s->gate_address);
	if (load == LOAD_OVER)
		verdict = GATE_BUSY;
	else
		verdict = gate_enter(s->submit->conf.gate, &s->gate_address,
				     &(struct gate_limits){
					     .sessions = limits->sessions,
					     .sessions_per_address = limits->sessions_per_address,
					     .strangers_per_address =
						     load == LOAD_BUSY ? LOAD_STRANGERS_MOST : 0,
				     });
	if (verdict == GATE_OPEN)
		admit(s);
	else
		turn_away(s, verdict);
}

void session_on_proxied(void *user)
{
	struct session *s = user;

	if (s->is_closing)
		return;
	s->is_awaiting_proxy = false;
	begin(s);
}

static void log_refused(struct session *s, const char *listener, const char *event,
			const char *reason)
{
	struct logline l;

	session_log_start(s, &l, LOG_LEVEL_WARN, event);
	logline_text(&l, "address", stream_peer_address(s->stream));
	logline_text(&l, "listener", listener);
	logline_text(&l, "reason", reason);
	session_log_put(s, &l);
}

void session_log_no_proxy(struct session *s, const char *reason)
{
	log_refused(s, s->listen->conf->name, "not-a-proxy", reason);
}

/* Without a word: what protocol is spoken there is not known. */
static void refuse(struct session *s, const char *listener, const char *event, const char *reason)
{
	log_refused(s, listener, event, reason);
	s->reason = reason;
	s->is_closing = true;
	stream_abort(s->stream);
}

/* Only our own load balancers may say who a client is; anybody else has no business on that port. */
static void await_proxy(struct session *s)
{
	const char *address = stream_peer_address(s->stream);

	for (size_t i = 0; i < s->listen->proxy_count; i++) {
		if (!network_has(&s->listen->proxies[i], address))
			continue;
		s->is_awaiting_proxy = true;
		stream_expect_proxy(s->stream);
		timer_set(s->submit->conf.loop, &s->deadline,
			  s->settings->conf->limits.handshake_ms);
		return;
	}
	refuse(s, s->listen->conf->name, "not-a-proxy", "not one of this listener's proxies");
}

/* A listener lives as long as the daemon, the settings may be newer. */
static const struct submit_listen *find_listen(const struct submit_settings *settings,
					       const char *name)
{
	for (size_t i = 0; i < settings->conf->listen_count; i++)
		if (strcmp(settings->conf->listens[i].name, name) == 0)
			return &settings->listens[i];
	return NULL;
}

void submit_accept(struct submit *submit, int fd, const char *listener)
{
	const struct submit_listen *listen = find_listen(submit->conf.settings, listener);
	struct session *s;

	if (listen && listen->proxy_count == 0 && load_judge(submit) == LOAD_OVER) {
		load_turn_away(submit, fd, listen);
		return;
	}
	s = mem_new(struct session);
	s->submit = submit;
	s->settings = submit->conf.settings;
	s->listen = listen;
	s->stream = stream_accept(submit->conf.loop, fd, &session_stream_ops, s);
	if (s->stream == NULL) {
		free(s);
		return;
	}
	atomic_fetch_add(&s->settings->refs, 1);
	list_push_back(&submit->sessions, &s->node);
	s->sid = atomic_fetch_add(submit->conf.next_sid, 1);
	id_format(s->sid, s->sid_text);
	s->deadline.fire = session_on_deadline;
	if (s->listen == NULL) {
		refuse(s, listener, "no-such-listener", "its section is gone since a reload");
		return;
	}
	s->is_implicit = s->listen->conf->tls == CONF_LISTEN_IMPLICIT;
	s->mechanisms = s->listen->mechanisms;
	s->engine = session_engine_new(s);
	if (s->listen->proxy_count)
		await_proxy(s);
	else
		begin(s);
}
