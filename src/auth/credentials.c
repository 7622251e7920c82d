#include "credentials.h"

#include <errno.h>

/* RFC 4616 section 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd, none of them with a NUL.
 */
static const char *read_plain(const struct span *responses, struct credentials *out)
{
	struct span rest = responses[0];
	size_t nul = span_find(rest, '\0');

	if (nul == rest.len)
		return "PLAIN without a NUL";
	out->authzid = span_first(rest, nul);
	rest = span_from(rest, nul + 1);
	nul = span_find(rest, '\0');
	if (nul == rest.len)
		return "PLAIN with one NUL only";
	out->authcid = span_first(rest, nul);
	out->password = span_from(rest, nul + 1);
	return NULL;
}

static const char *read_login(const struct span *responses, struct credentials *out)
{
	out->authcid = responses[0];
	out->password = responses[1];
	return NULL;
}

static const struct {
	const char *name;
	const char *(*read)(const struct span *responses, struct credentials *out);
} readers[] = { { "PLAIN", read_plain }, { "LOGIN", read_login } };

static const char *read_by(const struct auth_mech *mech, const struct auth_request *request,
			   struct credentials *out)
{
	if (request->response_count != mech->challenge_count)
		return "not as many responses as the mechanism asks for";
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(readers[i].name, mech->name) == 0)
			return readers[i].read(request->responses, out);
	return "no reader for the mechanism";
}

int credentials_read(const struct auth_mech *mech, const struct auth_request *request,
		     struct credentials *out, const char **reason_out)
{
	*out = (struct credentials){ 0 };
	*reason_out = read_by(mech, request, out);
	if (*reason_out == NULL && out->authcid.len > AUTH_NAME_OCTETS_MAX)
		*reason_out = "the name is longer than 255 octets";
	/* A back end that takes the password as C text would compare the part before it only. */
	if (*reason_out == NULL && span_find(out->password, '\0') < out->password.len)
		*reason_out = "a NUL in the password";
	return *reason_out ? -EINVAL : 0;
}
