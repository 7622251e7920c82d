#include "checker.h"

#include "base/mem.h"

/* The next name that can be an account's, into `out`. */
static bool next_account(const struct checker *c, struct span *names, struct buf *out)
{
	while (names->len) {
		size_t end = span_find(*names, '\0');
		struct span name = span_first(*names, end);

		*names = span_from(*names, end + 1);
		buf_clear(out);
		if (policy_account_name(&c->settings.account, name, out) == 0)
			return true;
	}
	buf_clear(out);
	return false;
}

/* The first name of an account that may log in. */
static enum auth_verdict find_account(struct checker *c, struct span names)
{
	size_t said = strlen(c->detail);
	enum auth_verdict verdict = AUTH_WRONG;

	while (next_account(c, &names, &c->account)) {
		c->detail[said] = '\0';
		verdict = checker_admit(c, buf_span(&c->account));
		if (verdict != AUTH_WRONG)
			return verdict;
	}
	c->detail[said] = '\0';
	checker_say(c, "the client certificate has no name of an account");
	return AUTH_WRONG;
}

/* RFC 4422 appendix A: the response is the authorization identity, or empty. */
enum auth_verdict checker_external(struct checker *c, const struct auth_request *request)
{
	enum auth_verdict verdict;

	if (request->response_count != 1) {
		checker_say(c, "not as many responses as the mechanism asks for");
		return AUTH_MALFORMED;
	}
	if (request->names.len == 0) {
		checker_say(c, "no client certificate came with the connection");
		return AUTH_WRONG;
	}
	verdict = find_account(c, request->names);
	if (verdict != AUTH_OK)
		return verdict;
	return checker_may_act(c, request->responses[0], buf_span(&c->account)) ? AUTH_OK
										: AUTH_WRONG;
}
