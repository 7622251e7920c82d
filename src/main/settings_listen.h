/* main/settings_listen.h: what a listener offers, and what it needs loaded for that.
 *
 * Shape    settings_listen_load() fills a struct submit_listen; _fini() releases what is in it
 * Errors   a fault with the section's file and line that names the fix, where what is offered could not
 *          be done
 */
#pragma once

#include "submit/submit.h"

int settings_listen_load(const struct tls_identity *identity, const struct conf *conf,
			 const struct conf_listen *listen, struct submit_listen *out,
			 struct fault *fault);
void settings_listen_fini(struct submit_listen *listen);
/* Whatever any listener offers, for login workers: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN". */
void settings_all_mechanisms(const struct conf *conf, struct buf *out);
