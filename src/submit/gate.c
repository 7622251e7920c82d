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
};

struct visitor {
	struct gate_address address;
	long open;
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

enum gate_verdict gate_enter(struct submit_gate *gate, const struct gate_address *address,
			     long sessions, long sessions_per_address)
{
	enum gate_verdict verdict = GATE_OPEN;
	struct visitor *v;

	pthread_mutex_lock(&gate->lock);
	v = map_get(&gate->addresses, key_of(address));
	if (gate->open >= sessions || gate->open >= gate->most) {
		verdict = GATE_FULL;
	} else if (v && v->open >= sessions_per_address) {
		verdict = GATE_ADDRESS_FULL;
	} else {
		if (v == NULL) {
			v = mem_new(struct visitor);
			v->address = *address;
			map_put(&gate->addresses, key_of(&v->address), v);
		}
		v->open++;
		gate->open++;
	}
	pthread_mutex_unlock(&gate->lock);
	return verdict;
}

void gate_leave(struct submit_gate *gate, const struct gate_address *address)
{
	struct visitor *v;

	pthread_mutex_lock(&gate->lock);
	v = map_get(&gate->addresses, key_of(address));
	require(v != NULL && v->open > 0);
	gate->open--;
	if (--v->open == 0) {
		map_remove(&gate->addresses, key_of(address));
		free(v);
	}
	pthread_mutex_unlock(&gate->lock);
}
