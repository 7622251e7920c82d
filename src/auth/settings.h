/* auth/settings.h (private): what the hello said, as text of our own.
 *
 * Owns     all it points to
 */
#pragma once

#include "auth/frame.h"
#include "policy/account.h"

struct settings {
	enum auth_backend backend;
	char *users_file, *saslauthd_socket, *sasldb_file, *realm, *hostname, *mechanisms, *keytab;
	char *domains[AUTH_NAMES_MAX + 1], *nt_domains[AUTH_NAMES_MAX];
	struct policy_account_conf account;
	uint32_t cache_seconds;
	enum auth_app_passwords app_passwords;
};

void settings_init(struct settings *s, const struct auth_hello *hello);
void settings_fini(struct settings *s);
/* Whether the configuration allows the mechanism. SCRAM-SHA-256 brings SCRAM-SHA-256-PLUS. */
bool settings_allow(const struct settings *s, const char *mechanism);
