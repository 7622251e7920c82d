#include "daemon_inside.h"

#include "auth/frame.h"
#include "base/mem.h"
#include "base/require.h"
#include "descriptors.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

/* Threads of the lanes. Look-ups may hang in a resolver; SASL wants to be alone. */
enum { LOOKUP_THREADS = 2, READ_THREADS = 2, SASL_THREADS = 1 };

/* How long clients may take to finish a message when the daemon stops. */
enum { GRACE_MS = 10 * 1000 };

unsigned daemon_loops(const struct conf *conf)
{
	return conf->loops > 0 ? (unsigned)conf->loops : loop_processors();
}

void daemon_log_fault(struct daemon *d, enum log_level level, const char *event,
		      const struct fault *fault)
{
	struct logline l;

	logline_start(&l, level, event);
	logline_text(&l, "reason", fault->text);
	log_put(d->log, &l);
}

void daemon_log_event(struct daemon *d, const char *event)
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
	daemon_log_fault(user, LOG_LEVEL_ERROR, "spool-damage", what);
}

static void on_worker_trouble(void *user, const struct fault *fault)
{
	daemon_log_fault(user, LOG_LEVEL_ERROR, "login-worker", fault);
}

static unsigned share(long all, unsigned loops)
{
	return ((unsigned)all + loops - 1) / loops;
}

/* Two where there is more than one: a slow login must not hold up all others of its loop. */
static unsigned workers_of_loop(long all, unsigned loops)
{
	unsigned dealt = share(all, loops);

	return all > 1 && dealt < 2 ? 2 : dealt;
}

/* Each loop asks workers of its own: a login wakes no third thread. */
static struct worker_pool_conf logins_conf(struct daemon *d, unsigned loops)
{
	const struct conf_login *c = &d->settings->conf->login;

	return (struct worker_pool_conf){
		.spawner = d->spawner,
		.hello = buf_span(&d->settings->hello),
		.most = workers_of_loop(c->workers, loops),
		.waiting = share(c->waiting, loops),
		.deadline_ms = c->deadline_ms,
		.answer_octets = AUTH_ANSWER_OCTETS_MAX,
		.trouble = on_worker_trouble,
		.user = d,
	};
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
		daemon_log_fault(d, LOG_LEVEL_WARN, "last-use-unread", &fault);
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
			.logins = logins_conf(d, loops),
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

		require(bound->loop < d->shard_count);
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
	daemon_log_event(d, "stopping");
	/* What it asked of a loop is posted there already, and so runs before that loop's end begins. */
	if (d->ctl)
		ctl_close(&d->ctl);
	for (unsigned i = 0; i < d->shard_count; i++)
		shard_stop(d->shards[i], GRACE_MS, on_shard_stopped, d);
}

/* Logins would fail until somebody noticed; a service manager starts us anew. */
static void look_at_spawner(struct daemon *d)
{
	struct fault fault;

	if (d->is_stopping || !worker_spawner_has_ended(d->spawner))
		return;
	fault_set(&fault, -ECHILD, "the process that starts login workers has ended");
	daemon_log_fault(d, LOG_LEVEL_ERROR, "spawner-lost", &fault);
	d->exit_code = EX_OSERR;
	stop(d);
}

static void on_signal(void *user, int signum)
{
	if (signum == SIGHUP)
		daemon_reload_soon(user);
	else if (signum == SIGCHLD)
		look_at_spawner(user);
	else
		stop(user);
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
	daemon_log_fault(d, LOG_LEVEL_WARN, "few-descriptors", &fault);
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
	static const int signums[DAEMON_SIGNALS] = { SIGHUP, SIGTERM, SIGINT, SIGCHLD };
	struct loop **loops = mem_array(d->shard_count, sizeof(*loops));

	for (unsigned i = 0; i < DAEMON_SIGNALS; i++)
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
	daemon_log_fault(d, LOG_LEVEL_ERROR, "start-failed", fault);
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
	d->ports = open_ports_look(conf->sockets);
	open_ports_tell(d->ports, d->settings);
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
	if (status < 0 || daemon_open_ctl(d, fault) < 0)
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
	for (unsigned i = 0; i < DAEMON_SIGNALS; i++)
		if (d->signals[i])
			loop_signal_free(&d->signals[i]);
	last_use_saver_stop(d->last_use_saver);
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
		daemon_log_event(d, "stopped");
		log_free(&d->log);
	}
	settings_unref(&d->settings);
	smarthost_limits_free(&d->limits);
	open_ports_free(&d->ports);
	free(d);
}
