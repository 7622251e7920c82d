/* tests/unit/queue/handoff_orders.c: a hand-off under any order of events: whatever comes, each
 * recipient has the message once, or is in the queue, or his sender knows; and all is given back.
 *
 * HANDOFF_ORDERS sets how many orders are tried, HANDOFF_SEED the first one.
 */
#include "test.h"

#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDERS = 10000, STEPS_MOST = 60, RECIPIENTS_MOST = 4, EVENTS_MOST = 64 };

static uint64_t seed, state_of_chance;
static bool has_passed;

static unsigned chance(unsigned of)
{
	state_of_chance ^= state_of_chance << 13;
	state_of_chance ^= state_of_chance >> 7;
	state_of_chance ^= state_of_chance << 17;
	return (unsigned)((state_of_chance >> 20) % of);
}

/* An event is a piece of script; those that may come now are gathered, and one is drawn. */
static char events[EVENTS_MOST][8];
static unsigned event_count;

static void may_come(const char *event)
{
	assert_true(event_count < EVENTS_MOST);
	snprintf(events[event_count++], sizeof(events[0]), "%s", event);
}

static void may_come_for(char what, size_t place)
{
	char event[4] = { what, (char)('0' + place), '\0' };

	may_come(event);
}

static void gather_client(void)
{
	if (client.handoff == NULL)
		return;
	if (!client.has_finished && client.recipients < RECIPIENTS_MOST) {
		may_come("r");
		may_come("rs");
	}
	if (client_may_send()) {
		may_come("c");
		may_come("c");
		may_come("L");
	}
	if (chance(8) == 0)
		may_come("d");
}

/* A smarthost answers each RCPT before it has the content. */
static void gather_relay(void)
{
	const struct hall_job *r = &hall.relay;
	size_t judged = 0, accepted = 0, count;

	if (r->job == NULL)
		return;
	count = r->job->message.recipient_count;
	for (size_t i = 0; i < count; i++) {
		judged += r->has_verdict[i];
		accepted += r->has_accepted[i] && !r->has_verdict[i];
		if (r->has_verdict[i] || r->has_accepted[i])
			continue;
		may_come_for('+', i);
		may_come_for('+', i);
		may_come_for('-', i);
		may_come_for('~', i);
		if (accepted + judged)
			may_come_for('*', i);
	}
	may_come(r->is_carried ? "x" : "u");
	may_come(">");
	if (judged == count)
		may_come("|");
	if (!r->job->is_open && accepted && judged + accepted == count) {
		may_come(".+");
		may_come(".+");
		may_come(".-");
		may_come(".~");
		may_come("!+");
		may_come("!-");
		may_come("!~");
	}
}

static void gather_house(bool is_near_end)
{
	if (hall.commit) {
		may_come("k+");
		may_come("k-");
	}
	if (hall_has_chunks()) {
		may_come("h+");
		may_come("h+");
		may_come("h-");
	}
	if (is_near_end || chance(4) == 0)
		may_come("t");
	if (!is_near_end)
		may_come(hall.is_hasty ? "]" : "[");
}

static void play_one(void)
{
	const char *event = events[chance(event_count)];

	if (*event != 't')
		client_play(event);
	else if (hall_pass_time() && !hall.is_hasty)
		hall_settle();
}

static void play_some(void)
{
	unsigned steps = chance(STEPS_MOST);

	while (steps--) {
		event_count = 0;
		gather_client();
		gather_relay();
		gather_house(false);
		play_one();
	}
	client_play("]");
}

/* Nothing comes from the client any more; all that is under way ends in some way. */
static void play_to_end(void)
{
	if (client.handoff && !client.has_finished)
		client_drop();
	while (hall.relay.job || hall.commit || hall_has_chunks() || client.handoff) {
		event_count = 0;
		gather_relay();
		gather_house(true);
		play_one();
	}
	hall_settle();
}

/* What must be so at the end */

static const struct hall_heard *heard_of(size_t i)
{
	const struct envelope *e = &hall.queued.envelope;

	for (size_t at = 0; at < e->recipient_count; at++)
		if (e->recipients[at].address[0] == (char)('0' + i))
			return &hall.queued.heard[at];
	return NULL;
}

static void check_stored(size_t i)
{
	const struct hall_heard *heard = heard_of(i);
	const struct hall_truth *truth = &hall.truth[i];

	assert_true(heard || truth->delivered == 1);
	if (heard == NULL) {
		assert_true(hall.offers_dsn || !client.asks_success[i]);
		return;
	}
	assert_true(heard->count <= 1);
	if (truth->delivered)
		assert_true(heard->count == 1 && heard->outcome == RELAY_DELIVERED);
	if (!hall.contents_sent && !hall.may_have_it)
		return;
	if (truth->is_judged)
		assert_true(heard->count == 1 && heard->outcome == truth->last);
	else
		assert_true(heard->count == 0 || heard->is_untried);
}

static void check_not_stored(size_t delivered, size_t refused, size_t in)
{
	enum handoff_outcome outcome = client.outcome;

	if (client.is_dropped)
		assert_true(delivered == in || refused == in || hall.has_failed);
	else if (outcome == HANDOFF_PASSED)
		assert_int_equal(delivered, in);
	else if (outcome == HANDOFF_REFUSED)
		assert_int_equal(refused, in);
	else
		assert_true(outcome == HANDOFF_FAILED && hall.has_failed && delivered < in &&
			    refused < in);
}

static void check_message(void)
{
	size_t delivered = 0, refused = 0, in = 0;

	for (size_t i = 0; i < client.recipients; i++) {
		const struct hall_truth *truth = &hall.truth[i];

		assert_true(client.answers[i].is_told);
		assert_true(truth->delivered <= 1);
		if (!client_is_in(i)) {
			assert_true(truth->delivered == 0 && heard_of(i) == NULL);
			continue;
		}
		in++;
		delivered += truth->delivered;
		refused += truth->is_judged && truth->last == RELAY_REFUSED;
		if (hall.queued.is_there)
			check_stored(i);
	}
	assert_true(client.is_dropped || client.is_done);
	if (client.is_done)
		assert_int_equal(client.outcome == HANDOFF_STORED, hall.queued.is_there);
	if (!hall.queued.is_there)
		check_not_stored(delivered, refused, in);
	if (hall.contents_sent)
		assert_memory_equal(hall.sent.at, client.content.at, client.content.len);
}

static void check_end(void)
{
	assert_true(hall.commits <= 1 && hall.contents_sent <= 1);
	if (client.has_finished) {
		check_message();
		return;
	}
	assert_false(client.is_done || hall.queued.is_there || hall.may_have_it);
	assert_int_equal(hall.commits + hall.contents_sent, 0);
}

static void play_order(void)
{
	state_of_chance = seed * 0x9E3779B97F4A7C15 + 1;
	chance(2);
	hall_open();
	if (chance(8) == 0)
		hall.left = hall.budget = chance(2) * 60;
	hall.holds_chunks = chance(2);
	hall.offers_dsn = chance(2);
	client_open(chance(10) > 0);
	play_some();
	play_to_end();
	check_end();
	hall_close();
}

static unsigned long number_of(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void any_order(void **state)
{
	uint64_t first = number_of("HANDOFF_SEED", 1);

	(void)state;
	for (seed = first; seed < first + number_of("HANDOFF_ORDERS", ORDERS); seed++)
		play_order();
	has_passed = true;
}

static int say_seed(void **state)
{
	(void)state;
	if (!has_passed)
		print_message("HANDOFF_ORDERS=1 HANDOFF_SEED=%lu\n", (unsigned long)seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(any_order, say_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
