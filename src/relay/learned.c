#include "relay/learned.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct relay_learned {
	pthread_mutex_t lock;
	bool is_known;
	struct smtp_client_offers offers;
};

struct relay_learned *relay_learned_new(void)
{
	struct relay_learned *l = mem_new(struct relay_learned);

	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void relay_learned_free(struct relay_learned **learned)
{
	if (*learned == NULL)
		return;
	pthread_mutex_destroy(&(*learned)->lock);
	free(*learned);
	*learned = NULL;
}

bool relay_learned_get(struct relay_learned *learned, struct smtp_client_offers *out)
{
	bool is_known;

	pthread_mutex_lock(&learned->lock);
	is_known = learned->is_known;
	if (is_known)
		*out = learned->offers;
	pthread_mutex_unlock(&learned->lock);
	return is_known;
}

void relay_learned_put(struct relay_learned *learned, const struct smtp_client_offers *offers)
{
	pthread_mutex_lock(&learned->lock);
	learned->offers = *offers;
	learned->is_known = true;
	pthread_mutex_unlock(&learned->lock);
}

void relay_learned_forget(struct relay_learned *learned)
{
	pthread_mutex_lock(&learned->lock);
	learned->is_known = false;
	pthread_mutex_unlock(&learned->lock);
}

struct relay_ability relay_ability(struct relay_learned *const *learned, size_t count)
{
	struct relay_ability a = { .takes_utf8 = true };
	struct smtp_client_offers o;

	for (size_t i = 0; i < count; i++) {
		if (learned[i] == NULL || !relay_learned_get(learned[i], &o))
			continue;
		a.is_known = true;
		a.takes_utf8 &= o.smtputf8;
		a.takes_require_tls |= o.require_tls;
		if (o.size_octets && (a.size_octets == 0 || o.size_octets < a.size_octets))
			a.size_octets = o.size_octets;
	}
	a.takes_require_tls |= !a.is_known;
	return a;
}
