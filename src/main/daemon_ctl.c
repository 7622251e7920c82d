/* What the control socket asks of the daemon. */
#include "daemon_inside.h"

#include "base/mem.h"

#include <stdlib.h>

static int64_t certificate_expires(void *user)
{
	struct daemon *d = user;

	return tls_identity_expires(d->settings->submit.identity);
}

static bool may_accept(void *user, struct fault *why)
{
	struct daemon *d = user;

	return spool_may_accept(d->spool, why);
}

static bool may_login(void *user, int64_t *since_ms, struct fault *why)
{
	struct daemon *d = user;

	return submit_backend_is_up(d->backend, since_ms, why);
}

static bool is_overloaded(void *user, int64_t *since_ms, uint64_t *refused)
{
	struct daemon *d = user;

	return submit_is_overloaded(d->gate, since_ms, refused);
}

static int read_content(void *user, uint64_t qid, unsigned index, struct buf *out,
			struct fault *fault)
{
	struct daemon *d = user;

	return spool_read(d->spool, qid, index, out, fault);
}

static size_t end_sessions(void *user, const char *account, const char *credential)
{
	struct daemon *d = user;

	return shards_revoke(d->shards, d->shard_count, account, credential);
}

static void tell_last_use(void *user, const char *account,
			  bool (*each)(void *to, const struct ctl_use *use), void *to)
{
	struct daemon *d = user;

	last_use_each(d->last_use, account, each, to);
}

int daemon_open_ctl(struct daemon *d, struct fault *fault)
{
	struct ctl_shard *shards = mem_array(d->shard_count, sizeof(*shards));

	for (unsigned i = 0; i < d->shard_count; i++)
		shards[i] = shard_view(d->shards[i]);
	d->ctl = ctl_open(
		&(struct ctl_conf){
			.loop = d->loop,
			.log = d->log,
			.counters = &d->counters,
			.path = d->settings->conf->control,
			.shards = shards,
			.shard_count = d->shard_count,
			.started_ms = d->started_ms,
			.version = POSTERN_VERSION,
			.certificate_expires = certificate_expires,
			.reload = daemon_reload,
			.may_accept = may_accept,
			.may_login = may_login,
			.is_overloaded = is_overloaded,
			.read_content = read_content,
			.revoke = end_sessions,
			.last_use = tell_last_use,
			.user = d,
		},
		fault);
	free(shards);
	return d->ctl ? 0 : fault->code;
}
