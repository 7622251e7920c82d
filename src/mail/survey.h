/* mail/survey.h: what a survey found, for those who act on it.
 *
 * Shape    mail_survey_new() ... mail_survey_end() (mail/convert.h) -> the parts
 */
#pragma once

#include "facts.h"
#include "field.h"
#include "walk.h"

struct mail_part {
	unsigned parent;
	bool is_message; /* its header section is a message's */
	struct mail_head head;
	struct mail_facts body; /* of a multipart: what stands before and behind its parts */
	bool is_last;		/* the content ends with octets of its body */

	/* Of its header section, but for octets and the like facts of all fields together. */
	bool has_8bit, has_long, has_binary;
	bool is_unwritable; /* an address cannot be written in ASCII */
	uint64_t growth;    /* in octets, at most, where its fields are written anew */
};

struct mail_survey {
	bool is_binary;
	uint64_t octets;
	struct mail_part *parts;
	unsigned count, room;

	/* private */
	struct mail_walk *walk;
	unsigned part; /* whose header section it is */
	enum mail_field_class kind;
	bool is_dirty; /* the last piece of a field was to be written anew */
	unsigned body; /* whose body the last octets were of, */
	bool has_body; /* if they were of any */
	struct buf scratch;
};
