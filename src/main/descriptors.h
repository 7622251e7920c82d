/* main/descriptors.h: how many of the files that this process may open are for clients.
 *
 * Clients are strangers, as many as like to come. What they leave is for the spool, for smarthosts,
 * login workers and posternctl, so that a crowd of them does not stop the mail that is here.
 */
#pragma once

#include "conf/conf.h"

/* The soft limit to the hard one. */
void descriptors_raise(void);
/* At least 1. */
long descriptors_for_sessions(const struct conf *conf, unsigned loops);
