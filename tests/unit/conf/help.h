/* tests/unit/conf/help.h: texts to build configurations from. */
#pragma once

#include "conf/conf.h"

#include "test.h"

#define LISTEN "listen \"submission\" { port = 587 }\n"
#define CERTIFICATE "certificate \"relay\" { chain = \"/t/chain.pem\" key = \"/t/key.pem\" }\n"
#define SMARTHOST "smarthost \"main\" { host = \"smtp.example.net\" }\n"
/* Three lines: all that must be given on a machine with a full name. */
#define NEEDED LISTEN CERTIFICATE SMARTHOST

#define MACHINE "relay.corp.example.com"

static inline struct conf *parse_texts(const struct conf_text *texts, size_t count,
				       struct fault *fault)
{
	*fault = (struct fault){ 0 };
	return conf_parse(texts, count, MACHINE, fault);
}

/* One text that must be fine. */
static inline struct conf *parse_good(const char *text)
{
	struct fault fault;
	struct conf *conf = parse_texts(&(struct conf_text){ "a.conf", text }, 1, &fault);

	if (conf == NULL)
		fail_msg("%s", fault.text);
	return conf;
}
