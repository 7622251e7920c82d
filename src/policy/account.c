#include "policy/account.h"

#include <errno.h>

static bool has_control(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] < ' ' || name.at[i] == 127)
			return true;
		/* U+0080 to U+009F in UTF-8. */
		if (name.at[i] == 0xC2 && i + 1 < name.len && name.at[i + 1] < 0xA0)
			return true;
	}
	return false;
}

/* Cyrus SASL takes white space off the ends of a name by itself, so " alice" would be alice to it
 * and somebody else to our limits and our log. */
static bool may_be_name(struct span name)
{
	return name.len > 0 && name.len <= POLICY_ACCOUNT_MAX && span_is_utf8(name) &&
	       !has_control(name) && span_trim(name).len == name.len;
}

static bool is_listed(const char *const *list, size_t count, struct span name)
{
	for (size_t i = 0; i < count; i++)
		if (span_ieq_text(name, list[i]))
			return true;
	return false;
}

static struct span without_nt_domain(const struct policy_account_conf *conf, struct span name)
{
	size_t end = span_find(name, '\\');

	if (end < name.len &&
	    is_listed(conf->nt_domains, conf->nt_domain_count, span_first(name, end)))
		return span_from(name, end + 1);
	return name;
}

static struct span without_domain(const struct policy_account_conf *conf, struct span name)
{
	size_t at = name.len;

	while (at > 0 && name.at[at - 1] != '@')
		at--;
	if (at > 0 && is_listed(conf->domains, conf->domain_count, span_from(name, at)))
		return span_first(name, at - 1);
	return name;
}

int policy_account_name(const struct policy_account_conf *conf, struct span login, struct buf *out)
{
	struct span name;

	if (!may_be_name(login))
		return -EINVAL;
	name = without_domain(conf, without_nt_domain(conf, login));
	if (!may_be_name(name))
		return -EINVAL;
	for (size_t i = 0; i < name.len; i++)
		buf_put_char(out, (char)(conf->ignore_case ? ascii_lower(name.at[i]) : name.at[i]));
	return 0;
}
