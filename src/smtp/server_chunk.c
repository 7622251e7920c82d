#include "server_private.h"

#include "base/require.h"

#include <errno.h>

/* bdat-cmd = "BDAT" SP chunk-size [SP end-marker] CR LF ; chunk-size = 1*DIGIT, end-marker = "LAST"
 *
 * RFC 3030 2: "If a failure occurs after a BDAT command is received, the receiver-SMTP MUST accept
 * and discard the associated message data before sending the appropriate 5XX or 4XX code." So each
 * BDAT whose size can be read leads to MODE_CHUNK, refused or not, and no octet of a chunk is ever
 * taken for a command. A chunk that is refused ends its transaction: what comes behind it would be
 * half a message. */

enum {
	STRANGER_OCTETS = 1 << 20, /* of one chunk, that are thrown away before a login */
	SWALLOWED_TIMES = 4,	   /* the limit of a message, after it */
};

void server_offer_bdat(const struct smtp_server *srv, struct buf *lines)
{
	(void)srv;
	buf_put_text(lines, "CHUNKING\nBINARYMIME\n");
}

static uint64_t message_most(const struct smtp_server *srv)
{
	return srv->conf.message_octets ? srv->conf.message_octets : INT64_MAX;
}

/* Beyond this it is better to close than to read what is thrown away. */
static uint64_t swallowed_most(const struct smtp_server *srv)
{
	uint64_t most = message_most(srv);

	if (!srv->tls.is_authenticated)
		return STRANGER_OCTETS;
	return most > INT64_MAX / SWALLOWED_TIMES ? INT64_MAX : most * SWALLOWED_TIMES;
}

/* A number too large to hold is larger than any limit. */
static bool parse_chunk(struct span arg, struct server_chunk *out)
{
	size_t n = span_find(arg, ' ');
	struct span marker = span_trim(span_from(arg, n));
	int rc = span_number(span_first(arg, n), &out->octets);

	if (rc == -ERANGE)
		out->octets = UINT64_MAX;
	else if (rc < 0)
		return false;
	out->left = out->octets;
	out->is_last = span_ieq_text(marker, "LAST");
	return out->is_last || marker.len == 0;
}

static const struct smtp_reply *judge_chunk(struct smtp_server *srv, const struct verb *verb)
{
	const struct smtp_reply *why = server_why_not(srv, verb);
	const struct server_transaction *t = &srv->transaction;

	if (why)
		return why;
	if (t->accepted == 0)
		return &server_nobody;
	return srv->chunk.octets > message_most(srv) - t->announced ? &server_too_big : NULL;
}

/* Where the octets behind a command cannot be told from commands, nothing more is read. */
static bool close_out_of_step(struct smtp_server *srv, const struct verb *verb,
			      const struct smtp_reply *why)
{
	server_refuse(srv, verb->name, why);
	server_close(srv, SMTP_EVENT_CLOSE, why->code, why->text);
	return false;
}

static bool refuse_chunk(struct smtp_server *srv, const struct verb *verb,
			 const struct smtp_reply *why, struct smtp_event *ev)
{
	bool was_open = srv->transaction.is_open, was_begun = srv->transaction.is_chunked;

	if (srv->chunk.octets > swallowed_most(srv))
		return close_out_of_step(srv, verb, why);
	srv->mode = MODE_CHUNK;
	srv->chunk.is_refused = true;
	server_refuse(srv, verb->name, why);
	if (!was_open || srv->mode == MODE_CLOSED)
		return false;
	server_spoil(srv);
	ev->type = was_begun ? SMTP_EVENT_BODY_BAD : SMTP_EVENT_RESET;
	return true;
}

/* Who sends chunks without waiting for the replies cannot know yet: that is no error. */
static bool refuse_rest(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply rest =
		SMTP_REPLY(503, 5, 5, 1,
			   "The message was refused; send it again from MAIL FROM on");

	if (srv->chunk.octets > swallowed_most(srv))
		return close_out_of_step(srv, verb, &rest);
	srv->mode = MODE_CHUNK;
	srv->chunk.is_refused = true;
	server_say(srv, verb->name, &rest);
	return false;
}

static void settle_begin(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code == 354 || reply->code >= 400);
	srv->mode = MODE_CHUNK;
	srv->chunk.is_refused = reply->code != 354;
	if (srv->chunk.is_refused)
		server_spoil(srv);
}

static bool begin_chunk(struct smtp_server *srv, const struct verb *verb, struct smtp_event *ev)
{
	struct server_transaction *t = &srv->transaction;
	bool is_first = !t->is_chunked;

	t->announced += srv->chunk.octets;
	t->is_chunked = true;
	srv->mode = is_first ? MODE_BDAT : MODE_CHUNK;
	if (is_first)
		server_ask(srv, verb->name, SMTP_EVENT_BODY_BEGIN, settle_begin, ev);
	return is_first;
}

bool server_run_bdat(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply malformed = SMTP_REPLY(
		501, 5, 5, 4,
		"Write BDAT and a number of octets, and LAST for the last; connect again");
	const struct smtp_reply *why;

	srv->chunk = (struct server_chunk){ 0 };
	if (!parse_chunk(arg, &srv->chunk))
		return close_out_of_step(srv, verb, &malformed);
	if (srv->transaction.is_spoilt)
		return refuse_rest(srv, verb);
	why = judge_chunk(srv, verb);
	return why ? refuse_chunk(srv, verb, why, ev) : begin_chunk(srv, verb, ev);
}

/* RFC 3030 3: of BINARYMIME not an octet is changed, and no line end means anything. */
static bool take_binary(struct server_transaction *t, struct span *in, struct span *out)
{
	*out = *in;
	t->decoder.octets += in->len;
	*in = span_from(*in, in->len);
	return true;
}

/* True when ev->data is content. */
static bool take_octets(struct smtp_server *srv, struct smtp_event *ev)
{
	struct server_chunk *c = &srv->chunk;
	struct server_transaction *t = &srv->transaction;
	struct span part = c->left < srv->in.len ? span_first(srv->in, (size_t)c->left) : srv->in;
	size_t given = part.len, used;
	bool is_content = false;

	if (c->is_refused)
		part = span_from(part, part.len);
	else if (t->body == SMTP_BODY_BINARYMIME)
		is_content = take_binary(t, &part, &ev->data);
	else
		is_content = smtp_chunk_decode(&t->decoder, &part, &ev->data) == SMTP_BODY_CHUNK;
	used = given - part.len;
	c->left -= used;
	srv->in = span_from(srv->in, used);
	return is_content && server_has_room(srv);
}

static bool end_chunk(struct smtp_server *srv, struct smtp_event *ev)
{
	struct server_chunk c = srv->chunk;
	struct smtp_reply taken = { 250, { 2, 0, 0 }, { NULL, 0 } };
	struct buf text = { 0 };

	srv->mode = MODE_COMMAND;
	if (c.is_refused) {
		server_flush(srv);
		return false;
	}
	if (c.is_last)
		smtp_chunk_decode_end(&srv->transaction.decoder);
	if (c.is_last || server_is_content_bad(srv)) {
		server_end_content(srv, "BDAT", ev);
		srv->transaction.is_spoilt = !c.is_last;
		return true;
	}
	buf_printf(&text, "%llu octets", (unsigned long long)c.octets);
	taken.text = buf_span(&text);
	server_say(srv, "BDAT", &taken);
	buf_fini(&text);
	return false;
}

bool server_take_chunk(struct smtp_server *srv, struct smtp_event *ev)
{
	while (srv->chunk.left && srv->in.len) {
		if (!take_octets(srv, ev))
			continue;
		ev->type = SMTP_EVENT_BODY_CHUNK;
		return true;
	}
	return srv->chunk.left == 0 && end_chunk(srv, ev);
}
