/* base/work.h: something to be run later, perhaps on another thread.
 *
 * Shape    a link and a function; it sits inside the object that the function works on
 * Owns     nothing; the object lives until run() has been called
 */
#pragma once

#include "base/list.h"

struct work {
	struct work *next;
	void (*run)(struct work *work);
};

/* Hands `work` to the thread that `home` stands for, where run() is called once. Callable from any
 * thread; never calls run() itself. */
typedef void (*work_post)(void *home, struct work *work);

#define work_entry(work, type, member) list_entry(work, type, member)
