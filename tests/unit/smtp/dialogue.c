#include "dialogue.h"

#include "test.h"

static void start(struct session *s, const struct dialogue *d)
{
	struct smtp_server_conf conf = session_conf();
	enum start at = d->start;

	conf.starttls_offered = at == AT_PLAIN;
	conf.is_tls = at != AT_PLAIN;
	if (d->adjust)
		d->adjust(&conf);
	session_start(s, &conf);
	session_forget(s);
	if (at == LOGGED_IN || at == LENIENT_LF)
		session_log_in(s);
}

/* Each group in pieces: of `size` octets, or at one place, or whole. */
enum cut { WHOLE, EACH, AT };

static void say(struct session *s, const char *text, enum cut cut, size_t at)
{
	struct span in = span_text(text);

	for (size_t i = 0; cut == EACH && i < in.len; i++)
		session_feed(s, span_of(in.at + i, 1));
	if (cut == AT)
		session_feed(s, span_first(in, at));
	if (cut != EACH)
		session_feed(s, cut == AT ? span_from(in, at) : in);
}

static void check(const struct dialogue *d, enum cut cut, size_t group, size_t at)
{
	struct session s;
	struct buf codes = { 0 };

	start(&s, d);
	for (size_t i = 0; i < 12 && d->say[i]; i++)
		say(&s, d->say[i], cut == AT && i != group ? WHOLE : cut, at);
	session_codes(&s, &codes);
	buf_put(&codes, "", 1);
	buf_put(&s.events, "", 1);
	buf_put(&s.content, "", 1);
	if (strcmp((const char *)buf_span(&codes).at, d->codes) ||
	    strcmp((const char *)buf_span(&s.events).at, d->events) ||
	    strcmp((const char *)buf_span(&s.content).at, d->content ? d->content : ""))
		fail_msg("%s (cut %d, group %zu at %zu)\ncodes  %s\nevents %s\ncontent %s", d->name,
			 (int)cut, group, at, buf_span(&codes).at, buf_span(&s.events).at,
			 buf_span(&s.content).at);
	buf_fini(&codes);
	session_end(&s);
}

void dialogues_check(const struct dialogue *dialogues, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct dialogue *d = &dialogues[i];

		check(d, WHOLE, 0, 0);
		check(d, EACH, 0, 0);
		for (size_t g = 0; g < 12 && d->say[g]; g++)
			for (size_t at = 0; at <= strlen(d->say[g]); at++)
				check(d, AT, g, at);
	}
}
