#include "plan.h"

#include "admin.h"
#include "client.h"
#include "daemon.h"
#include "io.h"
#include "ledger.h"
#include "smarthost.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000 };

enum { STEPS_MOST = 3000000 };

static struct {
	struct plan *plan;
	struct event misfortune, calm, start, heal, blow;
	int64_t pause_ms;
	enum sim_end end; /* how this life ends when the disk says so */
	bool is_calm, has_stopped, has_troubled_disk, has_faults_by_call, is_final;
} now;

/* The disk */

static void end_trouble(struct event *event)
{
	(void)event;
	the_daemon.disk.capacity = 0;
	if (!now.has_faults_by_call)
		ledger_trouble(false);
	tell("the disk has room again");
}

static void fill_disk(void)
{
	the_daemon.disk.capacity = sim_disk_used(&the_daemon.disk) + pick(20000) + 1;
	event_set(&now.heal, pick_skewed(6 * HOUR_MS));
	ledger_trouble(true);
	tell("the disk is full");
}

static void spoil_disk(void)
{
	struct sim_disk *disk = &the_daemon.disk;

	disk->fault = (enum sim_fault)pick_between(SIM_EIO, SIM_SHORT);
	disk->fault_at = disk->calls + 1 + pick(20);
	disk->fault_calls = 1 + pick(once_in(4) ? 40 : 3);
	now.has_faults_by_call = now.has_troubled_disk = true;
	ledger_trouble(true);
	tell("the disk will fail: %d", (int)disk->fault);
}

static void look_at_disk(void)
{
	const struct sim_disk *disk = &the_daemon.disk;

	if (!now.has_faults_by_call || disk->calls < disk->fault_at + disk->fault_calls)
		return;
	now.has_faults_by_call = false;
	if (disk->capacity == 0)
		ledger_trouble(false);
	tell("the disk fails no more");
}

/* The process */

static void start(struct event *event)
{
	now.has_troubled_disk = false;
	now.end = (enum sim_end)pick(SIM_ENDS);
	if (the_daemon.life == 0 && now.plan->cut_at) {
		the_daemon.disk.cut_at = now.plan->cut_at;
		now.end = now.plan->cut_end;
	} else if (the_daemon.life && !now.is_calm && once_in(4)) {
		the_daemon.disk.cut_at = 1 + pick(40);
	}
	if (daemon_start())
		return;
	daemon_crash(now.end == SIM_KILL && now.has_troubled_disk ? SIM_CUT_SOME : now.end);
	event_set(event, pick_between(100, 60000));
}

static void forget_faults(void)
{
	/* A restart sets the disk's count of calls to 0. */
	if (now.has_faults_by_call && the_daemon.disk.capacity == 0)
		ledger_trouble(false);
	now.has_faults_by_call = false;
}

static void crash(void)
{
	enum sim_end end = now.end;

	/* Where a cut after a failed sync failed too, a kill leaves a cache that cannot be told from
	 * what is stored. */
	if (end == SIM_KILL && now.has_troubled_disk)
		end = SIM_CUT_SOME;
	if (the_daemon.life == 1)
		now.plan->calls = the_daemon.disk.calls;
	ledger_crashed();
	clients_crash();
	admin_crash();
	the_daemon.disk.is_dead = true;
	daemon_crash(end);
	forget_faults();
	event_set(&now.start,
		  once_in(4) ? pick_between(1000, 2 * HOUR_MS) : pick_between(100, 5000));
}

/* The power went while it closed its spool: nobody is left to say that it has stopped. */
static void die_at_the_end(void)
{
	ledger_crashed();
	clients_crash();
	admin_crash();
	sim_disk_restart(&the_daemon.disk, now.end == SIM_KILL ? SIM_CUT_SOME : now.end);
	forget_faults();
	event_set(&now.start, pick_between(100, 5000));
}

static void on_stopped(void)
{
	if (the_daemon.life == 1)
		now.plan->calls = the_daemon.disk.calls;
	now.has_stopped = true;
	ledger_stopped();
	if (admin_crash())
		fail("an order was never answered");
	forget_faults();
	if (!now.is_final)
		event_set(&now.start, pick_between(100, 5000));
}

static void stop(void)
{
	clients_leave();
	daemon_stop(on_stopped);
}

static void blow(struct event *event)
{
	(void)event;
	if (the_daemon.is_up && !the_daemon.is_stopping && !now.is_calm)
		crash();
}

void plan_tempt(unsigned n)
{
	if (!now.is_calm && once_in(n) && !event_is_set(&now.blow))
		event_set(&now.blow, pick_skewed(1500));
}

/* Misfortunes */

static void jump_clock(void)
{
	ledger_clock_jumps();
	world.wall_offset_ms += pick_between(-9 * HOUR_MS, 9 * HOUR_MS);
	tell("the wall clock jumps");
}

static void strike(void)
{
	bool is_up = the_daemon.is_up && !the_daemon.is_stopping;

	switch (pick(16)) {
	case 0:
	case 1:
		if (is_up)
			crash();
		break;
	case 2:
	case 3:
		if (is_up)
			the_daemon.disk.cut_at = the_daemon.disk.calls + 1 + pick(30);
		break;
	case 4:
		if (is_up && !now.has_troubled_disk)
			stop();
		break;
	case 5:
		if (is_up && once_in(2))
			spoil_disk();
		break;
	case 6:
		if (once_in(2))
			fill_disk();
		break;
	case 7:
		jump_clock();
		break;
	case 8:
	case 9:
		admin_look();
		break;
	default:
		admin_act();
	}
}

static void misfortune(struct event *event)
{
	event_set(event, pick_between(0, 2 * now.pause_ms));
	strike();
}

static void become_calm(struct event *event)
{
	(void)event;
	tell("it is calm from now on");
	now.is_calm = true;
	event_clear(&now.misfortune);
	event_clear(&now.heal);
	event_clear(&now.blow);
	clients_close();
	smarthosts_behave();
	the_daemon.disk.capacity = 0;
	the_daemon.disk.fault_at = the_daemon.disk.cut_at = 0;
	now.has_faults_by_call = false;
	ledger_trouble(false);
	admin_release_all();
}

/* The run */

static void begin(struct plan *plan)
{
	static const unsigned crowds[] = { 1, 1, 2, 3, 4, 6, 10, 30 };
	int64_t span_ms;

	now = (typeof(now)){ .plan = plan };
	world_begin(plan->seed, plan->is_verbose);
	world.wall_offset_ms = pick_between(0, 1000 * (int64_t)HOUR_MS);
	ledger_begin();
	smarthosts_begin();
	daemon_begin();
	span_ms = once_in(8)   ? pick_between(HOUR_MS, 72 * HOUR_MS)
		  : once_in(2) ? pick_between(10 * MINUTE_MS, HOUR_MS)
			       : pick_between(5000, 10 * MINUTE_MS);
	clients_begin(crowds[pick(8)], span_ms * 3 / 4);
	now.pause_ms = span_ms / pick_between(1, 12);
	now.misfortune.fire = misfortune;
	now.calm.fire = become_calm;
	now.start.fire = start;
	now.heal.fire = end_trouble;
	now.blow.fire = blow;
	event_set(&now.start, 0);
	event_set(&now.misfortune, pick_between(0, 2 * now.pause_ms));
	event_set(&now.calm, span_ms);
}

static void step(void)
{
	world_step();
	if (the_daemon.disk.is_dead && the_daemon.is_up)
		crash();
	else if (the_daemon.disk.is_dead && !event_is_set(&now.start))
		die_at_the_end();
	look_at_disk();
	daemon_look();
}

static bool is_idle(void)
{
	return now.is_calm && the_daemon.is_up && !the_daemon.is_stopping && daemon_length() == 0 &&
	       !daemon_is_sending() && clients_talking() == 0;
}

/* A message, and the notice about it, may each take as long as a message may wait. */
static void run_until_empty(void)
{
	int64_t most_ms = INT64_MAX;

	while (!is_idle() && world.now_ms < most_ms && world.steps < STEPS_MOST) {
		step();
		if (now.is_calm && most_ms == INT64_MAX)
			most_ms = world.now_ms + 3 * the_daemon.queue.expire_ms + 24 * HOUR_MS +
				  ledger_future_ms();
	}
	if (is_idle())
		return;
	fail("the queue is not empty: %zu messages are left, %lu steps", daemon_length(),
	     world.steps);
}

static void run_until_stopped(void)
{
	int64_t most_ms;

	/* Lazy writes have gone out by then. */
	for (most_ms = world.now_ms + 5000; world.now_ms < most_ms;)
		step();
	now.is_final = true;
	now.has_stopped = false;
	stop();
	most_ms = world.now_ms + 10 * MINUTE_MS;
	while (!now.has_stopped && world.now_ms < most_ms)
		step();
	if (!now.has_stopped)
		fail("the daemon does not stop");
	else if (daemon_spool_count() != 0)
		fail("the spool is not empty: %ld", daemon_spool_count());
}

static void finish(void)
{
	clients_end();
	admin_crash();
	if (!now.has_stopped) {
		the_daemon.disk.is_dead = true;
		daemon_crash(SIM_CUT_SOME);
	}
	event_clear(&now.misfortune);
	event_clear(&now.calm);
	event_clear(&now.start);
	event_clear(&now.heal);
	event_clear(&now.blow);
	smarthosts_end();
	ledger_end();
	daemon_end();
	/* What still flows to nobody frees itself. */
	while (world_step())
		;
	world_end();
}

bool plan_run(struct plan *plan)
{
	bool is_good;

	begin(plan);
	run_until_empty();
	if (is_idle())
		run_until_stopped();
	if (now.has_stopped) {
		ledger_judge();
		smarthosts_judge();
	}
	is_good = world.failures == 0;
	finish();
	return is_good;
}
