/* io.h: what the simulation does with the fake io room: a process is born, dies, or ends in order.
 *
 * io_loop.c    loops, timers, clocks, random octets
 * io_lane.c    lanes
 * io_stream.c  streams and dialling, over net.h
 * io_log.c     the log, and what there is of TLS
 */
#pragma once

#include "io/loop.h"
#include "world.h"

/* A new process: its monotonic clock begins anew. */
void io_begin(unsigned life);
/* Nothing of it runs any more. Power: not even its kernel says goodbye. */
void io_crash(bool is_power_cut);
/* What is still there after an orderly end: streams, deadlines, posted work, lane jobs. */
size_t io_left(void);

/* Jumps with the steps of an administrator or of NTP. */
int64_t io_wall_ms(void);

/* Each log line. */
extern void (*io_on_log)(const char *line);

/* For the files of the fake room. */
extern unsigned io_life;
void io_loops_crash(void);
void io_lanes_crash(void);
void io_streams_crash(bool is_power_cut);
size_t io_loops_left(void);
size_t io_lanes_left(void);
size_t io_streams_left(void);
