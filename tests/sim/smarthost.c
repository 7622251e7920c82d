#include "smarthost.h"

#include "base/mem.h"
#include "io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct smarthosts smarthosts;
unsigned smarthosts_askers;

static const char *const mood_names[] = {
#define X(name) #name,
	MOODS(X)
#undef X
};

static bool is_down(enum mood mood)
{
	return mood >= MOOD_DEAD;
}

/* One failure for all connections that were in the making when it died, and then one for each pause. */
static unsigned calls_allowed(const struct smarthost *h)
{
	int64_t left = world.now_ms - h->down_ms, pause = h->pause_first_ms;
	unsigned calls = 2;

	while (left > 0) {
		left -= pause * 3 / 4;
		pause = pause * 2 < h->pause_most_ms ? pause * 2 : h->pause_most_ms;
		calls++;
	}
	return (1 + h->hurries) * (h->connections + 2 * smarthosts_askers) +
	       calls * smarthosts_askers;
}

static void check_calls(const struct smarthost *h)
{
	if (is_down(h->mood) && h->calls_in_vain > calls_allowed(h))
		fail("%s was down for %" PRId64 " s and was called %u times; %u were enough",
		     h->name, (world.now_ms - h->down_ms) / 1000, h->calls_in_vain,
		     calls_allowed(h));
}

static void set_mood(struct smarthost *h, enum mood mood)
{
	bool was_down = is_down(h->mood);

	if (was_down && !is_down(mood))
		check_calls(h);
	if (!was_down && is_down(mood)) {
		h->down_ms = world.now_ms;
		h->calls_in_vain = h->hurries = 0;
	}
	tell("%s is %s now", h->name, mood_names[mood]);
	h->mood = mood;
	h->is_silent = mood == MOOD_DEAD && once_in(3);
	if (mood == MOOD_DEAD)
		talks_reset(h);
}

static int64_t mood_length(enum mood mood)
{
	if (is_down(mood))
		return once_in(4) ? pick_between(3600000, 3 * 86400000)
				  : pick_between(1000, 3600000);
	return once_in(3) ? pick_between(3600000, 12 * 3600000) : pick_between(1000, 1800000);
}

static void turn(struct event *event)
{
	struct smarthost *h = event_entry(event, struct smarthost, turn);
	enum mood mood = MOOD_GOOD;

	if (pick(100) < smarthosts.badness)
		mood = (enum mood)pick(MOOD_COUNT);
	if (mood == MOOD_LOCKED && !h->wants_login)
		mood = MOOD_FLAKY;
	set_mood(h, mood);
	event_set(event, mood_length(mood));
}

static void begin(struct smarthost *h, unsigned i)
{
	static const unsigned rates[] = { 0, 0, 0, 1, 5, 30 };

	*h = (struct smarthost){ .port = 587, .turn.fire = turn };
	snprintf(h->name, sizeof(h->name), "host%u", i);
	snprintf(h->host, sizeof(h->host), "mx%u.example.net", i);
	h->tls = (enum smtp_client_tls)pick(3);
	h->wants_login = once_in(2);
	h->connections = (unsigned)pick_between(1, 4);
	h->rate = rates[pick(6)];
	h->pause_first_ms = pick_between(1000, 60000);
	h->pause_most_ms = h->pause_first_ms * pick_between(1, 30);
	h->messages_each = once_in(2) ? 0 : (unsigned)pick_between(1, 5);
	list_init(&h->talks);
	turn(&h->turn);
}

static enum net_call called(const char *host, int port, struct net *net, void **peer_out)
{
	struct smarthost *h = smarthosts.hosts;
	unsigned ours;

	(void)port;
	while (strcmp(h->host, host) != 0)
		h++;
	h->calls_in_vain++;
	tell("%s is called", h->name);
	if (h->mood == MOOD_DEAD)
		return h->is_silent ? NET_SILENT : NET_REFUSED;
	ours = talks_of_process(h);
	if (ours + 1 > h->connections)
		fail("%s has %u connections at once, of %u allowed", h->name, ours + 1,
		     h->connections);
	*peer_out = talk_new(h, net);
	return NET_CONNECTED;
}

void smarthosts_begin(void)
{
	smarthosts = (struct smarthosts){ .count = (unsigned)pick_between(1, SMARTHOSTS_MOST),
					  .badness = (unsigned)pick_between(0, 80) };
	net_ops = (struct net_ops){ .called = called,
				    .connected = talk_connected,
				    .octets = talk_octets,
				    .secure = talk_secure,
				    .ended = talk_free };
	for (unsigned i = 0; i < smarthosts.count; i++)
		begin(&smarthosts.hosts[i], i);
}

void smarthosts_behave(void)
{
	smarthosts.is_good = true;
	for (unsigned i = 0; i < smarthosts.count; i++) {
		event_clear(&smarthosts.hosts[i].turn);
		set_mood(&smarthosts.hosts[i], MOOD_GOOD);
	}
}

void smarthosts_hurried(void)
{
	for (unsigned i = 0; i < smarthosts.count; i++)
		smarthosts.hosts[i].hurries++;
}

static int compare_sent(const void *a, const void *b)
{
	const struct sent *x = a, *y = b;

	if (x->life != y->life)
		return x->life < y->life ? -1 : 1;
	return (x->begun_ms > y->begun_ms) - (x->begun_ms < y->begun_ms);
}

/* A new process knows nothing of what the one before it sent. */
static void check_rate(struct smarthost *h)
{
	/* What was sent within a minute may arrive a little closer together. */
	const int64_t minute = 60000 - NET_LATENCY_MOST;

	if (h->sent_count)
		qsort(h->sent, h->sent_count, sizeof(*h->sent), compare_sent);
	for (unsigned i = h->rate; h->rate && i < h->sent_count; i++) {
		const struct sent *first = &h->sent[i - h->rate], *last = &h->sent[i];

		if (first->life == last->life && last->begun_ms - first->begun_ms < minute) {
			fail("%s got %u messages within %" PRId64 " ms, of %u a minute: %" PRId64
			     " to %" PRId64,
			     h->name, h->rate + 1, last->begun_ms - first->begun_ms, h->rate,
			     first->begun_ms, last->begun_ms);
			return;
		}
	}
}

void smarthosts_judge(void)
{
	for (unsigned i = 0; i < smarthosts.count; i++)
		check_rate(&smarthosts.hosts[i]);
}

void smarthosts_end(void)
{
	for (unsigned i = 0; i < smarthosts.count; i++) {
		struct smarthost *h = &smarthosts.hosts[i];

		event_clear(&h->turn);
		talks_reset(h);
		free(h->sent);
	}
}
