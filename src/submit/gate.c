#include "submit/submit.h"

#include "gate.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/require.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

struct submit_gate {
	pthread_mutex_t lock;
	struct map addresses; /* by gate_address: struct visitor */
	long open, most;
	struct gate_episode episode;
};

struct visitor {
	struct gate_address address;
	long open;
	long strangers; /* of those, who have not logged in */
};

struct submit_gate *submit_gate_new(uint64_t seed, long most)
{
	struct submit_gate *gate = mem_new(struct submit_gate);

	require(pthread_mutex_init(&gate->lock, NULL) == 0);
	map_init(&gate->addresses, seed);
	gate->most = most;
	return gate;
}

void submit_gate_free(struct submit_gate **gate)
{
	if (*gate == NULL)
		return;
	require((*gate)->open == 0);
	map_fini(&(*gate)->addresses);
	pthread_mutex_destroy(&(*gate)->lock);
	free(*gate);
	*gate = NULL;
}

/* A client of IPv6 has a whole /64 to choose addresses from: that is what counts as one. */
void gate_address_parse(const char *text, struct gate_address *out)
{
	unsigned char six[16];

	*out = (struct gate_address){ 0 };
	if (inet_pton(AF_INET6, text, six) == 1)
		memcpy(out->octets, six, sizeof(out->octets));
	else
		require(inet_pton(AF_INET, text, out->octets) == 1 || text[0] == '\0');
}

static struct span key_of(const struct gate_address *address)
{
	return span_of(address->octets, sizeof(address->octets));
}

static enum gate_verdict judge(const struct submit_gate *gate, const struct visitor *v,
			       const struct gate_limits *limits)
{
	if (gate->open >= limits->sessions || gate->open >= gate->most)
		return GATE_FULL;
	if (v && v->open >= limits->sessions_per_address)
		return GATE_ADDRESS_FULL;
	if (v && limits->strangers_per_address && v->strangers >= limits->strangers_per_address)
		return GATE_BUSY;
	return GATE_OPEN;
}

static struct visitor *visitor_new(struct submit_gate *gate, const struct gate_address *address)
{
	struct visitor *v = mem_new(struct visitor);

	v->address = *address;
	map_put(&gate->addresses, key_of(&v->address), v);
	return v;
}

enum gate_verdict gate_enter(struct submit_gate *gate, const struct gate_address *address,
			     const struct gate_limits *limits)
{
	enum gate_verdict verdict;
	struct visitor *v;

	pthread_mutex_lock(&gate->lock);
	v = map_get(&gate->addresses, key_of(address));
	verdict = judge(gate, v, limits);
	if (verdict == GATE_OPEN) {
		if (v == NULL)
			v = visitor_new(gate, address);
		v->open++;
		v->strangers++;
		gate->open++;
	}
	pthread_mutex_unlock(&gate->lock);
	return verdict;
}

void gate_know(struct submit_gate *gate, const struct gate_address *address)
{
	struct visitor *v;

	pthread_mutex_lock(&gate->lock);
	v = map_get(&gate->addresses, key_of(address));
	require(v != NULL && v->strangers > 0);
	v->strangers--;
	pthread_mutex_unlock(&gate->lock);
}

void gate_leave(struct submit_gate *gate, const struct gate_address *address, bool is_known)
{
	struct visitor *v;

	pthread_mutex_lock(&gate->lock);
	v = map_get(&gate->addresses, key_of(address));
	require(v != NULL && v->open > 0 && (is_known || v->strangers > 0));
	gate->open--;
	v->strangers -= !is_known;
	if (--v->open == 0) {
		map_remove(&gate->addresses, key_of(address));
		free(v);
	}
	pthread_mutex_unlock(&gate->lock);
}

bool gate_episode_add(struct submit_gate *gate, int64_t now_ms, int64_t wall_ms, uint64_t sid)
{
	struct gate_episode *e = &gate->episode;
	bool is_new;

	pthread_mutex_lock(&gate->lock);
	is_new = e->sid == 0;
	if (is_new)
		*e = (struct gate_episode){
			.sid = sid, .since_ms = now_ms, .last_ms = now_ms, .since_wall_ms = wall_ms
		};
	e->refused++;
	if (now_ms > e->last_ms) /* the loops' clocks differ by what their turns take */
		e->last_ms = now_ms;
	pthread_mutex_unlock(&gate->lock);
	return is_new;
}

struct gate_episode gate_episode_now(struct submit_gate *gate)
{
	struct gate_episode now;

	pthread_mutex_lock(&gate->lock);
	now = gate->episode;
	pthread_mutex_unlock(&gate->lock);
	return now;
}

int64_t gate_episode_end(struct submit_gate *gate, int64_t now_ms, int64_t quiet_ms,
			 struct gate_episode *ended)
{
	struct gate_episode *e = &gate->episode;
	int64_t left;

	pthread_mutex_lock(&gate->lock);
	left = quiet_ms ? e->last_ms + quiet_ms - now_ms : 0;
	if (left <= 0) {
		*ended = *e;
		*e = (struct gate_episode){ 0 };
	}
	pthread_mutex_unlock(&gate->lock);
	return left > 0 ? left : 0;
}
