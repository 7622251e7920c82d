/* io_log.c: the log as lines to whoever listens, and a TLS that enciphers nothing. */
#include "io/log.h"

#include "base/mem.h"
#include "io.h"
#include "io/tls.h"

#include <stdlib.h>

void (*io_on_log)(const char *line);

struct log {
	enum log_level most;
};

struct log *log_new(enum log_to to, enum log_level most)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct log *log = mem_new(struct log);

	(void)to;
	log->most = most;
	memory_leave(before);
	return log;
}

void log_free(struct log **log)
{
	free(*log);
	*log = NULL;
}

bool log_wants(const struct log *log, enum log_level level)
{
	return level <= log->most;
}

void log_put(struct log *log, const struct logline *line)
{
	enum owner before = memory_enter(OWNER_WORLD);

	if (log_wants(log, line->level) && io_on_log)
		io_on_log(line->text);
	memory_leave(before);
}

struct tls_trust *tls_trust_ref(struct tls_trust *trust)
{
	return trust;
}

void tls_trust_unref(struct tls_trust **trust)
{
	*trust = NULL;
}
