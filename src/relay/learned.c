#include "relay/learned.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* `ability` is what each MAIL asks for, in one word that is read without the lock: the largest size that
 * is told, and flags. */
#define KNOWN (UINT64_C(1) << 63)
#define UTF8 (UINT64_C(1) << 62)
#define REQUIRES_TLS (UINT64_C(1) << 61)
#define SIZE (REQUIRES_TLS - 1)

struct relay_learned {
	_Atomic uint64_t ability;
	pthread_mutex_t lock;
	struct smtp_client_offers offers;
};

static uint64_t ability_of(const struct smtp_client_offers *o)
{
	return KNOWN | (o->smtputf8 ? UTF8 : 0) | (o->require_tls ? REQUIRES_TLS : 0) |
	       (o->size_octets < SIZE ? o->size_octets : SIZE);
}

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

bool relay_learned_is_known(const struct relay_learned *learned)
{
	return atomic_load_explicit(&learned->ability, memory_order_relaxed) != 0;
}

bool relay_learned_get(struct relay_learned *learned, struct smtp_client_offers *out)
{
	bool is_known;

	pthread_mutex_lock(&learned->lock);
	is_known = relay_learned_is_known(learned);
	if (is_known)
		*out = learned->offers;
	pthread_mutex_unlock(&learned->lock);
	return is_known;
}

void relay_learned_put(struct relay_learned *learned, const struct smtp_client_offers *offers)
{
	pthread_mutex_lock(&learned->lock);
	learned->offers = *offers;
	atomic_store_explicit(&learned->ability, ability_of(offers), memory_order_relaxed);
	pthread_mutex_unlock(&learned->lock);
}

void relay_learned_forget(struct relay_learned *learned)
{
	pthread_mutex_lock(&learned->lock);
	atomic_store_explicit(&learned->ability, 0, memory_order_relaxed);
	pthread_mutex_unlock(&learned->lock);
}

struct relay_ability relay_ability(struct relay_learned *const *learned, size_t count)
{
	struct relay_ability a = { .takes_utf8 = true };

	for (size_t i = 0; i < count; i++) {
		uint64_t of = learned[i] ? atomic_load_explicit(&learned[i]->ability,
								memory_order_relaxed)
					 : 0;
		uint64_t size = of & SIZE;

		if (of == 0)
			continue;
		a.is_known = true;
		a.takes_utf8 &= (of & UTF8) != 0;
		a.takes_require_tls |= (of & REQUIRES_TLS) != 0;
		if (size && (a.size_octets == 0 || size < a.size_octets))
			a.size_octets = size;
	}
	a.takes_require_tls |= !a.is_known;
	return a;
}
