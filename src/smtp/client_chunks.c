/* Content by BDAT (RFC 3030).
 *
 * Octets that follow a BDAT which the peer does not know are commands to it: content would speak to the
 * smarthost under our login. So the first chunk of a message is one line, and nothing follows it
 * before the peer has taken it; of each message, since a gateway may pass one on to a server that knows
 * BDAT and the next to another. The last chunk waits until all others were taken: a peer that loses
 * one and takes the end all the same would deliver half a message. */
#include "smtp/client.h"

#include "client_private.h"
#include "run.h"
#include "smtp/content.h"

enum {
	CHUNK_OCTETS = 128 * 1024,
	COMMAND_OCTETS = 32, /* "BDAT 131072 LAST" and its end, at most */
	LOOK_BACK =
		2048, /* for a line end to cut at: not all servers know one that is cut in two */
};

static const struct smtp_reply no_bdat =
	SMTP_REPLY(451, 4, 3, 5, "The smarthost offers CHUNKING and does not know it");

void client_chunks_fini(struct smtp_client *cl)
{
	buf_fini(&cl->chunks.held);
	cl->chunks.count = 0;
}

/* Where the first chunk ends of those held. */
static size_t first_line(struct span held)
{
	size_t n = span_find(held, '\n');

	if (n < held.len && n < SMTP_LINE_MOST)
		return n + 1;
	return held.len > SMTP_LINE_MOST ? SMTP_LINE_MOST : held.len;
}

static size_t good_cut(struct span held)
{
	size_t n = CHUNK_OCTETS;

	for (size_t i = n; i > n - LOOK_BACK; i--)
		if (held.at[i - 1] == '\n')
			return i;
	return held.at[n - 1] == '\r' ? n - 1 : n;
}

/* The octets of a chunk that may be sent and is not the last; 0: there is none. What is held last goes
 * with LAST, and is never empty where there is content. */
static size_t next_chunk(const struct smtp_client *cl)
{
	const struct client_chunks *c = &cl->chunks;
	struct span held = buf_span(&c->held);
	size_t n;

	if (!cl->knows_bdat) {
		n = c->count == 0 ? first_line(held) : 0;
		return n < held.len ? n : 0;
	}
	if (held.len <= CHUNK_OCTETS || c->count >= (cl->offers.pipelining ? CHUNKS_DUE_MOST : 1))
		return 0;
	return good_cut(held);
}

/* All that is held goes out as it stands, behind its command, for which room was left: a large content is
 * not copied once more. False: there is none, or something waits to be sent. */
static bool hand_out(struct smtp_client *cl, struct span command)
{
	struct buf *held = &cl->chunks.held;
	struct buf empty = cl->out;

	if (cl->out.len || held->from < command.len)
		return false;
	held->from -= command.len;
	held->len += command.len;
	memcpy(held->at + held->from, command.at, command.len);
	cl->out = *held;
	*held = empty;
	buf_clear(held);
	return true;
}

static void put_chunk(struct smtp_client *cl, size_t octets, const char *last)
{
	struct client_chunks *c = &cl->chunks;

	buf_clear(&cl->line);
	buf_put_text(&cl->line, "BDAT ");
	buf_put_number(&cl->line, octets);
	buf_put_text(&cl->line, last);
	if (octets < c->held.len || !hand_out(cl, buf_span(&cl->line))) {
		buf_put_span(&cl->out, buf_span(&cl->line));
		buf_put_span(&cl->out, span_first(buf_span(&c->held), octets));
		buf_drop(&c->held, octets);
	}
	cl->has_sent_chunks = true;
	c->ends[(c->first + c->count++) % CHUNKS_DUE_MOST] = cl->sent + cl->out.len;
}

/* More content may come as long as what is held makes no chunk. */
static void await_chunks(struct smtp_client *cl)
{
	const struct client_chunks *c = &cl->chunks;

	cl->state = c->is_whole || c->held.len > CHUNK_OCTETS ? CLIENT_CHUNK : CLIENT_CHUNKS;
	cl->reply_due = c->count ? c->ends[c->first] : UINT64_MAX;
}

static void go_on(struct smtp_client *cl)
{
	struct client_chunks *c = &cl->chunks;
	size_t n;

	while ((n = next_chunk(cl)) > 0)
		put_chunk(cl, n, "\r\n");
	await_chunks(cl);
	if (c->is_whole && c->count == 0) {
		put_chunk(cl, c->held.len, " LAST\r\n");
		client_rest_buf(&c->held);
		client_await(cl, CLIENT_LAST);
	}
}

void client_chunks_begin(struct smtp_client *cl)
{
	struct client_chunks *c = &cl->chunks;
	size_t most = c->size < CHUNK_OCTETS ? (size_t)c->size : CHUNK_OCTETS;

	*c = (struct client_chunks){ .is_binary = c->is_binary, .held = c->held };
	buf_clear(&c->held);
	buf_room(&c->held, COMMAND_OCTETS + most);
	c->held.from = COMMAND_OCTETS;
	await_chunks(cl);
	client_push(cl, SMTP_CLIENT_SEND_BODY);
}

/* What a text holds besides whole lines becomes what DATA would have made of it (smtp/body.h). */

static void end_line(struct client_chunks *c)
{
	buf_put(&c->held, "\r\n", 2);
	c->is_mid_line = false;
}

static void put_octet(struct client_chunks *c, unsigned char octet)
{
	if (octet == '\0')
		return;
	if (octet == '\r' || (octet == '\n' && !c->is_behind_cr)) {
		end_line(c);
	} else if (octet != '\n') {
		buf_put_char(&c->held, (char)octet);
		c->is_mid_line = true;
	}
	c->is_behind_cr = octet == '\r';
}

static void put_text(struct client_chunks *c, struct span text)
{
	while (text.len) {
		bool is_start = !c->is_mid_line;
		size_t n = c->is_behind_cr ? 0 : smtp_run_length(text, false, &is_start);

		if (n) {
			buf_put(&c->held, text.at, n);
			c->is_mid_line = !is_start;
		} else {
			put_octet(c, text.at[0]);
			n = 1;
		}
		text = span_from(text, n);
	}
}

void client_chunks_put(struct smtp_client *cl, struct span content)
{
	struct client_chunks *c = &cl->chunks;

	if (c->is_whole)
		return;
	if (c->is_binary)
		buf_put_span(&c->held, content);
	else
		put_text(c, content);
	go_on(cl);
}

void client_chunks_end(struct smtp_client *cl)
{
	struct client_chunks *c = &cl->chunks;

	if (!c->is_binary && c->is_mid_line)
		end_line(c);
	c->is_whole = true;
	go_on(cl);
}

/* Replies */

static void take_first(struct client_chunks *c)
{
	c->first = (c->first + 1) % CHUNKS_DUE_MOST;
	c->count--;
}

/* RFC 3030 2.: "the sender-SMTP MUST NOT send any additional BDAT segments" after a refusal; those in the
 * pipeline are answered still. The "resulting state [...] is indeterminate. A RSET command MUST be
 * sent". */
static void drain(struct smtp_client *cl)
{
	if (cl->chunks.count) {
		cl->state = CLIENT_DRAIN;
		cl->reply_due = cl->chunks.ends[cl->chunks.first];
		return;
	}
	cl->envelope.needs_reset = true;
	client_end_transaction(cl);
}

/* Whatever it made of the line that came behind, the connection is of no more use. */
static void give_chunking_up(struct smtp_client *cl, const struct smtp_reply *reply)
{
	cl->offers.chunking = cl->offers.binarymime = false;
	client_push_reply(cl, SMTP_CLIENT_RESULT, &no_bdat)->is_ours = true;
	cl->envelope.has_result = true;
	client_lose(cl, reply, NULL);
}

/* RFC 5321 4.2.4: 500 to 504 speak of the command, not of what it brings. From a peer that has taken
 * chunks it may still be its word on the message, where the enhanced code says so; else a gateway has
 * passed us on to a server that does not know them (RFC 3463 3.6: X.5.X is the protocol's). */
static bool is_about_bdat(const struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code < 500 || reply->code > 504)
		return false;
	return !cl->knows_bdat || reply->status.class == 0 || reply->status.subject == 5;
}

static void take_refusal(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_about_bdat(cl, reply)) {
		give_chunking_up(cl, reply);
		return;
	}
	client_push_reply(cl, SMTP_CLIENT_RESULT, reply);
	cl->envelope.has_result = true;
	buf_fini(&cl->chunks.held);
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		drain(cl);
}

/* True: the peer has taken the chunk. */
static bool is_taken(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (client_is_out_of_step(cl, reply))
		return false;
	take_first(&cl->chunks);
	if (reply->code >= 300) {
		take_refusal(cl, reply);
		return false;
	}
	cl->knows_bdat = true;
	return true;
}

void client_on_chunk(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_taken(cl, reply))
		go_on(cl);
}

void client_on_last(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (!is_taken(cl, reply))
		return;
	client_push_reply(cl, SMTP_CLIENT_RESULT, reply);
	cl->envelope.has_result = true;
	client_become_ready(cl);
}

void client_on_drain(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (client_is_out_of_step(cl, reply))
		return;
	take_first(&cl->chunks);
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		drain(cl);
}
