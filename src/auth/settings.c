#include "settings.h"

#include "base/mem.h"

#include <stdlib.h>

static char *text_of(struct span s)
{
	return mem_text_n(s.at, s.len);
}

static size_t texts_of(char **texts, const struct span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++)
		texts[i] = text_of(spans[i]);
	return count;
}

void settings_init(struct settings *s, const struct auth_hello *hello)
{
	size_t domains, nt_domains;

	*s = (struct settings){
		.backend = hello->backend,
		.users_file = text_of(hello->users_file),
		.saslauthd_socket = text_of(hello->saslauthd_socket),
		.sasldb_file = text_of(hello->sasldb_file),
		.realm = text_of(hello->realm),
		.hostname = text_of(hello->hostname),
		.mechanisms = text_of(hello->mechanisms),
		.cache_seconds = hello->cache_seconds,
		.keytab = text_of(hello->keytab),
		.app_passwords = hello->app_passwords,
	};
	domains = texts_of(s->domains, hello->domains, hello->domain_count);
	nt_domains = texts_of(s->nt_domains, hello->nt_domains, hello->nt_domain_count);
	/* Those back ends are asked for "alice" in the realm; "alice@realm" is then no other
	 * account. */
	if (hello->backend != AUTH_BACKEND_USERS && hello->realm.len)
		s->domains[domains++] = text_of(hello->realm);
	s->account = (struct policy_account_conf){
		.domains = (const char *const *)s->domains,
		.domain_count = domains,
		.nt_domains = (const char *const *)s->nt_domains,
		.nt_domain_count = nt_domains,
		.ignore_case = hello->ignore_case,
	};
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->account.domain_count; i++)
		free(s->domains[i]);
	for (size_t i = 0; i < s->account.nt_domain_count; i++)
		free(s->nt_domains[i]);
	free(s->users_file);
	free(s->saslauthd_socket);
	free(s->sasldb_file);
	free(s->realm);
	free(s->hostname);
	free(s->mechanisms);
	free(s->keytab);
	*s = (struct settings){ 0 };
}

static bool names(const struct settings *s, struct span mechanism)
{
	struct span rest = span_text(s->mechanisms);

	while (rest.len) {
		size_t end = span_find(rest, ' ');

		if (span_ieq(span_first(rest, end), mechanism))
			return true;
		rest = span_from(rest, end + 1);
	}
	return false;
}

bool settings_allow(const struct settings *s, const char *mechanism)
{
	static const char plus[] = "-PLUS";
	struct span name = span_text(mechanism);

	if (names(s, name))
		return true;
	return name.len >= sizeof(plus) &&
	       span_ieq_text(span_from(name, name.len - (sizeof(plus) - 1)), plus) &&
	       names(s, span_first(name, name.len - (sizeof(plus) - 1)));
}
