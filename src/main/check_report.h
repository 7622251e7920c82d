/* main/check_report.h: how the checks tell what they find.
 *
 * Shape    one line a finding; a fault makes the configuration unusable, a warning does not
 * Thread   within the process of one check
 */
#pragma once

#include "conf/conf.h"

#include <stdio.h>

#define CHECK_WARNING "warning: "

struct check_report {
	FILE *out;
	unsigned faults;
};

void check_fault(struct check_report *report, const struct conf_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void check_warn(struct check_report *report, const struct conf_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* check_login.c: what a login worker needs. A back end that is down is no reason not to start: it may
 * come up later, and until then nobody can log in. */
void check_login(const struct conf *conf, struct check_report *report);
