/* Certificates made at test time: an authority and what it signed, in a directory of their own. */
#pragma once

#include "test.h"

#include "io/tls.h"

struct certificates {
	char dir[64];
	char ca[96]; /* the authority */
	struct tls_pair ecdsa, rsa,
		alone; /* localhost, 127.0.0.1; `alone` signed itself, other.test */
	char names[6][96];
};

/* Once for a whole program; removed by certificates_remove(). */
void certificates_make(struct certificates *c);
void certificates_remove(struct certificates *c);
