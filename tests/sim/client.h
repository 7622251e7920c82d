/* client.h: those who hand messages in, and note what they are told.
 *
 * Shape    clients_begin(how many, over which time) -> each comes, talks, is answered or goes away ->
 *          clients_end
 */
#pragma once

#include <stdint.h>

void clients_begin(unsigned count, int64_t span_ms);
/* The process died, or stops: their talk ends. */
void clients_crash(void);
void clients_leave(void);
/* No more will come. */
void clients_close(void);
/* Those that talk now. */
unsigned clients_talking(void);
void clients_end(void);
