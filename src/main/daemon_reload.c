#include "daemon_inside.h"

#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

static bool same_listens(const struct conf *a, const struct conf *b)
{
	if (a->listen_count != b->listen_count)
		return false;
	for (size_t i = 0; i < a->listen_count; i++) {
		const struct conf_listen *x = &a->listens[i], *y = &b->listens[i];

		if (strcmp(x->name, y->name) != 0 || strcmp(x->address, y->address) != 0 ||
		    x->port != y->port)
			return false;
	}
	return true;
}

static bool same_logins(const struct conf_login *a, const struct conf_login *b)
{
	return a->workers == b->workers && a->waiting == b->waiting &&
	       a->deadline_ms == b->deadline_ms;
}

static bool same_process(const struct conf *a, const struct conf *b)
{
	return a->loops == b->loops && strcmp(a->user, b->user) == 0 &&
	       strcmp(a->login_user, b->login_user) == 0 && strcmp(a->control, b->control) == 0 &&
	       a->limits.memory_octets == b->limits.memory_octets && a->log.to == b->log.to &&
	       a->log.level == b->log.level;
}

/* What cannot change while we run keeps its value, and the log says so. */
static void warn_about_fixed(struct daemon *d, const struct conf *old, const struct conf *new)
{
	struct fault fault;

	if (same_listens(old, new) && same_process(old, new) &&
	    same_logins(&old->login, &new->login) &&
	    strcmp(old->queue.directory, new->queue.directory) == 0 &&
	    old->queue.reserve_octets == new->queue.reserve_octets)
		return;
	fault_set(&fault, 0,
		  "the names, addresses and ports of listen sections, loops, user, login_user, "
		  "control, log, limits.memory, "
		  "login.workers, login.waiting, login.deadline, queue.directory and "
		  "queue.reserve change only with a restart");
	daemon_log_fault(d, LOG_LEVEL_WARN, "reload-incomplete", &fault);
}

/* All loops have the newest settings that were accepted. */
static void tell_if_ready(const struct daemon *d)
{
	if (d->renewals == 0 && !d->is_stopping)
		sd_notify(0, "READY=1");
}

/* Whoever comes from then on has the new settings, whichever loop it comes to. */
static void on_renewed(void *user)
{
	struct daemon *d = user;

	if (--d->renewals > 0)
		return;
	tell_if_ready(d);
	daemon_log_event(d, "reloaded");
}

int daemon_reload(void *user, struct fault *fault)
{
	struct daemon *d = user;
	struct settings *settings = NULL, *old = d->settings;
	struct conf *conf;

	if (d->is_stopping)
		return fault_set(fault, -ECANCELED, "the daemon is stopping");
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, loop_now_ms(d->loop) * 1000);
	conf = load_conf(d->file, fault);
	if (conf)
		settings = settings_load(conf, d->limits, fault);
	if (settings == NULL) {
		tell_if_ready(d);
		daemon_log_fault(d, LOG_LEVEL_ERROR, "reload-refused", fault);
		return fault->code ? fault->code : -EINVAL;
	}
	warn_about_fixed(d, old->conf, settings->conf);
	open_ports_tell(d->ports, settings);
	d->settings = settings;
	settings_adopt(settings);
	d->renewals += d->shard_count;
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_renew(d->shards[i], settings, on_renewed, d);
	settings_unref(&old);
	return 0;
}

static void reload_once(struct work *work)
{
	struct daemon *d = work_entry(work, struct daemon, reload);
	struct fault fault = { 0 };

	d->is_reload_due = false;
	daemon_reload(d, &fault);
}

/* Many at once are one: each would read all files, and a SIGTERM behind them wait for that. */
void daemon_reload_soon(struct daemon *d)
{
	if (d->is_reload_due)
		return;
	d->is_reload_due = true;
	d->reload.run = reload_once;
	loop_post(d->loop, &d->reload);
}
