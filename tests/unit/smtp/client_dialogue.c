#include "client_dialogue.h"

#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static void note_reply(struct buf *out, const struct smtp_reply *r)
{
	if (r->code)
		buf_printf(out, " %d", r->code);
	if (r->status.class)
		buf_printf(out, " %d.%d.%d", r->status.class, r->status.subject, r->status.detail);
	if (r->text.len)
		buf_put_char(out, ' ');
	buf_put_span(out, r->text);
}

static void note_event(struct buf *out, const struct smtp_client_event *ev)
{
	static const char *const names[] = {
#define X(name) #name,
		SMTP_CLIENT_EVENTS(X)
#undef X
	};

	buf_put_text(out, names[ev->type]);
	if (ev->type == SMTP_CLIENT_RCPT)
		buf_printf(out, " %zu", ev->index);
	note_reply(out, &ev->reply);
	if (ev->type == SMTP_CLIENT_LOGIN || ev->type == SMTP_CLIENT_CHALLENGE)
		buf_put_char(out, ' ');
	buf_put_span(out, ev->text);
	buf_put_span(out, ev->data);
	if (ev->type == SMTP_CLIENT_REFUSED || ev->type == SMTP_CLIENT_LOST)
		buf_printf(out, ": %s", ev->phrase);
	if (ev->is_before_body)
		buf_put_text(out, " (before)");
	if (ev->is_ours)
		buf_put_text(out, " (ours)");
	buf_put_char(out, '\n');
}

void run_turn(struct run *r)
{
	struct smtp_client_event ev;
	struct span out;

	while (smtp_client_next(r->cl, &ev) != SMTP_CLIENT_MORE)
		note_event(&r->events, &ev);
	out = smtp_client_output(r->cl);
	buf_put_span(&r->output, out);
	smtp_client_sent(r->cl, out.len);
}

void run_feed(struct run *r, struct span octets)
{
	while (octets.len) {
		size_t n = octets.len;

		if (r->cut == SIZE_MAX)
			n = 1;
		else if (r->cut > r->fed && r->cut - r->fed < n)
			n = r->cut - r->fed;
		smtp_client_feed(r->cl, span_first(octets, n));
		r->fed += n;
		run_turn(r);
		octets = span_from(octets, n);
	}
}

static void put_line(struct buf *out, const char *text)
{
	if (*text == '~') {
		buf_put_text(out, text + 1);
		return;
	}
	buf_put_text(out, text);
	buf_put_text(out, "\r\n");
}

static unsigned form_of(const char *what)
{
	return (strstr(what, "8bit") ? SMTP_FORM_8BIT : 0u) |
	       (strstr(what, "header") ? SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER : 0u) |
	       (strstr(what, "binary") ? SMTP_FORM_BINARY : 0u);
}

static uint64_t size_of(const char *what)
{
	return strstr(what, "large") ? 1 << 20 : strstr(what, "size") ? 1000 : 0;
}

/* Calls `begin` with a message as `what` describes it. */
static void with_message(struct run *r, const char *what,
			 void (*begin)(struct smtp_client *cl, const struct smtp_client_message *m))
{
	struct span recipients[1000];
	struct smtp_rcpt_params params[1000] = { 0 };
	char names[1000][24];
	struct smtp_client_message m = { .sender = span_text("s@x"), .recipients = recipients };

	m.recipient_count = (size_t)strtoul(what, NULL, 10);
	require(m.recipient_count <= 1000);
	for (size_t i = 0; i < m.recipient_count; i++) {
		snprintf(names[i], sizeof(names[i]), "r%zu@y", i);
		recipients[i] = span_text(names[i]);
	}
	if (strstr(what, "null"))
		m.sender = span_of(NULL, 0);
	if (strstr(what, "utf8"))
		recipients[0] = span_text("\xC3\xBC@y");
	if (strstr(what, "domain"))
		recipients[0] = span_text("u@b\xC3\xBC"
					  "cher.example");
	if (strstr(what, "from"))
		m.sender = span_text("s@b\xC3\xBC"
				     "cher.example");
	if (strstr(what, "control"))
		recipients[0] = span_text("a\r\nDATA\r\n@y");
	m.form = form_of(what);
	m.is_utf8 = strstr(what, "said") != NULL;
	m.require_tls = strstr(what, "strict") != NULL;
	m.may_be_8bit = strstr(what, "maybe") != NULL;
	m.avoids_chunks = strstr(what, "avoids") != NULL;
	m.size = size_of(what);
	if (strstr(what, "dsn")) {
		m.ret = SMTP_RET_HDRS;
		m.envid = span_text("QQ+2B1");
		m.params = params;
		params[0].notify = SMTP_NOTIFY_DELAY | SMTP_NOTIFY_SUCCESS;
		params[0].orcpt = span_text("rfc822;R0+2B@y");
	}
	begin(r->cl, &m);
}

void run_message(struct run *r, const char *what)
{
	with_message(r, what, smtp_client_message);
}

void run_mail(struct run *r, const char *what)
{
	with_message(r, what, smtp_client_mail);
}

/* "address", and what stands behind it. */
static void do_recipient(struct run *r, const char *what)
{
	struct smtp_rcpt_params params = { 0 };
	struct span address = span_first(span_text(what), strcspn(what, " "));

	if (strstr(what, " never"))
		params.notify = SMTP_NOTIFY_NEVER;
	if (strstr(what, " orcpt"))
		params.orcpt = span_text("rfc822;first@y");
	if (strstr(what, " inject"))
		params.orcpt = span_text("rfc822;a\r\nRSET");
	smtp_client_recipient(r->cl, address, strchr(what, ' ') ? &params : NULL);
}

static void do_content(struct run *r, const char *what)
{
	smtp_client_content(r->cl, size_of(what), form_of(what));
}

static void do_login(struct run *r, const char *what)
{
	const char *space = strchr(what, ' ');
	char mechanism[32];
	struct span initial;

	snprintf(mechanism, sizeof(mechanism), "%.*s", (int)strcspn(what, " "), what);
	if (space)
		initial = span_text(space + 1);
	smtp_client_login(r->cl, mechanism, space ? &initial : NULL);
}

static void do_waits(struct run *r, const char *what)
{
	struct smtp_client_wait wait = smtp_client_waits(r->cl);
	char text[100];

	snprintf(text, sizeof(text), "%s %u", wait.phrase, wait.seconds);
	assert_string_equal(text, what);
}

static bool is_verb(const char **what, const char *verb)
{
	size_t n = strlen(verb);

	if (strncmp(*what, verb, n) != 0 || ((*what)[n] != ' ' && (*what)[n] != '\0'))
		return false;
	*what += n + ((*what)[n] == ' ');
	return true;
}

static void act(struct run *r, const char *what)
{
	if (is_verb(&what, "tls"))
		smtp_client_tls_started(r->cl);
	else if (is_verb(&what, "login"))
		do_login(r, what);
	else if (is_verb(&what, "no_login"))
		smtp_client_no_login(r->cl, "none fits");
	else if (is_verb(&what, "respond"))
		smtp_client_respond(r->cl, span_text(what));
	else if (is_verb(&what, "cancel"))
		smtp_client_cancel_login(r->cl);
	else if (is_verb(&what, "message"))
		run_message(r, what);
	else if (is_verb(&what, "mail"))
		run_mail(r, what);
	else if (is_verb(&what, "rcpt"))
		do_recipient(r, what);
	else if (is_verb(&what, "content"))
		do_content(r, what);
	else if (is_verb(&what, "reset"))
		smtp_client_reset(r->cl);
	else if (is_verb(&what, "body"))
		smtp_client_body(r->cl, span_text(what));
	else if (is_verb(&what, "end"))
		smtp_client_body_end(r->cl);
	else if (is_verb(&what, "quit"))
		smtp_client_quit(r->cl);
	else if (is_verb(&what, "waits"))
		do_waits(r, what);
	else
		fail_msg("unknown step: %s", what);
}

static void do_lost(struct run *r)
{
	bool may_be_taken = smtp_client_lost(r->cl);

	run_turn(r);
	buf_put_text(&r->events, may_be_taken ? " true\n" : " false\n");
}

static void assert_same(const struct dialogue *d, size_t cut, const char *what, struct buf *found,
			struct buf *expected)
{
	if (!span_eq(buf_span(found), buf_span(expected))) {
		print_error("%s, cut at %zd: %s:\n%.*s\nexpected:\n%.*s\n", d->name, (ssize_t)cut,
			    what, (int)found->len, (const char *)buf_span(found).at,
			    (int)expected->len, (const char *)buf_span(expected).at);
		fail();
	}
	buf_clear(found);
	buf_clear(expected);
}

static void check(struct run *r, const struct dialogue *d)
{
	assert_same(d, r->cut, "events", &r->events, &r->expected_events);
	assert_same(d, r->cut, "output", &r->output, &r->expected_output);
}

/* Takes the lines of the peer that follow each other as one piece. */
static size_t feed_lines(struct run *r, const struct dialogue *d, size_t i)
{
	struct buf octets = { 0 };

	for (; d->steps[i] && d->steps[i][0] == '<'; i++)
		put_line(&octets, d->steps[i] + 1);
	run_feed(r, buf_span(&octets));
	buf_fini(&octets);
	return i;
}

static void walk(struct run *r, const struct dialogue *d)
{
	bool is_expecting = false;

	for (size_t i = 0; i < STEPS_MOST && d->steps[i];) {
		const char *step = d->steps[i];

		if (*step == '=' || *step == '>') {
			if (*step == '=')
				buf_printf(&r->expected_events, "%s\n", step + 1);
			else
				put_line(&r->expected_output, step + 1);
			is_expecting = true;
			i++;
			continue;
		}
		/* Two calls in a row may have one outcome. */
		if (is_expecting || *step == '<')
			check(r, d);
		is_expecting = false;
		if (*step == '<') {
			i = feed_lines(r, d, i);
			continue;
		}
		if (strcmp(step, "!lost") == 0)
			do_lost(r);
		else
			act(r, step + 1);
		run_turn(r);
		i++;
	}
	check(r, d);
}

/* Returns how many octets the peer sent. */
static size_t run(const struct dialogue *d, size_t cut)
{
	struct smtp_client_conf conf = { .ehlo_name = "relay", .tls = d->tls, .login = d->login };
	struct run r = { .cl = smtp_client_new(&conf), .cut = cut };

	walk(&r, d);
	smtp_client_free(&r.cl);
	assert_null(r.cl);
	buf_fini(&r.events);
	buf_fini(&r.output);
	buf_fini(&r.expected_events);
	buf_fini(&r.expected_output);
	return r.fed;
}

void dialogue_run_everywhere(const struct dialogue *d, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t octets = run(&d[i], 0);

		if (d[i].is_whole_only)
			continue;
		run(&d[i], SIZE_MAX);
		for (size_t cut = 1; cut < octets; cut++)
			run(&d[i], cut);
	}
}

void run_begin(struct run *r, enum smtp_client_tls tls, bool login, const char *offers)
{
	struct smtp_client_conf conf = { .ehlo_name = "relay", .tls = tls, .login = login };
	struct buf ehlo = { 0 };

	*r = (struct run){ .cl = smtp_client_new(&conf) };
	run_feed(r, span_text("220 mx\r\n"));
	buf_put_text(&ehlo, "250-mx\r\n");
	for (size_t n; n = strcspn(offers, ","), offers[n]; offers += n + 1)
		buf_printf(&ehlo, "250-%.*s\r\n", (int)n, offers);
	buf_printf(&ehlo, "250 %s\r\n", offers);
	run_feed(r, buf_span(&ehlo));
	buf_fini(&ehlo);
	buf_clear(&r->events);
	buf_clear(&r->output);
}

void run_end(struct run *r)
{
	smtp_client_free(&r->cl);
	buf_fini(&r->events);
	buf_fini(&r->output);
	buf_fini(&r->expected_events);
	buf_fini(&r->expected_output);
}
