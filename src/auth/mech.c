#include "auth/mech.h"

static const struct auth_mech mechs[] = {
	{ .name = "PLAIN", .needs_password = true, .challenges = { "" }, .challenge_count = 1 },
	/* Outlook Express knows no other wording than this one. */
	{ .name = "LOGIN",
	  .needs_password = true,
	  .challenges = { "Username:", "Password:" },
	  .challenge_count = 2 },
};

const char auth_mech_names[] = "PLAIN LOGIN";

const struct auth_mech *auth_mech_find(struct span name)
{
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++)
		if (span_ieq_text(name, mechs[i].name))
			return &mechs[i];
	return NULL;
}
