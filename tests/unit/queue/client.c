#include "test.h"

#include "client.h"

#include <errno.h>
#include <stdio.h>

enum { PATIENCE_MS = 5000, SMALL_OCTETS = 100, LARGE_OCTETS = 300000 };

struct client client;

/* The hand-off's calls: none within one of ours, none after the last. */

static void on_recipient(void *user, size_t index, const struct smtp_reply *reply, const char *host)
{
	struct client_answer *answer = &client.answers[index];

	assert_ptr_equal(user, &client);
	assert_int_equal(hall.depth, 0);
	assert_false(client.is_dropped || client.is_done || answer->is_told);
	assert_true(index < client.recipients);
	answer->is_told = true;
	answer->code = reply ? reply->code : 0;
	if (reply) {
		assert_true(reply->code < 300 || reply->code >= 500);
		assert_span_text(reply->text, "its words");
	}
	if (reply && reply->code >= 500)
		assert_string_equal(host, "smtp.example.net");
}

static void on_room(void *user)
{
	assert_ptr_equal(user, &client);
	assert_false(client.is_dropped || client.is_done);
}

static void on_done(void *user, const struct handoff_end *end)
{
	assert_ptr_equal(user, &client);
	assert_int_equal(hall.depth, 0);
	assert_false(client.is_dropped || client.is_done);
	assert_true(client.has_finished);
	client.is_done = true;
	client.handoff = NULL;
	client.outcome = end->outcome;
	client.code = end->reply ? end->reply->code : 0;
	client.status = end->status;
	client.has_host = end->host != NULL;
	assert_int_equal(end->reply != NULL,
			 end->outcome == HANDOFF_PASSED || end->outcome == HANDOFF_REFUSED);
	assert_int_equal(end->fault != NULL, end->outcome == HANDOFF_FAILED);
}

static void settle(void)
{
	if (!hall.is_hasty)
		hall_settle();
}

static void open_client(bool is_hybrid, int64_t release_ms, uint64_t size_told)
{
	client = (struct client){ 0 };
	hall.depth++;
	client.handoff =
		handoff_new(&(struct handoff_conf){ .queue = hall.queue,
						    .is_hybrid = is_hybrid,
						    .patience_ms = PATIENCE_MS,
						    .sid = 7,
						    .account = "alice",
						    .sender = span_text("alice@example.com"),
						    .ret = SMTP_RET_HDRS,
						    .envid = span_text("e1"),
						    .size_told = size_told,
						    .is_utf8 = true,
						    .require_tls = true,
						    .release_ms = release_ms,
						    .recipient = on_recipient,
						    .room = on_room,
						    .done = on_done,
						    .user = &client });
	hall.depth--;
}

void client_open(bool is_hybrid)
{
	open_client(is_hybrid, 0, 0);
}

void client_open_future(int64_t release_ms)
{
	open_client(true, release_ms, 0);
}

void client_open_told(uint64_t size)
{
	open_client(true, 0, size);
}

void client_recipient(bool asks_success)
{
	size_t i = client.recipients++;
	struct smtp_rcpt_params params = { .notify = asks_success ? SMTP_NOTIFY_SUCCESS : 0,
					   .orcpt = span_text("rfc822;x@y") };
	char address[32];

	assert_true(i < HALL_RECIPIENTS_MOST);
	client.asks_success[i] = asks_success;
	snprintf(address, sizeof(address), "%zu@example.net", i);
	hall.depth++;
	handoff_recipient(client.handoff, span_text(address), &params);
	hall.depth--;
	settle();
}

bool client_is_in(size_t i)
{
	return client.answers[i].is_told && client.answers[i].code < 500;
}

bool client_may_send(void)
{
	size_t in = 0;

	for (size_t i = 0; i < client.recipients; i++) {
		if (!client.answers[i].is_told)
			return false;
		in += client_is_in(i);
	}
	return in > 0 && client.handoff && !client.has_finished;
}

static const unsigned char *text(void)
{
	static unsigned char octets[LARGE_OCTETS];

	for (size_t i = 0; octets[LARGE_OCTETS - 1] == 0 && i < LARGE_OCTETS; i++)
		octets[i] = (unsigned char)('a' + i * i % 23);
	return octets;
}

void client_send(size_t octets)
{
	size_t left = octets;

	assert_true(client_may_send());
	hall.depth++;
	handoff_begin(client.handoff);
	client.content = span_of(text(), octets);
	while (left) {
		struct span rest = span_from(client.content, octets - left);
		struct span part = span_first(rest, 50000);

		handoff_put(client.handoff, part);
		left -= part.len;
	}
	handoff_finish(client.handoff, hall_now_ms(), 40, true);
	client.has_finished = true;
	hall.depth--;
	settle();
}

void client_drop(void)
{
	client.is_dropped = true;
	hall.depth++;
	handoff_drop(&client.handoff);
	hall.depth--;
	assert_null(client.handoff);
	settle();
}

/* The script */

static enum relay_outcome outcome_of(char c, int *code)
{
	*code = c == '+' ? 250 : c == '-' ? 550 : 450;
	return c == '+' ? RELAY_DELIVERED : c == '-' ? RELAY_REFUSED : RELAY_DEFERRED;
}

static void play_rcpt(char what, size_t place)
{
	int code;
	enum relay_outcome outcome = outcome_of(what, &code);

	hall_carry();
	if (outcome == RELAY_DELIVERED)
		hall_accept(place);
	else
		hall_verdict(place, outcome, code);
}

static void play_verdict(char what)
{
	int code;
	enum relay_outcome outcome = outcome_of(what, &code);

	hall_judge(outcome, code);
}

static void play_end(char what)
{
	int code;
	enum relay_outcome outcome = outcome_of(what, &code);

	hall_end(outcome, code);
}

static const char *play_token(const char *at)
{
	switch (*at) {
	case 'r':
		client_recipient(at[1] == 's');
		return at + (at[1] == 's' ? 2 : 1);
	case 'c':
		client_send(SMALL_OCTETS);
		break;
	case 'L':
		client_send(LARGE_OCTETS);
		break;
	case 'd':
		client_drop();
		break;
	case 'H':
		hall.holds_chunks = true;
		break;
	case '>':
		hall_carry();
		break;
	case '+':
	case '-':
	case '~':
		play_rcpt(at[0], (size_t)(at[1] - '0'));
		return at + 2;
	case '.':
		play_end(at[1]);
		return at + 2;
	case '!':
		play_verdict(at[1]);
		return at + 2;
	case '*':
		hall_carry();
		hall_leave((size_t)(at[1] - '0'));
		return at + 2;
	case '|':
		hall_done();
		break;
	case 'x':
		hall_carry();
		hall_lose();
		break;
	case 'u':
		hall_refuse_job();
		break;
	case 't':
		hall_pass_time();
		settle();
		break;
	case 'k':
		hall_commit(at[1] == '+' ? 0 : -ENOSPC);
		return at + 2;
	case 'h':
		hall_chunks(at[1] == '+' ? 0 : -EIO);
		return at + 2;
	case '[':
		hall.is_hasty = true;
		break;
	case ']':
		hall.is_hasty = false;
		hall_settle();
		break;
	default:
		fail_msg("no such token: %s", at);
	}
	return at + 1;
}

void client_play(const char *script)
{
	while (*script)
		script = *script == ' ' ? script + 1 : play_token(script);
}
