#include "daemon.h"

#include "auth/frame.h"
#include "base/mem.h"
#include "descriptors.h"
#include "last_use_saver.h"
#include "load.h"
#include "shard.h"
#include "watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Threads of the lanes. Look-ups may hang in a resolver; SASL wants to be alone. */
enum { LOOKUP_THREADS = 2, READ_THREADS = 2, SASL_THREADS = 1 };

/* How long clients may take to finish a message when the daemon stops. */
enum { GRACE_MS = 10 * 1000 };

enum { SIGNALS = 4 };

struct daemon {
	const char *file;
	struct settings *settings; /* the current one */
	struct smarthost_limits *limits;
	struct log *log;
	struct counters counters;
	struct loop *loop;
	struct lane *lookups, *reads, *sasl;
	struct spool *spool;
	struct worker_spawner *spawner;
	struct worker_pool *logins;
	struct submit_gate *gate;
	struct submit_backend *backend;
	struct watchdog *watchdog;
	struct last_use *last_use;
	struct last_use_saver *last_use_saver;
	struct ctl *ctl;
	struct shard **shards;
	unsigned shard_count, shards_running;
	_Atomic uint64_t next_sid;
	_Atomic int64_t memory;
	int64_t started_ms;
	struct loop_signal *signals[SIGNALS];
	unsigned next_shard; /* for the next recovered message */
	unsigned recovered;
	bool is_stopping;
	int exit_code;
};

unsigned daemon_loops(const struct conf *conf)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (conf->loops > 0)
		return (unsigned)conf->loops;
	return processors > 0 ? (unsigned)processors : 1;
}

static void log_fault(struct daemon *d, enum log_level level, const char *event,
		      const struct fault *fault)
{
	struct logline l;

	logline_start(&l, level, event);
	logline_text(&l, "reason", fault->text);
	log_put(d->log, &l);
}

static void log_event(struct daemon *d, const char *event)
{
	struct logline l;

	logline_start(&l, LOG_LEVEL_INFO, event);
	log_put(d->log, &l);
}

static void log_ready(struct daemon *d)
{
	struct logline l;

	logline_start(&l, LOG_LEVEL_INFO, "ready");
	logline_text(&l, "version", POSTERN_VERSION);
	logline_number(&l, "recovered", d->recovered);
	log_put(d->log, &l);
}

static void on_found(void *user, const struct spool_found *message)
{
	struct daemon *d = user;
	struct logline l;

	if (shard_recover(d->shards[d->next_shard++ % d->shard_count], message) == 0) {
		d->recovered++;
		return;
	}
	logline_start(&l, LOG_LEVEL_ERROR, "unreadable-envelope");
	logline_id(&l, "qid", message->id);
	log_put(d->log, &l);
}

static void on_damaged(void *user, const struct fault *what)
{
	log_fault(user, LOG_LEVEL_ERROR, "spool-damage", what);
}

static void on_worker_trouble(void *user, const struct fault *fault)
{
	log_fault(user, LOG_LEVEL_ERROR, "login-worker", fault);
}

static struct worker_pool *make_logins(struct daemon *d)
{
	const struct conf_login *c = &d->settings->conf->login;

	return worker_pool_new(d->loop, &(struct worker_pool_conf){
						.spawner = d->spawner,
						.hello = buf_span(&d->settings->hello),
						.most = (unsigned)c->workers,
						.waiting = (unsigned)c->waiting,
						.deadline_ms = c->deadline_ms,
						.answer_octets = AUTH_ANSWER_OCTETS_MAX,
						.trouble = on_worker_trouble,
						.user = d,
					});
}

static int open_spool(struct daemon *d, struct fault *fault)
{
	const struct conf *c = d->settings->conf;

	d->spool = spool_open(
		&(struct spool_conf){
			.dir = c->queue.directory,
			.reserve_octets = (uint64_t)c->queue.reserve_octets,
			.post = loop_post_home,
			.counters = &d->counters,
			.wall_ms = wall_now_ms,
			.found = on_found,
			.damaged = on_damaged,
			.user = d,
		},
		fault);
	return d->spool ? 0 : fault->code;
}

/* Beside the spool, whose directory is there now. */
static void start_last_use(struct daemon *d)
{
	struct fault fault = { 0 };

	if (last_use_read(d->last_use, &fault) < 0)
		log_fault(d, LOG_LEVEL_WARN, "last-use-unread", &fault);
	d->last_use_saver = last_use_saver_start(d->loop, d->log, d->last_use);
}

static void make_shards(struct daemon *d, unsigned loops)
{
	d->shards = mem_array(loops, sizeof(*d->shards));
	d->shard_count = loops;
	for (unsigned i = 0; i < loops; i++)
		d->shards[i] = shard_new(&(struct shard_conf){
			.index = i,
			.main_loop = d->loop,
			.log = d->log,
			.counters = &d->counters,
			.lookups = d->lookups,
			.reads = d->reads,
			.sasl = d->sasl,
			.logins = d->logins,
			.gate = d->gate,
			.backend = d->backend,
			.used = last_use_put,
			.user = d->last_use,
			.settings = d->settings,
			.next_sid = &d->next_sid,
			.memory = &d->memory,
		});
}

static void open_doors(struct daemon *d, struct sockets *sockets)
{
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_serve(d->shards[i], d->spool);
	for (size_t i = 0; i < sockets->count; i++) {
		struct socket_bound *bound = &sockets->at[i];

		shard_listen(d->shards[bound->loop], bound->fd, bound->listen);
		bound->fd = -1;
	}
}

static void on_shard_stopped(void *user)
{
	struct daemon *d = user;

	if (--d->shards_running == 0)
		loop_stop(d->loop);
}

static void stop(struct daemon *d)
{
	if (d->is_stopping)
		return;
	d->is_stopping = true;
	sd_notify(0, "STOPPING=1");
	log_event(d, "stopping");
	/* What it asked of a loop is posted there already, and so runs before that loop's end begins. */
	if (d->ctl)
		ctl_close(&d->ctl);
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_stop(d->shards[i], GRACE_MS, on_shard_stopped, d);
}

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
		  "the names, addresses and ports of listen sections, loops, user, login_user, control, log, limits.memory, "
		  "login.workers, login.waiting, login.deadline, queue.directory and "
		  "queue.reserve change only with a restart");
	log_fault(d, LOG_LEVEL_WARN, "reload-incomplete", &fault);
}

static int reload(void *user, struct fault *fault)
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
	sd_notify(0, "READY=1");
	if (settings == NULL) {
		log_fault(d, LOG_LEVEL_ERROR, "reload-refused", fault);
		return fault->code ? fault->code : -EINVAL;
	}
	warn_about_fixed(d, old->conf, settings->conf);
	d->settings = settings;
	settings_adopt(settings);
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_renew(d->shards[i], settings);
	worker_pool_renew(d->logins, buf_span(&settings->hello));
	settings_unref(&old);
	log_event(d, "reloaded");
	return 0;
}

/* Logins would fail until somebody noticed; a service manager starts us anew. */
static void look_at_spawner(struct daemon *d)
{
	struct fault fault;

	if (d->is_stopping || !worker_spawner_has_ended(d->spawner))
		return;
	fault_set(&fault, -ECHILD, "the process that starts login workers has ended");
	log_fault(d, LOG_LEVEL_ERROR, "spawner-lost", &fault);
	d->exit_code = EX_OSERR;
	stop(d);
}

static void on_signal(void *user, int signum)
{
	struct fault fault = { 0 };

	if (signum == SIGHUP)
		reload(user, &fault);
	else if (signum == SIGCHLD)
		look_at_spawner(user);
	else
		stop(user);
}

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

static int read_content(void *user, uint64_t qid, unsigned index, struct buf *out,
			struct fault *fault)
{
	struct daemon *d = user;

	return spool_read(d->spool, qid, index, out, fault);
}

static size_t end_sessions(void *user, const char *account, const char *credential)
{
	struct daemon *d = user;
	size_t ended = 0;

	for (unsigned i = 0; i < d->shard_count; i++)
		ended += shard_revoke(d->shards[i], account, credential);
	return ended;
}

static void tell_last_use(void *user, const char *account,
			  bool (*each)(void *to, const struct ctl_use *use), void *to)
{
	struct daemon *d = user;

	last_use_each(d->last_use, account, each, to);
}

static int open_ctl(struct daemon *d, struct fault *fault)
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
			.reload = reload,
			.may_accept = may_accept,
			.may_login = may_login,
			.read_content = read_content,
			.revoke = end_sessions,
			.last_use = tell_last_use,
			.user = d,
		},
		fault);
	free(shards);
	return d->ctl ? 0 : fault->code;
}

static void warn_about_descriptors(struct daemon *d, unsigned loops)
{
	long most = descriptors_for_sessions(d->settings->conf, loops);
	struct fault fault;

	if (most >= d->settings->conf->limits.sessions)
		return;
	fault_set(&fault, 0,
		  "limits.sessions is %ld, but this process may open too few files for more "
		  "than %ld; raise LimitNOFILE",
		  d->settings->conf->limits.sessions, most);
	log_fault(d, LOG_LEVEL_WARN, "few-descriptors", &fault);
}

static void start_threads(struct daemon *d, struct worker_spawner *spawner, unsigned loops)
{
	uint64_t seed;

	random_fill(&seed, sizeof(seed));
	d->loop = loop_new("main");
	d->lookups = lane_new("lookups", LOOKUP_THREADS);
	d->reads = lane_new("spool-reads", READ_THREADS);
	d->sasl = lane_new("sasl-client", SASL_THREADS);
	d->gate = submit_gate_new(seed, descriptors_for_sessions(d->settings->conf, loops));
	d->backend = submit_backend_new();
	warn_about_descriptors(d, loops);
	d->spawner = spawner;
	d->logins = make_logins(d);
	d->memory = d->settings->conf->limits.memory_octets;
	/* Greater than those of an earlier run, so that a log of years has each sid once. */
	d->next_sid = (uint64_t)d->started_ms << 16;
}

void daemon_hold_reloads(bool is_held)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	pthread_sigmask(is_held ? SIG_BLOCK : SIG_UNBLOCK, &hangup, NULL);
}

static void start_shards(struct daemon *d)
{
	static const int signums[SIGNALS] = { SIGHUP, SIGTERM, SIGINT, SIGCHLD };
	struct loop **loops = mem_array(d->shard_count, sizeof(*loops));

	for (unsigned i = 0; i < SIGNALS; i++)
		d->signals[i] = loop_signal_watch(d->loop, signums[i], on_signal, d);
	daemon_hold_reloads(false);
	for (unsigned i = 0; i < d->shard_count; i++) {
		shard_start(d->shards[i]);
		loops[i] = shard_loop(d->shards[i]);
	}
	d->shards_running = d->shard_count;
	d->watchdog = watchdog_start(d->loop, loops, d->shard_count);
	free(loops);
}

/* What runs already is stopped as at any other time. */
static void give_up(struct daemon *d, const struct fault *fault)
{
	if (d->shards_running == 0)
		return;
	log_fault(d, LOG_LEVEL_ERROR, "start-failed", fault);
	stop(d);
	daemon_run(d);
}

struct daemon *daemon_open(const struct daemon_conf *conf, struct fault *fault)
{
	struct daemon *d = mem_new(struct daemon);
	int status;

	d->file = conf->file;
	d->started_ms = wall_now_ms();
	d->limits = smarthost_limits_new();
	d->settings = settings_load(conf->conf, d->limits, fault);
	if (d->settings == NULL)
		goto fail;
	settings_adopt(d->settings);
	d->log = log_new((enum log_to)d->settings->conf->log.to,
			 (enum log_level)d->settings->conf->log.level);
	start_threads(d, conf->spawner, conf->loops);
	d->last_use = last_use_new(d->settings->conf->queue.directory, LAST_USE_MOST);
	make_shards(d, conf->loops);
	status = open_spool(d, fault);
	if (status == 0) {
		start_last_use(d);
		open_doors(d, conf->sockets);
	}
	start_shards(d);
	if (status < 0 || open_ctl(d, fault) < 0)
		goto fail;
	sd_notify(0, "READY=1\nSTATUS=Serving");
	log_ready(d);
	look_at_spawner(d); /* before the signal was watched */
	return d;
fail:
	give_up(d, fault);
	daemon_close(&d);
	return NULL;
}

int daemon_run(struct daemon *d)
{
	loop_run(d->loop);
	return d->exit_code;
}

/* Lanes and spool still hand results to the loops: they end before these do. */
void daemon_close(struct daemon **daemon)
{
	struct daemon *d = *daemon;

	*daemon = NULL;
	if (d->ctl)
		ctl_close(&d->ctl);
	watchdog_stop(d->watchdog);
	daemon_hold_reloads(true);
	for (unsigned i = 0; i < SIGNALS; i++)
		if (d->signals[i])
			loop_signal_free(&d->signals[i]);
	last_use_saver_stop(d->last_use_saver);
	if (d->logins)
		worker_pool_free(&d->logins);
	lane_free(&d->sasl);
	lane_free(&d->reads);
	lane_free(&d->lookups);
	if (d->spool)
		spool_close(&d->spool);
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_free(&d->shards[i]);
	free(d->shards);
	if (d->loop)
		loop_free(&d->loop);
	watchdog_free(&d->watchdog);
	last_use_saver_free(&d->last_use_saver);
	last_use_free(&d->last_use);
	submit_gate_free(&d->gate);
	submit_backend_free(&d->backend);
	if (d->log) {
		log_event(d, "stopped");
		log_free(&d->log);
	}
	settings_unref(&d->settings);
	smarthost_limits_free(&d->limits);
	free(d);
}
