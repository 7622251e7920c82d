/* talk.c: one connection to a scripted smarthost. */
#include "form.h"
#include "ledger.h"
#include "smarthost.h"

#include "base/mem.h"
#include "smtp/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { REPLY_MOST = 1024 };

enum talk_state { TALK_GREETING, TALK_COMMAND, TALK_LOGIN, TALK_BODY, TALK_CHUNK };

/* What becomes of one command. */
#define DEEDS(X)                                                                                   \
	X(DO)                                                                                      \
	X(PUT_OFF) /* 4xx */                                                                       \
	X(REFUSE)  /* 5xx */                                                                       \
	X(GOODBYE) /* 421 and away */                                                              \
	X(HANG_UP) /* away without a word */                                                       \
	X(RESET)                                                                                   \
	X(STALL)     /* no word, until somebody loses patience */                                  \
	X(BABBLE)    /* what is no reply */                                                        \
	X(LINGER)    /* does it, after a long time */                                              \
	X(DO_AND_GO) /* does it, and goes away before or behind the reply */

enum deed {
#define X(name) DEED_##name,
	DEEDS(X)
#undef X
		DEED_COUNT
};

static const char *const deed_names[] = {
#define X(name) #name,
	DEEDS(X)
#undef X
};

struct talk {
	struct list_node node; /* in host->talks */
	struct smarthost *host;
	struct net *net;
	enum talk_state state;
	struct buf in;
	struct event think, idle;
	bool is_stalled, is_secure, is_logged_in, is_garbled, has_sender, is_leaving;
	bool offers_pipelining, offers_size, offers_dsn, offers_auth, offers_tls, offers_chunks;
	bool offers_require_tls;
	unsigned rcpt_most; /* LIMITS; 0: none is told */
	struct terms terms;
	size_t chunk_left;
	bool is_last_chunk, has_failed; /* a chunk before was refused: the transaction is void */
	enum deed pending;		/* LINGER: what is done after it */
	char sender[512];
	char *recipients[ADDRESSEES_MOST + 4];
	unsigned recipient_count, asked;
	int64_t begun_ms; /* when MAIL came */
	int64_t heard_ms; /* when the command came that is looked at */
	struct buf body;
	size_t searched;
	bool has_body_end;
};

static void think(struct event *event);
static void on_idle(struct event *event);

void *talk_new(struct smarthost *host, struct net *net)
{
	struct talk *t = mem_new(struct talk);
	bool is_odd = !smarthosts.is_good;

	t->host = host;
	t->net = net;
	t->think.fire = think;
	t->idle.fire = on_idle;
	t->offers_pipelining = once_in(4) ? false : true;
	t->offers_size = once_in(2);
	t->terms.offers_8bit = !once_in(4);
	t->terms.offers_utf8 = once_in(2);
	t->offers_chunks = once_in(3);
	t->terms.offers_binary = t->offers_chunks && once_in(2);
	t->offers_require_tls = once_in(2);
	t->rcpt_most = once_in(4) ? (unsigned)pick_between(1, 8) : 0;
	t->offers_dsn = once_in(2);
	t->offers_auth = host->wants_login && !(is_odd && once_in(30));
	t->offers_tls = !(is_odd && once_in(30));
	list_push_back(&host->talks, &t->node);
	return t;
}

static void forget_transaction(struct talk *t)
{
	while (t->recipient_count)
		free(t->recipients[--t->recipient_count]);
	t->has_sender = t->has_failed = false;
	buf_fini(&t->body);
	t->searched = 0;
	t->has_body_end = false;
}

void talk_free(void *peer)
{
	struct talk *t = peer;

	event_clear(&t->think);
	event_clear(&t->idle);
	list_remove(&t->host->talks, &t->node);
	forget_transaction(t);
	buf_fini(&t->in);
	free(t);
}

static void hang_up(struct talk *t)
{
	struct net *net = t->net;

	talk_free(t);
	net_close(net);
}

static void reset(struct talk *t)
{
	struct net *net = t->net;

	talk_free(t);
	net_reset(net);
}

void talks_reset(struct smarthost *host)
{
	struct list_node *node;

	while ((node = list_first(&host->talks)) != NULL)
		reset(list_entry(node, struct talk, node));
}

unsigned talks_of_process(const struct smarthost *host)
{
	unsigned n = 0;

	list_each (&host->talks, node)
		n += net_is_ours(list_entry(node, struct talk, node)->net);
	return n;
}

static void say(struct talk *t, const char *reply)
{
	tell("  %s says: %s", t->host->name, reply);
	net_send(t->net, span_text(reply));
	net_send(t->net, span_text("\r\n"));
}

/* What comes next is looked at after a while. */
static void go_on(struct talk *t, int64_t in_ms)
{
	bool has_line = span_find(buf_span(&t->in), '\n') < t->in.len;

	if (t->is_stalled || event_is_set(&t->think))
		return;
	if (t->state == TALK_BODY    ? t->has_body_end
	    : t->state == TALK_CHUNK ? t->chunk_left == 0
				     : has_line)
		event_set(&t->think, in_ms);
}

static int64_t thinking_ms(const struct talk *t)
{
	if (t->host->mood == MOOD_SLOW)
		return pick_skewed(90000);
	return once_in(8) ? pick_between(0, 300) : pick_between(0, 5);
}

static void on_idle(struct event *event)
{
	struct talk *t = event_entry(event, struct talk, idle);

	if (!t->is_stalled && once_in(2))
		say(t, "421 4.4.2 too long without a word");
	hang_up(t);
}

static void restart_idle(struct talk *t)
{
	int64_t least = smarthosts.is_good ? 120000 : 5000;

	if (t->is_stalled)
		event_set(&t->idle, 3600000);
	else if (!event_is_set(&t->think))
		event_set(&t->idle, pick_between(least, 600000));
	else
		event_clear(&t->idle);
}

/* The end of the body: a line with a dot. It may stand at the very beginning. */
static void find_body_end(struct talk *t)
{
	static const char end[] = "\r\n.\r\n";
	struct span all = buf_span(&t->body);
	size_t from = t->searched > 4 ? t->searched - 4 : 0, behind;
	const unsigned char *at;

	t->searched = all.len;
	if (all.len == 0)
		return;
	if (from == 0 && all.len >= 3 && memcmp(all.at, ".\r\n", 3) == 0) {
		behind = 3;
	} else {
		at = memmem(all.at + from, all.len - from, end, 5);
		if (at == NULL)
			return;
		behind = (size_t)(at - all.at) + 5;
	}
	t->has_body_end = true;
	buf_put_span(&t->in, span_from(all, behind));
	t->body.len = behind - 3;
}

/* RFC 3030: so many octets, as they are. */
static void take_chunk(struct talk *t)
{
	struct span part = span_first(buf_span(&t->in), t->chunk_left);

	buf_put_span(&t->body, part);
	t->chunk_left -= part.len;
	buf_drop(&t->in, part.len);
}

size_t talk_octets(void *peer, struct span octets)
{
	struct talk *t = peer;

	if (t->is_stalled)
		return 0;
	if (t->in.len == 0)
		t->heard_ms = world.now_ms;
	if (t->state == TALK_BODY && !t->has_body_end) {
		buf_put_span(&t->body, octets);
		find_body_end(t);
	} else {
		buf_put_span(&t->in, octets);
		if (t->state == TALK_CHUNK)
			take_chunk(t);
	}
	go_on(t, thinking_ms(t));
	restart_idle(t);
	/* A misdeed in the middle of the content. */
	if (t->state >= TALK_BODY && !smarthosts.is_good && t->host->mood == MOOD_FLAKY &&
	    once_in(40))
		reset(t);
	return octets.len;
}

/* Deeds */

static enum deed draw(const struct talk *t)
{
	if (smarthosts.is_good)
		return DEED_DO;
	if (t->host->mood == MOOD_FLAKY && once_in(8))
		return (enum deed)pick(DEED_COUNT);
	if (once_in(150))
		return (enum deed)pick(DEED_COUNT);
	return DEED_DO;
}

static void babble(struct talk *t)
{
	/* None that could be believed: a smarthost that lies is beyond help. */
	static const char *const words[] = { "hello", "25", "999 what", "2500 ok", "\xff\xfe", "" };

	t->is_garbled = true;
	say(t, words[pick(6)]);
}

/* True: that was all; false: the command is to be answered in the ordinary way. */
static bool misbehave(struct talk *t, enum deed deed)
{
	static const char *const later[] = { "450 4.2.1 not now", "451 4.3.0 try again",
					     "452 4.5.3 too much",
					     "421 4.3.2 the server is going away" };
	static const char *const never[] = { "550 5.7.1 we do not want that", "554 5.0.0 no",
					     "552 5.3.4 too big", "530 5.7.0 log in first" };

	if (deed != DEED_DO)
		tell("  %s misbehaves: %s", t->host->name, deed_names[deed]);
	switch (deed) {
	case DEED_PUT_OFF:
		say(t, later[pick(3)]);
		return true;
	case DEED_REFUSE:
		say(t, never[pick(4)]);
		return true;
	case DEED_GOODBYE:
		say(t, later[3]);
		t->is_leaving = true;
		return true;
	case DEED_HANG_UP:
		t->is_leaving = true;
		return true;
	case DEED_STALL:
		t->is_stalled = true;
		return true;
	case DEED_BABBLE:
		babble(t);
		return true;
	default:
		return false;
	}
}

/* Commands */

static void hello(struct talk *t, bool is_esmtp)
{
	char text[REPLY_MOST], limits[64];

	if (!is_esmtp) {
		t->terms = (struct terms){ 0 };
		t->offers_chunks = t->offers_require_tls = false;
		t->rcpt_most = 0;
		say(t, "250 mx");
		return;
	}
	snprintf(limits, sizeof(limits), "250-LIMITS MAILMAX=1000 RCPTMAX=%u\r\n", t->rcpt_most);
	snprintf(text, sizeof(text), "250-mx\r\n%s%s%s%s%s%s%s%s%s%s%s250 HELP",
		 t->terms.offers_utf8 ? "250-SMTPUTF8\r\n" : "",
		 t->offers_chunks ? "250-CHUNKING\r\n" : "",
		 t->terms.offers_binary ? "250-BINARYMIME\r\n" : "",
		 t->offers_require_tls && t->is_secure ? "250-REQUIRETLS\r\n" : "",
		 t->rcpt_most ? limits : "", t->offers_pipelining ? "250-PIPELINING\r\n" : "",
		 t->offers_size ? "250-SIZE 50000000\r\n" : "",
		 t->terms.offers_8bit ? "250-8BITMIME\r\n" : "", t->offers_dsn ? "250-DSN\r\n" : "",
		 t->offers_auth ? "250-AUTH PLAIN LOGIN\r\n" : "",
		 t->host->tls == SMTP_CLIENT_TLS_STARTTLS && !t->is_secure && t->offers_tls
			 ? "250-STARTTLS\r\n"
			 : "");
	say(t, text);
}

/* What stands between the first angle brackets. */
static void address_of(struct span line, char *out, size_t cap)
{
	size_t from = span_find(line, '<') + 1;
	struct span rest = span_from(line, from);

	rest = span_first(rest, span_find(rest, '>'));
	snprintf(out, cap, "%.*s", (int)rest.len, (const char *)rest.at);
}

static bool says(const char *line, const char *parameter)
{
	return strstr(line, parameter) != NULL;
}

/* Nothing is said that was not offered. */
static void read_terms(struct talk *t, const char *line)
{
	struct terms *m = &t->terms;

	m->says_8bit = says(line, " BODY=8BITMIME");
	m->says_binary = says(line, " BODY=BINARYMIME");
	m->says_utf8 = says(line, " SMTPUTF8");
	m->says_require_tls = says(line, " REQUIRETLS");
	if ((m->says_8bit && !m->offers_8bit) || (m->says_binary && !m->offers_binary) ||
	    (m->says_utf8 && !m->offers_utf8) ||
	    (m->says_require_tls && !(t->offers_require_tls && t->is_secure)))
		fail("%s heard what it does not offer: %s", t->host->name, line);
}

static void on_mail(struct talk *t, struct span line)
{
	if (t->has_sender) {
		fail("%s got MAIL within a transaction", t->host->name);
		say(t, "503 5.5.1 nested MAIL");
		return;
	}
	if (t->host->wants_login && !t->is_logged_in) {
		fail("%s got MAIL without a login", t->host->name);
		say(t, "530 5.7.0 log in first");
		return;
	}
	address_of(line, t->sender, sizeof(t->sender));
	read_terms(t, (const char *)line.at);
	t->has_sender = true;
	t->asked = 0;
	t->begun_ms = t->heard_ms;
	say(t, "250 2.1.0 ok");
}

/* An address that begins so is always treated so; what is grey becomes white in the end. */
static const char *opinion(const char *address)
{
	if (strncmp(address, "no-", 3) == 0)
		return "550 5.1.1 no such user";
	if (strncmp(address, "grey-", 5) == 0 && !smarthosts.is_good && pick(4))
		return "450 4.2.0 come back later";
	if (strncmp(address, "full-", 5) == 0)
		return "452 4.2.2 the mailbox is full";
	return NULL;
}

static void on_rcpt(struct talk *t, struct span line)
{
	char address[512];
	const char *reply;

	if (t->rcpt_most && t->has_sender && ++t->asked > t->rcpt_most)
		fail("%s heard of %u recipients at once", t->host->name, t->asked);
	address_of(line, address, sizeof(address));
	reply = opinion(address);
	if (!t->has_sender)
		reply = "503 5.5.1 MAIL first";
	else if (t->recipient_count == ADDRESSEES_MOST)
		reply = "452 4.5.3 too many recipients";
	if (reply == NULL)
		t->recipients[t->recipient_count++] = mem_text(address);
	say(t, reply ? reply : "250 2.1.5 ok");
}

static void note_data(struct talk *t)
{
	struct smarthost *h = t->host;

	h->sent = mem_resize(h->sent, (h->sent_count + 1) * sizeof(*h->sent));
	h->sent[h->sent_count++] = (struct sent){ net_life(t->net), t->begun_ms };
}

static void on_data(struct talk *t)
{
	if (t->recipient_count == 0) {
		say(t, "554 5.5.1 no valid recipients");
		return;
	}
	if (t->terms.says_binary)
		fail("%s got DATA for a binary content", t->host->name);
	note_data(t);
	say(t, "354 go on");
	t->state = TALK_BODY;
	buf_put_span(&t->body, buf_span(&t->in));
	buf_clear(&t->in);
	find_body_end(t);
}

static void on_bdat(struct talk *t, const char *line)
{
	char *end;

	if (!t->offers_chunks)
		fail("%s got BDAT, which it does not offer", t->host->name);
	if (t->body.len == 0 && !t->has_failed)
		note_data(t);
	t->chunk_left = strtoul(line + 5, &end, 10);
	t->is_last_chunk = strcmp(end, " LAST") == 0;
	t->state = TALK_CHUNK;
	take_chunk(t);
}

static void on_auth(struct talk *t)
{
	if (t->host->mood == MOOD_LOCKED || (!smarthosts.is_good && once_in(60))) {
		say(t, once_in(2) ? "535 5.7.8 wrong password" : "454 4.7.0 not now");
		return;
	}
	t->is_logged_in = true;
	say(t, "235 2.7.0 welcome");
}

static void on_command(struct talk *t, struct span line)
{
	if (span_istarts(line, "EHLO") || span_istarts(line, "HELO")) {
		forget_transaction(t);
		hello(t, span_istarts(line, "EHLO"));
	} else if (span_istarts(line, "MAIL FROM:")) {
		on_mail(t, line);
	} else if (span_istarts(line, "RCPT TO:")) {
		on_rcpt(t, line);
	} else if (span_istarts(line, "DATA")) {
		on_data(t);
	} else if (span_istarts(line, "RSET")) {
		forget_transaction(t);
		say(t, "250 2.0.0 ok");
	} else if (span_istarts(line, "STARTTLS")) {
		say(t, "220 2.0.0 go on");
	} else if (span_istarts(line, "AUTH ")) {
		on_auth(t);
	} else if (span_istarts(line, "QUIT")) {
		say(t, "221 2.0.0 bye");
		t->is_leaving = true;
	} else {
		fail("%s got a command that is none: %.*s", t->host->name,
		     (int)(line.len < 60 ? line.len : 60), (const char *)line.at);
		say(t, "500 5.5.2 what");
	}
}

/* RFC 5321 4.5.2 */
static void unstuff(struct buf *body)
{
	unsigned char *at = body->at + body->from, *to = at;
	bool is_line_start = true;

	for (size_t i = 0; i < body->len; i++) {
		if (is_line_start && at[i] == '.') {
			is_line_start = false;
			continue;
		}
		is_line_start = at[i] == '\n';
		*to++ = at[i];
	}
	body->len = (size_t)(to - at);
}

static bool is_unwanted(const struct talk *t)
{
	const struct letter *l = ledger_claimed(buf_span(&t->body));

	return l && l->is_spam;
}

static void take(struct talk *t, bool says_so)
{
	const char *who[ADDRESSEES_MOST];
	struct take *taken;

	for (unsigned i = 0; i < t->recipient_count; i++)
		who[i] = t->recipients[i];
	tell("  %s takes it", t->host->name);
	taken = ledger_take(t->host->name, span_text(t->sender), who, t->recipient_count,
			    buf_span(&t->body), &t->terms, t->begun_ms, net_life(t->net));
	if (taken) {
		taken->is_garbled = t->is_garbled;
		taken->is_ghost = !net_is_ours(t->net);
	}
	if (!says_so)
		return;
	say(t, "250 2.0.0 taken");
	if (taken)
		net_mark(t->net, ledger_told, taken);
}

static void judge_content(struct talk *t, enum deed deed)
{
	if (deed == DEED_DO_AND_GO) {
		t->is_leaving = true;
		take(t, once_in(2));
	} else if (!misbehave(t, deed)) {
		if (is_unwanted(t))
			say(t, "554 5.7.1 the content is not wanted");
		else
			take(t, true);
	}
	forget_transaction(t);
}

static void on_dot(struct talk *t, enum deed deed)
{
	t->state = TALK_COMMAND;
	t->has_body_end = false;
	unstuff(&t->body);
	judge_content(t, deed);
}

/* RFC 3030 2: after a chunk that failed, those behind it fail too. */
static void on_chunk(struct talk *t, enum deed deed)
{
	t->state = TALK_COMMAND;
	if (t->recipient_count == 0 || t->has_failed) {
		t->has_failed = true;
		say(t, "503 5.5.1 there is no transaction any more");
	} else if (t->is_last_chunk) {
		judge_content(t, deed);
	} else if (deed == DEED_DO_AND_GO) {
		t->is_leaving = true;
	} else if (misbehave(t, deed)) {
		t->has_failed = true;
	} else {
		say(t, "250 2.0.0 more");
	}
	if (t->is_last_chunk && t->has_sender)
		forget_transaction(t);
}

static void greet(struct talk *t, enum deed deed)
{
	t->state = TALK_COMMAND;
	if (t->host->mood == MOOD_CLOSED) {
		say(t, once_in(2) ? "421 4.3.2 too busy" : "554 5.7.1 not you");
		t->is_leaving = true;
	} else if (!misbehave(t, deed)) {
		say(t, "220 mx ESMTP");
	}
}

static bool take_line(struct talk *t, char *line, size_t cap)
{
	struct span in = buf_span(&t->in);
	size_t n = span_find(in, '\n');

	if (n == in.len)
		return false;
	snprintf(line, cap, "%.*s", (int)(n && in.at[n - 1] == '\r' ? n - 1 : n),
		 (const char *)in.at);
	buf_drop(&t->in, n + 1);
	return true;
}

static void answer(struct talk *t, enum deed deed)
{
	char line[2048];

	if (t->state == TALK_GREETING) {
		greet(t, deed);
	} else if (t->state == TALK_BODY) {
		on_dot(t, deed);
	} else if (t->state == TALK_CHUNK) {
		on_chunk(t, deed);
	} else if (take_line(t, line, sizeof(line))) {
		tell("  %s hears: %s", t->host->name, line);
		if (strncasecmp(line, "BDAT ", 5) == 0) {
			on_bdat(t, line);
			return;
		}
		if (deed == DEED_DO_AND_GO)
			t->is_leaving = true;
		if (!misbehave(t, deed))
			on_command(t, span_text(line));
	}
}

static void think(struct event *event)
{
	struct talk *t = event_entry(event, struct talk, think);
	enum deed deed = t->pending == DEED_LINGER ? DEED_DO : draw(t);

	t->pending = DEED_DO;
	if (deed == DEED_LINGER) {
		t->pending = DEED_LINGER;
		event_set(&t->think,
			  once_in(4) ? pick_between(30000, 900000) : pick_between(500, 30000));
		return;
	}
	if (deed == DEED_RESET) {
		tell("  %s resets", t->host->name);
		reset(t);
		return;
	}
	answer(t, deed);
	if (t->is_leaving) {
		hang_up(t);
		return;
	}
	go_on(t, thinking_ms(t));
	restart_idle(t);
}

void talk_connected(void *peer)
{
	struct talk *t = peer;

	if (t->host->tls != SMTP_CLIENT_TLS_IMPLICIT)
		event_set(&t->think, thinking_ms(t));
	restart_idle(t);
}

bool talk_secure(void *peer)
{
	struct talk *t = peer;

	if (!smarthosts.is_good && once_in(50))
		return false;
	t->is_secure = true;
	if (t->state == TALK_GREETING)
		event_set(&t->think, thinking_ms(t));
	return true;
}
