/* src/conf/table.h: the one table of every section and key.
 *
 * Shape    conf_sections[] holds its keys; from it come the options of libconfuse, the defaults, the
 *          checks of single values, the sample, the manual and `posternd --show-config`
 * Thread   constant
 */
#pragma once

#include "conf/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_TEXT,
	CONF_LIST,	/* of texts, each of which passes `judge` */
	CONF_DURATIONS, /* a list of them, each from `least` to `most` */
	CONF_WORD,	/* one of `words` */
	CONF_YESNO,
	CONF_NUMBER,
	CONF_DURATION,
	CONF_SIZE,
};

static inline bool conf_is_list(enum conf_type type)
{
	return type == CONF_LIST || type == CONF_DURATIONS;
}

struct conf_word {
	const char *text;
	long value;
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t at, width;    /* the field in the section's struct */
	const char *preset;  /* as it would be written; NULL: must be given */
	const char *example; /* what the sample gives, and where the preset says nothing */
	bool is_shown;	     /* the sample gives it, where others stand as comments */
	bool is_derived;     /* where it is not given, others tell the value */
	int64_t least, most; /* numbers, durations in ms, sizes */
	const struct conf_word *words; /* ends with text NULL */
	/* NULL: fine; otherwise what is accepted. */
	const char *(*judge)(const char *value);
	const char *help;
};

enum conf_kind {
	CONF_TOP,    /* keys outside of any section */
	CONF_SINGLE, /* name { ... } */
	CONF_MANY,   /* name "title" { ... }, any number */
};

/* Where an array of sections and its length stand in struct conf, and in each the name and place.
 */
struct conf_array {
	size_t at, count;
	size_t name;
};

struct conf_section {
	const char *name;
	enum conf_kind kind;
	size_t at;    /* CONF_TOP, CONF_SINGLE: the struct in struct conf */
	size_t width; /* of the struct */
	struct conf_array array;
	size_t place;		     /* of the struct conf_place in it; SIZE_MAX: none */
	const struct conf_key *keys; /* ends with name NULL */
	const char *help;
	const char *title; /* the title in the sample */
	const char *more;  /* further text for the sample */
};

extern const struct conf_section conf_sections[];
extern const size_t conf_section_count;

/* What a single text may be; NULL, or what is accepted. */
const char *conf_judge_path(const char *value);
const char *conf_judge_path_or_none(const char *value);
const char *conf_judge_key_file(const char *value);
const char *conf_judge_socket(const char *value);
const char *conf_judge_hostname(const char *value);
const char *conf_judge_domain(const char *value);
const char *conf_judge_domain_or_none(const char *value);
const char *conf_judge_nt_domain(const char *value);
const char *conf_judge_address(const char *value);
const char *conf_judge_host(const char *value);
const char *conf_judge_company(const char *value);
const char *conf_judge_system_user(const char *value);
const char *conf_judge_login(const char *value);
const char *conf_judge_mechanism(const char *value);
const char *conf_judge_account(const char *value);
const char *conf_judge_footer(const char *value);
const char *conf_judge_network(const char *value);
const char *conf_judge_title(const char *value);
