#include "help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Each text is refused with these words at their start. */
struct refused {
	const char *name, *text, *fault;
};

static const struct refused syntax[] = {
	{ "brace missing", "\nlogin {\nrealm = \"x\"\n", "a.conf:2: \"{\" is not closed" },
	{ "list brace missing", "login {\ndomains = { \"x.example\"\n",
	  "a.conf:2: \"{\" is not closed" },
	{ "brace too many", "login { } }", "a.conf:1: \"}\" without" },
	{ "section in section", "login {\n limits { } }", "a.conf:2: \"{\" cannot stand here" },
	{ "quote open", "company = \"x\nloops = 1\n", "a.conf:1: the quotation mark" },
	{ "quote open at the end", "company = 'x", "a.conf:1: the quotation mark" },
	{ "backslash at the end", "company = \"x\\", "a.conf:1: a backslash" },
	{ "escape", "company = \"a\\nb\"", "a.conf:1: a backslash" },
	{ "comment open", "loops = 1\n/* x\n\n", "a.conf:2: this comment is not closed" },
	{ "environment", "company = \"${HOME}\"", "a.conf:1: ${...}" },
	{ "star", "loops = *", "a.conf:1: \"*\" must stand in double quotes" },
	{ "utf-8 outside of quotes", "company = \xc3\xbc", "a.conf:1: what is not ASCII" },
	{ "control character", "loops = 1\n\001", "a.conf:2: a control character (0x01)" },
	{ "lone CR", "loops = 1\rloops = 2", "a.conf:1: a control character (0x0d)" },
	{ "append", "login { domains += { \"a.example\" } }", "a.conf:1: \"+=\"" },
	{ "no value", "company =\n\n= 3", "a.conf:3: unexpected token" },
	{ "no equal sign", "loops 3", "a.conf:1: missing equal sign" },
	{ "value for a section", "\nlogin = 3", "a.conf:2: missing opening brace" },
	{ "title missing", "listen { }", "a.conf:1: missing title" },
	{ "end in a value", "loops =", "a.conf:1: premature end" },
	{ "a list for one value", "loops = { 1, 2 }", "a.conf:1: unexpected token" },
};

static const struct refused keys[] = {
	{ "near", "hostnam = \"x\"",
	  "a.conf:1: unknown key \"hostnam\": did you mean \"hostname\"? accepted "
	  "here: hostname, company," },
	{ "near, in a section", "/* a\n\n */\nlisten \"x\" {\n# x\n\tprot = 1\n}",
	  "a.conf:6: unknown key \"prot\" in section listen: did you mean \"port\"? accepted here: "
	  "address, port, tls" },
	{ "near a section", "smarthosts \"a\" { }",
	  "a.conf:1: unknown key \"smarthosts\": did you mean \"smarthost\"?" },
	{ "elsewhere", "\nmessage_size = 1M",
	  "a.conf:2: unknown key \"message_size\": it belongs into "
	  "section limits;" },
	{ "at the top", "log { trace = full }",
	  "a.conf:1: unknown key \"trace\" in section log: it "
	  "belongs outside of any section; accepted here: to, level" },
	{ "include", "include(\"/etc/passwd\")",
	  "a.conf:1: unknown key \"include\": further files go "
	  "into conf.d" },
	{ "path of libconfuse", "\"login|realm\" = \"x\"", "a.conf:1: unknown key" },
	{ "upper case", "Loops = 1", "a.conf:1: unknown key \"Loops\": did you mean \"loops\"?" },
	{ "given twice", "loops = 1\n\nloops = 2",
	  "a.conf:3: loops is given twice; the first stands in line 1" },
	{ "list given twice", "login { domains = \"a.example\"\n domains = \"b.example\" }",
	  "a.conf:2: domains is given twice; the first stands in line 1" },
};

#define TEN "1234567890"

static const struct refused values[] = {
	{ "word", "\nlog { level = loud }",
	  "a.conf:2: log.level = \"loud\" is not accepted; use error, "
	  "warn, info, debug" },
	{ "hand-off", "queue { handoff = proxy }",
	  "a.conf:1: queue.handoff = \"proxy\" is not accepted; use hybrid, queue" },
	{ "one of a list of durations", "queue { retry = { 1m,\n5 } }",
	  "a.conf:2: queue.retry = \"5\" is not accepted; use a list, as { 1m, 5m, 1h }, of "
	  "durations from 100ms to 7d" },
	{ "yes or no", "limits { refuse_bare_lf = maybe }",
	  "a.conf:1: limits.refuse_bare_lf = \"maybe\" is not accepted; use yes, no" },
	{ "number", "loops = many", "a.conf:1: loops = \"many\" is not accepted; use 0 to 256" },
	{ "negative", "loops = -1", "a.conf:1: loops = \"-1\"" },
	{ "empty", "loops = \"\"", "a.conf:1: loops = \"\"" },
	{ "fraction", "loops = 1.5", "a.conf:1: loops" },
	{ "too large", "loops = 257", "a.conf:1: loops" },
	{ "beyond 64 bits", "loops = 18446744073709551617", "a.conf:1: loops" },
	{ "beyond 63 bits", "loops = 9223372036854775808", "a.conf:1: loops" },
	{ "port", "listen \"x\" {\n\nport = 65536 }",
	  "a.conf:3: listen.port = \"65536\" is not accepted; "
	  "use 0 to 65535" },
	{ "smarthost port 0", "smarthost \"x\" { port = 0 }", "a.conf:1: smarthost.port" },
	{ "duration without unit", "queue { expire = 30 }",
	  "a.conf:1: queue.expire = \"30\" is not accepted; use a duration, as 500ms, 30s, 5m, 4h "
	  "or "
	  "2d, from 100ms to 30d" },
	{ "duration of unknown unit", "queue { expire = 1w }", "a.conf:1: queue.expire" },
	{ "duration without number", "queue { expire = d }", "a.conf:1: queue.expire" },
	{ "duration of zero", "queue { expire = 0 }", "a.conf:1: queue.expire" },
	{ "duration of two units", "queue { expire = 1h30m }", "a.conf:1: queue.expire" },
	{ "duration that overflows", "queue { expire = 106751991168d }", "a.conf:1: queue.expire" },
	{ "duration that wraps", "queue { expire = 213503982335d }", "a.conf:1: queue.expire" },
	{ "size of unknown unit", "queue { reserve = 1T }",
	  "a.conf:1: queue.reserve = \"1T\" is not accepted; use a size in octets, as 65536, 64K, "
	  "50M "
	  "or 2G, from 0 to 1024G" },
	{ "size that overflows", "queue { reserve = 8589934592G }", "a.conf:1: queue.reserve" },
	{ "size that wraps to 1G", "queue { reserve = 17179869185G }", "a.conf:1: queue.reserve" },
	{ "message below RFC 5321", "limits { message_size = 65535 }",
	  "a.conf:1: limits.message_size" },
	{ "line below what the extensions need", "limits { line_length = 1399 }",
	  "a.conf:1: limits.line_length" },
	{ "recipients that no record can hold", "limits { recipients = 20001 }",
	  "a.conf:1: limits.recipients" },
	{ "recipients below RFC 5321", "limits { recipients = 99 }",
	  "a.conf:1: limits.recipients" },
	{ "hostname", "hostname = \"relay\"",
	  "a.conf:1: hostname = \"relay\" is not accepted; use a host "
	  "name with its domain" },
	{ "hostname is an address", "hostname = \"192.0.2.7\"", "a.conf:1: hostname" },
	{ "hostname with an empty label", "hostname = \"a..example\"", "a.conf:1: hostname" },
	{ "hostname with a dot at its end", "hostname = \"a.example.\"", "a.conf:1: hostname" },
	{ "hostname with a hyphen first", "hostname = \"-a.example\"", "a.conf:1: hostname" },
	{ "hostname with a hyphen last", "hostname = \"a-.example\"", "a.conf:1: hostname" },
	{ "hostname with a long label",
	  "hostname = \"a234567890123456789012345678901234567890123456789012345678901234.example\"",
	  "a.conf:1: hostname" },
	{ "company with a control character", "company = \"a\tb\"", "a.conf:1: company" },
	{ "company not in UTF-8", "company = \"\xfc\"", "a.conf:1: company" },
	{ "relative path", "queue { directory = \"spool\" }",
	  "a.conf:1: queue.directory = \"spool\" is not accepted; use an absolute path" },
	{ "socket path too long",
	  "control = \"/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678\"",
	  "a.conf:1: control" },
	{ "listen address", "listen \"x\" { address = \"localhost\" }",
	  "a.conf:1: listen.address" },
	{ "smarthost in brackets", "smarthost \"x\" { host = \"[::1]\" }",
	  "a.conf:1: smarthost.host" },
	{ "smarthost with a port", "smarthost \"x\" { host = \"h:25\" }",
	  "a.conf:1: smarthost.host" },
	{ "mechanism", "login { mechanisms = { \"PLAIN\",\n\"ANONYMOUS\" } }",
	  "a.conf:2: login.mechanisms = \"ANONYMOUS\" is not accepted; use PLAIN, LOGIN" },
	{ "mechanism that is never offered", "listen \"x\" { mechanisms = { \"NTLM\" } }",
	  "a.conf:1: listen.mechanisms = \"NTLM\"" },
	{ "-PLUS by itself", "login { mechanisms = { \"SCRAM-SHA-256-PLUS\" } }",
	  "a.conf:1: login.mechanisms" },
	{ "footer beyond ASCII", "refusal_footer = \"B\xc3\xbcro\"",
	  "a.conf:1: refusal_footer = \"B\xc3\xbcro\" is not accepted; use printable ASCII" },
	{ "footer too long",
	  "refusal_footer = \"" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "1\"",
	  "a.conf:1: refusal_footer" },
	{ "network of nothing", "listen \"x\" { proxies = { \"\" } }", "a.conf:1: listen.proxies" },
	{ "network with too many bits", "listen \"x\" { proxies = { \"192.0.2.0/33\" } }",
	  "a.conf:1: listen.proxies = \"192.0.2.0/33\"" },
	{ "network with too many bits, IPv6", "listen \"x\" { proxies = { \"2001:db8::/129\" } }",
	  "a.conf:1: listen.proxies" },
	{ "network with a sign", "listen \"x\" { proxies = { \"192.0.2.0/+8\" } }",
	  "a.conf:1: listen.proxies" },
	{ "network by name", "listen \"x\" { proxies = { \"proxy.example\" } }",
	  "a.conf:1: listen.proxies" },
	{ "account of nothing", "listen \"x\" { users = { \"\" } }", "a.conf:1: listen.users" },
	{ "client_ca in the current directory", "listen \"x\" { client_ca = \"ca.pem\" }",
	  "a.conf:1: listen.client_ca" },
	{ "profile", "listen \"x\" { profile = old }",
	  "a.conf:1: listen.profile = \"old\" is not accepted; use modern, legacy" },
	{ "app passwords", "login { app_passwords = yes }",
	  "a.conf:1: login.app_passwords = \"yes\" is not accepted; use optional, none, required" },
	{ "too far ahead", "queue { future = 366d }", "a.conf:1: queue.future" },
	{ "domain with a name", "login { domains = { \"a@b.example\" } }",
	  "a.conf:1: login.domains" },
	{ "nt domain with a backslash", "login { nt_domains = { \"A\\\\\" } }",
	  "a.conf:1: login.nt_domains" },
	{ "title", "listen \"a b\" { }", "a.conf:1: listen \"a b\": a title is" },
	{ "title empty", "listen \"\" { }", "a.conf:1: listen \"\": a title is" },
	{ "user with a colon", "user = \"a:b\"", "a.conf:1: user" },
};

#define TLS_NONE "tls = none plaintext_over_network = yes "
#define LOGIN "user = \"u\" password_file = \"/p\" "

/* What does not fit together; the text stands behind NEEDED's three lines. */
static const struct refused together[] = {
	{ "same address and port", "listen \"two\" {\nport = 587 }",
	  "a.conf:4: listen \"two\": port 587 of the same address is taken by \"submission\" in "
	  "a.conf:1" },
	{ "same by default", "listen \"two\" { }", "a.conf:4: listen \"two\": port 587" },
	{ "all, written out", "listen \"two\" { address = \"::\" }",
	  "a.conf:4: listen \"two\": port 587" },
	{ "same IPv6 address in two forms",
	  "listen \"x\" { address = \"::1\" port = 1 }\nlisten \"y\" { address = \"0:0::1\" port = "
	  "1 }",
	  "a.conf:5: listen \"y\": port 1" },
	{ "same title", "listen \"submission\" { port = 1 }",
	  "a.conf:4: listen \"submission\" is already there, in a.conf:1" },
	{ "same title, empty",
	  "smarthost \"x\" { host = \"x\" }\nsmarthost \"y\" { host = \"y\" }\n\nsmarthost \"x\" "
	  "{\n}",
	  "a.conf:7: smarthost \"x\" is already there, in a.conf:4" },
	{ "certificate without key", "certificate \"x\" { chain = \"/c\" }",
	  "a.conf:4: certificate \"x\": both chain and key" },
	{ "certificate without chain", "certificate \"x\" { key = \"pkcs11:object=k\" }",
	  "a.conf:4: certificate \"x\": both chain and key" },
	{ "smarthost without host", "smarthost \"x\" { }",
	  "a.conf:4: smarthost \"x\": host must be given" },
	{ "plain text over the network", "smarthost \"x\" { host = \"h\" tls = none }",
	  "a.conf:4: smarthost \"x\": tls = none is for this machine only" },
	{ "plain text to a name like a loopback address",
	  "smarthost \"x\" { host = \"127.example\" tls = none }",
	  "a.conf:4: smarthost \"x\": tls = none" },
	{ "user alone", "smarthost \"x\" { host = \"h\" user = \"u\" }",
	  "a.conf:4: smarthost \"x\": user is given without password_file" },
	{ "password alone", "smarthost \"x\" { host = \"h\" password_file = \"/p\" }",
	  "a.conf:4: smarthost \"x\": password_file is given without user" },
	{ "password without TLS", "smarthost \"x\" { host = \"h\" " TLS_NONE LOGIN "}",
	  "a.conf:4: smarthost \"x\": a password is not sent over the network without TLS" },
	{ "keytab without a name", "smarthost \"x\" { host = \"h\" keytab = \"/k\" }",
	  "a.conf:4: smarthost \"x\": keytab is given without user" },
	{ "keytab and password", "smarthost \"x\" { host = \"h\" keytab = \"/k\" " LOGIN "}",
	  "a.conf:4: smarthost \"x\": keytab and password_file are both given" },
	{ "legacy for everybody", "listen \"old\" { port = 2525 profile = legacy }",
	  "a.conf:4: listen \"old\": profile = legacy is for a few" },
	{ "certificates without authorities",
	  "listen \"x\" { port = 1 mechanisms = { \"EXTERNAL\", \"PLAIN\" } }",
	  "a.conf:4: listen \"x\": EXTERNAL needs client_ca" },
	{ "authorities without EXTERNAL", "listen \"x\" { port = 1 client_ca = \"/ca\" }",
	  "a.conf:4: listen \"x\": client_ca is of no use without EXTERNAL" },
	{ "EXTERNAL without any authority", "login { mechanisms = { \"EXTERNAL\", \"PLAIN\" } }",
	  "a.conf:4: login: EXTERNAL is among the mechanisms, but no listener has client_ca" },
	{ "nobody could log in", "login { mechanisms = { \"EXTERNAL\" } }",
	  "a.conf:1: listen \"submission\": nobody could log in" },
	{ "no mechanism", "login {\nmechanisms = { } }", "a.conf:4: login.mechanisms is empty" },
	{ "no pauses", "queue {\nretry = { } }", "a.conf:4: queue.retry is empty" },
	{ "too many pauses",
	  "queue { retry = { 1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,"
	  "1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m,1m } }",
	  "a.conf:4: queue.retry has 33 pauses; 32 are enough" },
	{ "pause over pause_most", "smarthost \"x\" { host = \"h\" pause = 1h }",
	  "a.conf:4: smarthost \"x\": pause must not be longer than pause_most" },
};

static void refuse(const struct refused *r, const char *before)
{
	char text[2048];
	struct fault fault;
	struct conf *c;

	snprintf(text, sizeof(text), "%s%s", before, r->text);
	c = parse_texts(&(struct conf_text){ "a.conf", text }, 1, &fault);
	if (c != NULL)
		fail_msg("%s: accepted", r->name);
	assert_true(fault.code < 0);
	if (strncmp(fault.text, r->fault, strlen(r->fault)) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", r->name, fault.text, r->fault);
}

#define REFUSE_ALL(table, before)                                                                  \
	for (size_t i = 0; i < sizeof(table) / sizeof((table)[0]); i++)                            \
	refuse(&(table)[i], before)

static void syntax_is_refused(void **state)
{
	(void)state;
	REFUSE_ALL(syntax, "");
}

static void keys_are_refused(void **state)
{
	(void)state;
	REFUSE_ALL(keys, "");
}

static void values_are_refused(void **state)
{
	(void)state;
	REFUSE_ALL(values, "");
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	REFUSE_ALL(together, NEEDED);
}

static void what_is_missing_is_named(void **state)
{
	static const struct refused missing[] = {
		{ "all", "", "a.conf: nothing to listen on; add: listen" },
		{ "listen", CERTIFICATE SMARTHOST, "a.conf: nothing to listen on; add: listen" },
		{ "certificate", LISTEN SMARTHOST, "a.conf: no certificate; add: certificate" },
		{ "smarthost", LISTEN CERTIFICATE, "a.conf: no smarthost; add: smarthost" },
	};
	struct conf_text needed = { "a.conf", NEEDED };
	struct fault fault = { 0 };

	(void)state;
	REFUSE_ALL(missing, "");
	assert_null(conf_parse(&needed, 1, "vm", &fault));
	assert_non_null(strstr(fault.text, "this machine's name \"vm\" is not"));
	assert_null(conf_parse(NULL, 0, "vm", &fault));
}

static void a_title_of_another_text_is_named(void **state)
{
	struct conf_text texts[] = { { "main.conf", NEEDED },
				     { "conf.d/x.conf", "\nsmarthost \"main\" { host = \"h\" }" } };
	struct fault fault;

	(void)state;
	assert_null(parse_texts(texts, 2, &fault));
	assert_int_equal(fault.code, -EEXIST);
	assert_string_equal(fault.text,
			    "conf.d/x.conf:2: smarthost \"main\" is already there, in main.conf:3");
}

static void what_looks_like_it_is_fine(void **state)
{
	static const char *const fine[] = {
		"listen \"a\" { port = 0 }\nlisten \"b\" { port = 0 }",
		"listen \"a\" { address = \"127.0.0.1\" }",
		"listen \"a\" { address = \"::1\" port = 9 } listen \"b\" { address = "
		"\"127.0.0.1\" port = 9 }",
		"smarthost \"a\" { host = \"localhost\" tls = none " LOGIN "}",
		"smarthost \"a\" { host = \"127.8.8.8\" tls = none }",
		"smarthost \"a\" { host = \"mail\" " TLS_NONE "}",
		"certificate \"a\" { chain = \"/c\" key = \"pkcs11:object=k\" }",
		"user = \"\" login_user = \"root\"",
		"smarthost \"submission\" { host = \"h\" }",
		"queue { retry = 30m expire = 1m }",
		"control = \"/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456\"",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		struct conf_text texts[] = { { "main.conf", NEEDED }, { "b", fine[i] } };
		struct fault fault;
		struct conf *c = parse_texts(texts, 2, &fault);

		if (c == NULL)
			fail_msg("%s: %s", fine[i], fault.text);
		conf_free(&c);
	}
}

/* Whatever a text is cut down to is parsed or refused, and what is refused has a fault. */
static void every_beginning_of_a_text(void **state)
{
	struct buf sample = { 0 };
	char *text;
	size_t refused = 0;

	(void)state;
	conf_sample(&sample);
	text = buf_take_text(&sample);
	for (size_t n = strlen(text) + 1; n-- > 0;) {
		struct fault fault;
		struct conf *c;

		text[n] = '\0';
		c = parse_texts(&(struct conf_text){ "a.conf", text }, 1, &fault);
		if (c == NULL) {
			assert_true(fault.code < 0);
			assert_memory_equal(fault.text, "a.conf:", 7);
			refused++;
		}
		conf_free(&c);
	}
	assert_true(refused > 1000);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syntax_is_refused),
		cmocka_unit_test(keys_are_refused),
		cmocka_unit_test(values_are_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(a_title_of_another_text_is_named),
		cmocka_unit_test(what_looks_like_it_is_fine),
		cmocka_unit_test(every_beginning_of_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
