#include "auth/mech.h"

static const struct auth_mech mechs[] = {
	{ .name = "PLAIN", .needs_password = true, .challenges = { "" }, .challenge_count = 1 },
	/* Outlook Express knows no other wording than this one. */
	{ .name = "LOGIN",
	  .needs_password = true,
	  .challenges = { "Username:", "Password:" },
	  .challenge_count = 2 },
	{ .name = "EXTERNAL",
	  .needs_certificate = true,
	  .challenges = { "" },
	  .challenge_count = 1 },
	{ .name = "SCRAM-SHA-256", .kind = AUTH_MECH_CONVERSATION, .needs_password = true },
	{ .name = "SCRAM-SHA-256-PLUS",
	  .kind = AUTH_MECH_CONVERSATION,
	  .needs_binding = true,
	  .needs_password = true },
	{ .name = "CRAM-MD5",
	  .kind = AUTH_MECH_CONVERSATION,
	  .is_server_first = true,
	  .needs_password = true },
	{ .name = "GSSAPI", .kind = AUTH_MECH_CONVERSATION },
};

const char auth_mech_names[] =
	"PLAIN LOGIN EXTERNAL SCRAM-SHA-256 SCRAM-SHA-256-PLUS CRAM-MD5 GSSAPI";

const struct auth_mech *auth_mech_find(struct span name)
{
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++)
		if (span_ieq_text(name, mechs[i].name))
			return &mechs[i];
	return NULL;
}

const char *auth_mech_flaw(struct span name, enum auth_backend backend)
{
	const struct auth_mech *mech = auth_mech_find(name);

	if (mech == NULL)
		return "not a mechanism that can be offered; there are PLAIN, LOGIN, "
		       "SCRAM-SHA-256, "
		       "CRAM-MD5, EXTERNAL and GSSAPI";
	if (span_istarts(name, "SCRAM-") && backend != AUTH_BACKEND_USERS)
		return "SCRAM needs verifiers of all passwords, which only the users file has: "
		       "take "
		       "it out of login.mechanisms, or set login.backend = users";
	if (span_istarts(name, "CRAM-") && backend == AUTH_BACKEND_USERS)
		return "CRAM-MD5 needs passwords in clear, and the users file keeps hashes: take "
		       "it "
		       "out of login.mechanisms, or set login.backend = sasldb";
	if (span_istarts(name, "CRAM-") && backend != AUTH_BACKEND_SASLDB)
		return "CRAM-MD5 needs passwords in clear, which saslauthd does not give: take it "
		       "out "
		       "of login.mechanisms, or set login.backend = sasldb";
	return NULL;
}

struct span auth_mech_binding(struct span response)
{
	struct span flag = span_first(response, span_find(response, ','));

	if (flag.len == response.len || flag.len < 2 || flag.at[0] != 'p' || flag.at[1] != '=')
		return span_of(NULL, 0);
	return span_from(flag, 2);
}
