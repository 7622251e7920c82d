/* main/settings.h: a configuration with everything loaded that it names.
 *
 * Shape    settings_load(conf) -> handed to sessions (as struct submit_settings) and relays ->
 *          freed with the last reference
 * Thread   read-only once loaded; references are atomic
 * Errors   a fault with the file and line of the section, and the words of what failed
 */
#pragma once

#include "auth/frame.h"
#include "conf/conf.h"
#include "smarthost_limits.h"
#include "relay/relay.h"
#include "submit/submit.h"

struct settings {
	struct submit_settings submit; /* first: what sessions hold */
	struct conf *conf;
	struct tls_trust **trusts; /* one a smarthost, NULL where nothing is verified */
	struct secret *passwords;
	struct relay_smarthost *smarthosts;
	struct buf hello;	       /* for login workers */
	struct submit_listen *listens; /* their networks, trusts and texts are ours */
	struct relay_learned **learned;
};

/* Takes conf over, also on failure. Certificates, keys, CA and password files are read now, by the
 * user that we are. One reference is the caller's. */
struct settings *settings_load(struct conf *conf, struct smarthost_limits *limits,
			       struct fault *fault);
/* Who checks passwords. */
enum auth_backend settings_backend(const struct conf *conf);
/* What login workers must know, into an empty buf. -E2BIG: more than a frame can say. */
int settings_hello(const struct conf *conf, struct buf *out, struct fault *fault);
/* They are in force from now on: sets how many connections each smarthost may have. */
void settings_adopt(struct settings *settings);
void settings_unref(struct settings **settings);
