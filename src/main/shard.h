/* main/shard.h: one session loop and all that lives on it: listeners, sessions, queue, relay.
 *
 * Shape    shard_new -> shard_recover... -> shard_serve, shard_listen -> shard_start ->
 *          shard_renew... -> shard_stop -> shard_free
 * Thread   built on the main thread; from shard_start() on, all calls here only post to its loop
 * Owns     its loop and everything on it
 */
#pragma once

#include "ctl/ctl.h"
#include "io/worker.h"
#include "settings.h"
#include "smarthost_login.h"

struct shard;

struct shard_conf {
	unsigned index;
	struct loop *main_loop;
	struct log *log;
	struct counters *counters;
	struct lane *lookups, *reads, *sasl;
	struct worker_pool_conf logins; /* of this shard's own pool */
	struct submit_gate *gate;
	struct submit_backend *backend;
	/* As in struct submit_conf. */
	void (*used)(void *user, const char *account, const char *credential, const char *address);
	void *user;
	struct settings *settings;
	_Atomic uint64_t *next_sid;
	_Atomic int64_t *memory;
};

struct shard *shard_new(const struct shard_conf *conf);
/* While the spool is being opened. */
int shard_recover(struct shard *shard, const struct spool_found *found);
/* The spool is open: messages may go and sessions come. Without it the shard can only be stopped. */
void shard_serve(struct shard *shard, struct spool *spool);
/* Takes fd over. */
void shard_listen(struct shard *shard, int fd, const struct conf_listen *listen);
void shard_start(struct shard *shard);
/* Not after shard_stop(). renewed() on the main loop, once whoever comes to this shard has them. */
void shard_renew(struct shard *shard, struct settings *settings, void (*renewed)(void *user),
		 void *user);
/* Ends sessions of all shards as submit_revoke() does, and waits until that is done, ten seconds at most:
 * never from a loop. Not after shard_stop(). Returns how many were ended till then. */
size_t shards_revoke(struct shard *const *shards, unsigned count, const char *account,
		     const char *credential);
/* No new sessions; those within a message get grace_ms; then queue and relay finish or park what is
 * under way. stopped() on the main loop. */
void shard_stop(struct shard *shard, int64_t grace_ms, void (*stopped)(void *user), void *user);
/* After stopped(); ends the thread. */
void shard_free(struct shard **shard);
struct loop *shard_loop(struct shard *shard);
struct ctl_shard shard_view(struct shard *shard);
