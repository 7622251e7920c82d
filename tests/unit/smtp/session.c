#include "session.h"

#include <stdio.h>
#include <stdlib.h>

struct smtp_server_conf session_conf(void)
{
	return (struct smtp_server_conf){
		.hostname = "relay.example.com",
		.mechanisms = "PLAIN LOGIN",
		.sid = "7F",
		.message_octets = 1000,
		.recipients = 5,
		.errors = 20,
		.login_failures = 3,
		.line_octets = 512,
		.auth_line_octets = 12288,
		.output_octets = 65536,
		.starttls_offered = false,
		.is_tls = true,
	};
}

void session_start(struct session *s, const struct smtp_server_conf *conf)
{
	*s = (struct session){ .srv = smtp_server_new(conf) };
	smtp_server_greet(s->srv, NULL);
	session_feed(s, span_of("", 0));
}

void session_log_in(struct session *s)
{
	session_feed(s, span_text("EHLO client\r\n"));
	session_feed(s, span_text("AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"));
	session_forget(s);
}

static void note(struct session *s, const char *name)
{
	if (s->events.len)
		buf_put_text(&s->events, " | ");
	buf_put_text(&s->events, name);
}

static void note_span(struct session *s, struct span detail)
{
	buf_put_char(&s->events, ' ');
	for (size_t i = 0; i < detail.len; i++)
		buf_put_char(&s->events, detail.at[i] ? (char)detail.at[i] : '~');
}

static void answer(struct session *s, const struct smtp_event *ev, struct smtp_reply reply)
{
	smtp_server_answer(s->srv, ev->ticket, &reply);
}

static void answer_password(struct session *s, const struct smtp_event *ev, struct span password)
{
	s->is_login = false;
	buf_clear(&s->login);
	s->logins += span_eq(password, span_text("right"));
	if (span_eq(password, span_text("right")))
		answer(s, ev, SMTP_REPLY(235, 2, 7, 0, "Logged in"));
	else if (span_eq(password, span_text("busy")))
		answer(s, ev, SMTP_REPLY(454, 4, 7, 0, "Try again in a minute"));
	else
		answer(s, ev, SMTP_REPLY(535, 5, 7, 8, "Name or password not accepted"));
}

static void answer_response(struct session *s, const struct smtp_event *ev)
{
	if (!s->is_login) {
		size_t name = sizeof("\0alice");

		answer_password(s, ev, span_from(ev->data, name));
	} else if (s->login.len == 0) {
		buf_put_span(&s->login, ev->data);
		buf_put_char(&s->login, '!');
		answer(s, ev, SMTP_REPLY(334, 0, 0, 0, "Password:"));
	} else {
		answer_password(s, ev, ev->data);
	}
}

static void on_auth(struct session *s, const struct smtp_event *ev)
{
	note_span(s, ev->text);
	s->is_login = span_eq(ev->text, span_text("LOGIN"));
	if (ev->has_data) {
		note_span(s, ev->data);
		answer_response(s, ev);
	} else {
		answer(s, ev,
		       s->is_login ? SMTP_REPLY(334, 0, 0, 0, "Username:")
				   : SMTP_REPLY(334, 0, 0, 0, ""));
	}
}

static void on_auth_line(struct session *s, const struct smtp_event *ev)
{
	note_span(s, ev->data);
	answer_response(s, ev);
}

static void on_auth_cancel(struct session *s, const struct smtp_event *ev)
{
	(void)ev;
	s->is_login = false;
	buf_clear(&s->login);
}

static void on_ehlo(struct session *s, const struct smtp_event *ev)
{
	note_span(s, ev->text);
	if (!ev->is_esmtp)
		buf_put_text(&s->events, " (HELO)");
}

static void on_starttls(struct session *s, const struct smtp_event *ev)
{
	answer(s, ev, SMTP_REPLY(220, 2, 0, 0, "Go ahead"));
}

static void on_mail(struct session *s, const struct smtp_event *ev)
{
	note_span(s, ev->path.mailbox);
	if (ev->mail.size)
		buf_printf(&s->events, " size=%llu", (unsigned long long)ev->mail.size);
	if (ev->mail.body != SMTP_BODY_7BIT)
		buf_put_text(&s->events, ev->mail.body == SMTP_BODY_8BITMIME ? " 8bit" : " binary");
	if (ev->mail.is_utf8)
		buf_put_text(&s->events, " utf8");
	if (ev->mail.require_tls)
		buf_put_text(&s->events, " tls");
	if (ev->mail.hold_for_s)
		buf_printf(&s->events, " for=%lld", (long long)ev->mail.hold_for_s);
	if (ev->mail.hold_until_s)
		buf_printf(&s->events, " until=%lld", (long long)ev->mail.hold_until_s);
	if (ev->mail.auth.at) {
		buf_put_text(&s->events, " auth=");
		buf_put_span(&s->events, ev->mail.auth);
	}
	if (ev->mail.ret != SMTP_RET_NONE)
		buf_put_text(&s->events, ev->mail.ret == SMTP_RET_FULL ? " ret=full" : " ret=hdrs");
	if (ev->mail.envid.len) {
		buf_put_text(&s->events, " envid=");
		buf_put_span(&s->events, ev->mail.envid);
	}
	snprintf(s->sender, sizeof(s->sender), "%.*s", (int)ev->path.local.len,
		 ev->path.local.len ? (const char *)ev->path.local.at : "");
	if (strcmp(s->sender, "denied") == 0)
		answer(s, ev, SMTP_REPLY(550, 5, 7, 60, "Not your address"));
	else
		answer(s, ev, SMTP_REPLY(250, 2, 1, 0, "Sender accepted"));
}

static void on_rcpt(struct session *s, const struct smtp_event *ev)
{
	note_span(s, ev->path.mailbox);
	if (ev->rcpt.notify)
		buf_printf(&s->events, " notify=%u", ev->rcpt.notify);
	if (ev->rcpt.orcpt.len) {
		buf_put_text(&s->events, " orcpt=");
		buf_put_span(&s->events, ev->rcpt.orcpt);
	}
	if (span_eq(ev->path.local, span_text("no")))
		answer(s, ev, SMTP_REPLY(550, 5, 1, 1, "<no@example.net>: nobody there"));
	else if (span_eq(ev->path.local, span_text("later")))
		answer(s, ev, SMTP_REPLY(450, 4, 2, 0, "<later@example.net>: not now"));
	else
		answer(s, ev, SMTP_REPLY(250, 2, 1, 5, "Recipient accepted"));
}

static void on_body_begin(struct session *s, const struct smtp_event *ev)
{
	if (strcmp(s->sender, "full") == 0)
		answer(s, ev, SMTP_REPLY(452, 4, 3, 1, "The spool is full; try later"));
	else
		answer(s, ev, SMTP_REPLY(354, 0, 0, 0, "Send the message"));
}

static void on_body_end(struct session *s, const struct smtp_event *ev)
{
	if (ev->has_long_lines)
		buf_put_text(&s->events, " long");
	s->was_dotless = ev->is_dotless;
	buf_put_span(&s->content, buf_span(&s->message));
	buf_clear(&s->message);
	if (strcmp(s->sender, "broken") == 0)
		answer(s, ev, SMTP_REPLY(451, 4, 3, 0, "Not stored; try later"));
	else
		answer(s, ev, SMTP_REPLY(250, 2, 0, 0, "Queued"));
}

static void on_body_bad(struct session *s, const struct smtp_event *ev)
{
	(void)ev;
	buf_clear(&s->message);
}

static void on_refused(struct session *s, const struct smtp_event *ev)
{
	buf_printf(&s->events, " %s %d #%u", ev->verb, ev->code, ev->ref);
}

static void on_end(struct session *s, const struct smtp_event *ev)
{
	buf_printf(&s->events, " %d", ev->code);
	s->is_over = true;
}

static const struct {
	const char *name;
	void (*on)(struct session *s, const struct smtp_event *ev);
} handlers[] = {
	[SMTP_EVENT_EHLO] = { "EHLO", on_ehlo },
	[SMTP_EVENT_STARTTLS] = { "STARTTLS", on_starttls },
	[SMTP_EVENT_AUTH] = { "AUTH", on_auth },
	[SMTP_EVENT_AUTH_LINE] = { "AUTH_LINE", on_auth_line },
	[SMTP_EVENT_AUTH_CANCEL] = { "AUTH_CANCEL", on_auth_cancel },
	[SMTP_EVENT_MAIL] = { "MAIL", on_mail },
	[SMTP_EVENT_RCPT] = { "RCPT", on_rcpt },
	[SMTP_EVENT_BODY_BEGIN] = { "BODY_BEGIN", on_body_begin },
	[SMTP_EVENT_BODY_END] = { "BODY_END", on_body_end },
	[SMTP_EVENT_BODY_BAD] = { "BODY_BAD", on_body_bad },
	[SMTP_EVENT_RESET] = { "RESET", on_body_bad },
	[SMTP_EVENT_REFUSED] = { "REFUSED", on_refused },
	[SMTP_EVENT_QUIT] = { "QUIT", on_end },
	[SMTP_EVENT_CLOSE] = { "CLOSE", on_end },
};

static void handle(struct session *s, const struct smtp_event *ev)
{
	if (ev->type == SMTP_EVENT_BODY_CHUNK) {
		buf_put_span(&s->message, ev->data);
		return;
	}
	note(s, handlers[ev->type].name);
	if (handlers[ev->type].on)
		handlers[ev->type].on(s, ev);
}

static void send_output(struct session *s)
{
	struct span out = smtp_server_output(s->srv);

	buf_put_span(&s->output, out);
	smtp_server_sent(s->srv, out.len);
}

void session_feed(struct session *s, struct span octets)
{
	struct smtp_event ev;
	/* A block of its own size, so that a sanitizer sees a read beyond it. */
	unsigned char *copy = malloc(octets.len ? octets.len : 1);
	enum smtp_event_type type;

	if (octets.len)
		memcpy(copy, octets.at, octets.len);
	smtp_server_feed(s->srv, span_of(copy, octets.len));
	while ((type = smtp_server_next(s->srv, &ev)) != SMTP_EVENT_MORE) {
		if (type == SMTP_EVENT_WAIT) {
			if (smtp_server_output(s->srv).len == 0)
				abort();
			send_output(s);
			continue;
		}
		handle(s, &ev);
		if (type == SMTP_EVENT_STARTTLS) {
			send_output(s);
			smtp_server_tls_started(s->srv);
		}
	}
	send_output(s);
	free(copy);
}

void session_forget(struct session *s)
{
	buf_clear(&s->events);
	buf_clear(&s->output);
	buf_clear(&s->content);
}

void session_codes(const struct session *s, struct buf *out)
{
	struct span rest = buf_span(&s->output);

	while (rest.len) {
		size_t n = span_find(rest, '\n');
		struct span line = span_first(rest, n), after;
		struct smtp_status status;

		rest = span_from(rest, n + 1);
		if (line.len > 3 && line.at[3] == '-')
			continue;
		if (out->len)
			buf_put_text(out, " | ");
		buf_put_span(out, span_first(line, 3));
		if (line.len > 4 && smtp_status_parse(span_from(line, 4), (line.at[0] - '0') * 100,
						      &status, &after))
			buf_printf(out, " %u.%u.%u", status.class, status.subject, status.detail);
	}
}

void session_end(struct session *s)
{
	smtp_server_free(&s->srv);
	buf_fini(&s->events);
	buf_fini(&s->output);
	buf_fini(&s->content);
	buf_fini(&s->message);
	buf_fini(&s->login);
}
