#include "smtp/client.h"

#include "base/mem.h"
#include "base/require.h"
#include "client_private.h"
#include "printable.h"

#include <stdlib.h>

#define REPLY_TEXT_MAX 1000

static const struct {
	const char *phrase;
	unsigned seconds;
	client_on_reply *on_reply;
} states[] = {
#define X(name, phrase, seconds, on_reply) { phrase, seconds, on_reply },
	CLIENT_STATES(X)
#undef X
};

struct smtp_client *smtp_client_new(const struct smtp_client_conf *conf)
{
	struct smtp_client *cl = mem_new(struct smtp_client);

	cl->ehlo_name = mem_text(conf->ehlo_name);
	cl->tls = conf->tls;
	cl->is_tls = conf->tls == SMTP_CLIENT_TLS_IMPLICIT;
	cl->wants_login = conf->login;
	cl->distrusts_chunking = conf->distrusts_chunking;
	cl->state = CLIENT_GREETING;
	client_envelope_init(&cl->envelope);
	return cl;
}

void smtp_client_free(struct smtp_client **cl)
{
	struct smtp_client *gone = *cl;

	*cl = NULL;
	if (!gone)
		return;
	free(gone->ehlo_name);
	buf_fini(&gone->in);
	buf_wipe(&gone->out);
	buf_fini(&gone->line);
	buf_fini(&gone->text);
	buf_fini(&gone->challenge);
	client_envelope_fini(&gone->envelope);
	client_chunks_fini(gone);
	secret_fini(&gone->initial);
	smtp_reply_parser_fini(&gone->parser);
	free(gone);
}

struct smtp_client_wait smtp_client_waits(const struct smtp_client *cl)
{
	return (struct smtp_client_wait){ states[cl->state].phrase, states[cl->state].seconds };
}

const struct smtp_client_offers *smtp_client_offers(const struct smtp_client *cl)
{
	return &cl->offers;
}

struct smtp_client_event *client_push(struct smtp_client *cl, enum smtp_client_event_type type)
{
	struct smtp_client_event *ev;

	require(cl->event_count < CLIENT_EVENTS_MOST);
	ev = &cl->events[(cl->event_first + cl->event_count++) % CLIENT_EVENTS_MOST];
	*ev = (struct smtp_client_event){ .type = type, .phrase = states[cl->state].phrase };
	return ev;
}

struct smtp_client_event *client_push_reply(struct smtp_client *cl,
					    enum smtp_client_event_type type,
					    const struct smtp_reply *reply)
{
	struct smtp_client_event *ev = client_push(cl, type);

	ev->reply = *reply;
	return ev;
}

void client_drop_verdicts(struct smtp_client *cl)
{
	unsigned count = cl->event_count;

	cl->event_count = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct smtp_client_event *ev =
			&cl->events[(cl->event_first + i) % CLIENT_EVENTS_MOST];

		if (ev->type != SMTP_CLIENT_RCPT && ev->type != SMTP_CLIENT_RESULT)
			cl->events[(cl->event_first + cl->event_count++) % CLIENT_EVENTS_MOST] =
				*ev;
	}
}

void client_await(struct smtp_client *cl, enum client_state state)
{
	cl->state = state;
	cl->reply_due = cl->sent + cl->out.len;
}

void client_command(struct smtp_client *cl, enum client_state state, const char *line)
{
	buf_put_text(&cl->out, line);
	client_await(cl, state);
}

void client_become_ready(struct smtp_client *cl)
{
	cl->state = CLIENT_READY;
	client_push(cl, SMTP_CLIENT_READY);
}

static void wipe_output(struct smtp_client *cl)
{
	buf_wipe(&cl->out);
	cl->is_out_secret = false;
}

void client_refuse(struct smtp_client *cl, const struct smtp_reply *reply, const char *phrase)
{
	struct smtp_client_event *ev = client_push(cl, SMTP_CLIENT_REFUSED);

	if (reply)
		ev->reply = *reply;
	if (phrase)
		ev->phrase = phrase;
	secret_fini(&cl->initial);
	/* RFC 5321 3.8: after 421 the peer closes by itself. */
	if (!reply || reply->code != 421)
		buf_put_text(&cl->out, "QUIT\r\n");
	cl->state = CLIENT_QUIT;
}

void client_lose(struct smtp_client *cl, const struct smtp_reply *reply, const char *phrase)
{
	struct smtp_client_event *ev = client_push(cl, SMTP_CLIENT_LOST);

	if (reply)
		ev->reply = *reply;
	if (phrase)
		ev->phrase = phrase;
	wipe_output(cl);
	secret_fini(&cl->initial);
	buf_clear(&cl->in);
	client_envelope_fini(&cl->envelope);
	client_chunks_fini(cl);
	cl->state = CLIENT_LOST;
}

bool smtp_client_lost(struct smtp_client *cl)
{
	bool is_ended = cl->state == CLIENT_DOT || cl->state == CLIENT_LAST;
	bool may_be_taken = is_ended && cl->out.len == 0;

	if (cl->state != CLIENT_LOST)
		client_lose(cl, NULL, NULL);
	return may_be_taken;
}

bool smtp_client_sent_chunks(const struct smtp_client *cl)
{
	return cl->has_sent_chunks;
}

bool client_is_over(const struct smtp_client *cl)
{
	return cl->state == CLIENT_LOST || cl->state == CLIENT_QUIT || cl->state == CLIENT_UNASKED;
}

bool client_may(const struct smtp_client *cl, enum client_state state)
{
	if (client_is_over(cl))
		return false;
	require(cl->state == state);
	return true;
}

void smtp_client_quit(struct smtp_client *cl)
{
	if (client_may(cl, CLIENT_READY))
		client_command(cl, CLIENT_QUIT, "QUIT\r\n");
}

void client_rest_buf(struct buf *b)
{
	enum { KEPT_OCTETS = 32 * 1024 };

	if (b->cap > KEPT_OCTETS)
		buf_fini(b);
	else
		buf_clear(b);
}

struct span smtp_client_output(const struct smtp_client *cl)
{
	return buf_span(&cl->out);
}

void smtp_client_sent(struct smtp_client *cl, size_t octets)
{
	buf_drop(&cl->out, octets);
	cl->sent += octets;
	if (cl->is_out_secret && cl->out.len == 0)
		wipe_output(cl);
	else if (cl->out.len == 0)
		client_rest_buf(&cl->out);
}

void smtp_client_feed(struct smtp_client *cl, struct span octets)
{
	if (cl->state != CLIENT_QUIT && cl->state != CLIENT_LOST)
		buf_put_span(&cl->in, octets);
}

/* One line of a reply behind what is there, printable and within the cap. */
static void add_reply_line(struct buf *text, struct span line)
{
	line = span_trim(line);
	if (line.len && text->len && text->len < REPLY_TEXT_MAX)
		buf_put_char(text, ' ');
	smtp_put_printable(span_first(line, REPLY_TEXT_MAX - text->len), text);
}

/* The enhanced code stands on every line (RFC 2034 4.); the first one counts. */
static struct smtp_reply read_reply(struct smtp_client *cl)
{
	struct smtp_reply reply = { .code = cl->parser.code };
	struct span text = buf_span(&cl->parser.text);

	buf_clear(&cl->text);
	for (bool is_first = true; is_first || text.len; is_first = false) {
		size_t end = span_find(text, '\n');
		struct span line = span_first(text, end);
		struct smtp_status status;

		if (smtp_status_parse(line, reply.code, &status, &line) && is_first)
			reply.status = status;
		add_reply_line(&cl->text, line);
		text = span_from(text, end + 1);
	}
	reply.text = buf_span(&cl->text);
	return reply;
}

void client_on_unasked(struct smtp_client *cl, const struct smtp_reply *reply)
{
	client_lose(cl, reply, NULL);
}

bool client_is_out_of_step(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 3)
		return false;
	client_lose(cl, reply, NULL);
	return true;
}

static void take_reply(struct smtp_client *cl)
{
	struct smtp_reply reply = read_reply(cl);

	states[cl->state].on_reply(cl, &reply);
	smtp_reply_parser_reset(&cl->parser);
}

/* A reply begins. Unless a command of ours that is sent in whole awaits it, nothing more is sent;
 * it is still read, because it may say why the peer ends the connection. */
static void judge_reply(struct smtp_client *cl)
{
	if (states[cl->state].on_reply && cl->sent >= cl->reply_due)
		return;
	wipe_output(cl);
	cl->state = CLIENT_UNASKED;
}

/* Something has come: one reply is taken, or the connection given up, or all input used up. */
static void take_input(struct smtp_client *cl)
{
	struct span in = buf_span(&cl->in);
	enum smtp_parse step;

	if (cl->state == CLIENT_TLS) {
		client_lose_injected(cl);
		return;
	}
	if (cl->parser.octets == 0)
		judge_reply(cl);
	step = smtp_reply_parse(&cl->parser, &in);
	buf_drop(&cl->in, cl->in.len - in.len);
	if (step == SMTP_PARSE_BAD)
		client_lose(cl, NULL, "reading what is no SMTP reply");
	else if (step == SMTP_PARSE_DONE)
		take_reply(cl);
}

/* Whether there was something to take up that may have led to an event. */
static bool take_up(struct smtp_client *cl)
{
	if (client_tell_refused(cl))
		return true;
	if (cl->in.len == 0 || cl->state == CLIENT_QUIT)
		return false;
	take_input(cl);
	return true;
}

enum smtp_client_event_type smtp_client_next(struct smtp_client *cl, struct smtp_client_event *out)
{
	while (cl->event_count == 0 && take_up(cl))
		;
	if (cl->event_count == 0) {
		buf_clear(&cl->in);
		*out = (struct smtp_client_event){ .type = SMTP_CLIENT_MORE };
		return SMTP_CLIENT_MORE;
	}
	*out = cl->events[cl->event_first];
	cl->event_first = (cl->event_first + 1) % CLIENT_EVENTS_MOST;
	cl->event_count--;
	return out->type;
}
