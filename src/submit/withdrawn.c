#include "withdrawn.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool withdrawn_is(const char *account, const char *credential, const char *own_account,
		  const char *own_credential)
{
	return strcmp(account, own_account) == 0 &&
	       (credential == NULL || strcmp(credential, own_credential) == 0);
}

static void forget(struct withdrawn *w, size_t i)
{
	free(w->last[i].account);
	free(w->last[i].credential);
}

void withdrawn_add(struct withdrawn *w, const char *account, const char *credential)
{
	size_t i = w->count++ % WITHDRAWN_MOST;

	forget(w, i);
	w->last[i].account = mem_text(account);
	w->last[i].credential = credential ? mem_text(credential) : NULL;
}

bool withdrawn_hit(const struct withdrawn *w, uint64_t since, const char *account,
		   const char *credential)
{
	if (w->count - since > WITHDRAWN_MOST)
		return true;
	for (; since < w->count; since++) {
		size_t i = since % WITHDRAWN_MOST;

		if (withdrawn_is(w->last[i].account, w->last[i].credential, account, credential))
			return true;
	}
	return false;
}

void withdrawn_fini(struct withdrawn *w)
{
	for (size_t i = 0; i < WITHDRAWN_MOST; i++)
		forget(w, i);
}
