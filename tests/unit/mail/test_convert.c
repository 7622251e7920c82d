#include "mail/convert.h"

#include "test.h"

#include <errno.h>

#define U "\xC3\xBC"
#define QU "=C3=BC"
#define WORD "=?UTF-8?Q?" QU "?="
#define VERSION "MIME-Version: 1.0\r\n"
#define QUOTED "Content-Transfer-Encoding: quoted-printable\r\n"
#define BASE64 "Content-Transfer-Encoding: base64\r\n"
#define UTF8 "Content-Type: text/plain; charset=utf-8\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"

enum {
	BINARY_MIME = 64, /* beside the flags of `takes`: it was sent as such */
	NOTHING = 0,
	EIGHT = SMTP_FORM_8BIT,
	HEADER = SMTP_FORM_8BIT_HEADER,
	LONG = SMTP_FORM_LONG_LINES,
	BINARY = SMTP_FORM_BINARY,
};

struct convert_case {
	const char *name;
	unsigned takes;
	const char *in;
	const char *out; /* NULL: what came in */
};

/* Bodies */
static const struct convert_case bodies[] = {
	{ "nothing at all", NOTHING, "", NULL },
	{ "7-bit", NOTHING, "A: b\r\n\r\nbody\r\n", NULL },
	{ "8-bit where it is taken", EIGHT, "A: b\r\n\r\n" U "\r\n", NULL },
	{ "no MIME, UTF-8", NOTHING, "A: b\r\n\r\n" U "\r\n",
	  "A: b\r\n" VERSION UTF8 QUOTED "\r\n" QU "\r\n" },
	{ "no MIME, not UTF-8", NOTHING, "A: b\r\n\r\n\xFC" U "\r\n",
	  "A: b\r\n" VERSION "Content-Type: text/plain; charset=unknown-8bit\r\n" QUOTED
	  "\r\n=FC" QU "\r\n" },
	{ "no MIME, a cut character", NOTHING, "A: b\r\n\r\n\xC3",
	  "A: b\r\n" VERSION "Content-Type: text/plain; charset=unknown-8bit\r\n" QUOTED
	  "\r\n=C3=\r\n" },
	{ "no header section", NOTHING, "first " U "\r\n\r\nA: b\r\n",
	  VERSION UTF8 QUOTED "\r\nfirst " QU "\r\n\r\nA: b\r\n" },
	{ "only a blank line", NOTHING, "\r\n" U, VERSION UTF8 QUOTED "\r\n" QU "=\r\n" },
	{ "text", NOTHING, VERSION "Content-Type: text/html; charset=x\r\n\r\n" U "\r\n",
	  VERSION "Content-Type: text/html; charset=x\r\n" QUOTED "\r\n" QU "\r\n" },
	{ "its label is replaced where it stands", NOTHING,
	  "content-transfer-encoding:\r\n 8BIT\r\nContent-Type: text/plain\r\nmime-version: 1.0\r\n"
	  "\r\n" U "\r\n",
	  QUOTED "Content-Type: text/plain\r\nmime-version: 1.0\r\n\r\n" QU "\r\n" },
	{ "a label that is none", NOTHING,
	  VERSION UTF8 "Content-Transfer-Encoding: 16-bit\r\n\r\n" U "\r\n",
	  VERSION UTF8 QUOTED "\r\n" QU "\r\n" },
	{ "labels and types that stand twice", NOTHING,
	  VERSION "Content-Transfer-Encoding: 8bit\r\n" UTF8 "Content-Type: image/x\r\n"
		  "Content-Transfer-Encoding: base64\r\n folded\r\nA: b\r\n\r\n" U "\r\n",
	  VERSION QUOTED UTF8 "A: b\r\n\r\n" QU "\r\n" },
	{ "such where nothing changes", NOTHING,
	  "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n\r\nu\r\n",
	  NULL },
	{ "what quoted-printable must hide", NOTHING,
	  VERSION UTF8
	  "\r\n" U "\r\n.\r\n.x\r\nFrom x\r\nFromx\r\n--b\r\n-\r\na=\t\r\n \r\n\r\n\x01\x7F\r\n",
	  VERSION UTF8 QUOTED "\r\n" QU "\r\n=2E\r\n=2Ex\r\n=46rom x\r\nFromx\r\n=2D-b\r\n-\r\n"
			      "a=3D=09\r\n=20\r\n\r\n=01=7F\r\n" },
	{ "lines of quoted-printable", NOTHING,
	  VERSION UTF8 "\r\n" U "123456789012345678901234567890123456789012345678901234567890123456"
		       "From 6789012345678901234567890123456789012345678901234567890123456789012" U
		       "\r\n",
	  VERSION UTF8 QUOTED
	  "\r\n" QU "123456789012345678901234567890123456789012345678901234567890123456=\r\n"
	  "=46rom 6789012345678901234567890123456789012345678901234567890123456789012=\r\n" QU
	  "\r\n" },
	{ "data", NOTHING, VERSION OCTETS "\r\n\xFF\xFE\r\n",
	  VERSION OCTETS BASE64 "\r\n//4NCg==\r\n" },
	{ "lines of base64", NOTHING,
	  VERSION OCTETS "\r\n\xFF"
			 "1234567890123456789012345678901234567890123456789012345\r\n",
	  VERSION OCTETS BASE64
	  "\r\n/zEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDUN\r\n"
	  "Cg==\r\n" },
	{ "CR alone in text", NOTHING, VERSION UTF8 "\r\na\rb\r\n",
	  VERSION UTF8 BASE64 "\r\nYQ1iDQo=\r\n" },
	{ "LF alone in text", NOTHING, VERSION UTF8 "\r\na\nb\r\n",
	  VERSION UTF8 BASE64 "\r\nYQpiDQo=\r\n" },
	{ "CR at the end", NOTHING, VERSION UTF8 "\r\nab\r", VERSION UTF8 BASE64 "\r\nYWIN\r\n" },
	{ "CR alone where it is taken", BINARY, VERSION UTF8 "\r\na\rb\r\n", NULL },
	{ "CR alone where it is taken and 8-bit is not", BINARY, VERSION UTF8 "\r\na\r" U "\r\n",
	  VERSION UTF8 BASE64 "\r\nYQ3DvA0K\r\n" },
	{ "base64 with others in it", NOTHING, VERSION OCTETS BASE64 "\r\nYW" U "I=\r\n",
	  VERSION OCTETS BASE64 "\r\nYWI=\r\n" },
	{ "quoted-printable with others in it", NOTHING,
	  VERSION UTF8 QUOTED "\r\n=C3=BC" U "=\r\n=3D \r\n",
	  VERSION UTF8 QUOTED "\r\n=C3=BC" QU "=\r\n=3D \r\n" },
	{ "quoted-printable is not encoded again", NOTHING, VERSION UTF8 QUOTED "\r\n=C3=BC\r\n",
	  NULL },
	{ "uuencode without MIME", NOTHING, "A: " U "\r\n\r\nbegin 644 x\r\n#86)C\r\n`\r\nend\r\n",
	  "A: " WORD "\r\n\r\nbegin 644 x\r\n#86)C\r\n`\r\nend\r\n" },
	{ "message/delivery-status is text", NOTHING,
	  VERSION "Content-Type: message/delivery-status\r\n\r\nA: " U "\r\n",
	  VERSION "Content-Type: message/delivery-status\r\n" QUOTED "\r\nA: " QU "\r\n" },
	{ "pkcs7-mime is data like any", NOTHING,
	  VERSION "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
		  "Content-Transfer-Encoding: binary\r\n\r\n\x80",
	  VERSION "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n" BASE64
		  "\r\ngA==\r\n" },
	{ "a binary label that is true no more", BINARY_MIME | EIGHT,
	  VERSION UTF8 "Content-Transfer-Encoding: binary\r\n\r\n" U "\r\n",
	  VERSION UTF8 "Content-Transfer-Encoding: 8bit\r\n\r\n" U "\r\n" },
	{ "an end without CRLF of a binary message", BINARY_MIME,
	  VERSION UTF8 "Content-Transfer-Encoding: binary\r\n\r\na\r\nb",
	  VERSION UTF8 QUOTED "\r\na\r\nb=\r\n" },
	{ "such an end of data", BINARY_MIME | EIGHT | LONG, VERSION OCTETS "\r\nab",
	  VERSION OCTETS BASE64 "\r\nYWI=\r\n" },
	{ "such an end in quoted-printable", BINARY_MIME, VERSION UTF8 QUOTED "\r\na=3D",
	  VERSION UTF8 QUOTED "\r\na=3D=\r\n" },
	{ "such an end in quoted-printable that goes on", BINARY_MIME,
	  VERSION UTF8 QUOTED "\r\na=", VERSION UTF8 QUOTED "\r\na=\r\n" },
	{ "such an end in base64", BINARY_MIME, VERSION UTF8 BASE64 "\r\nYWI=", NULL },
	{ "such an end of a message without MIME", BINARY_MIME, "A: b\r\n\r\na",
	  "A: b\r\n" VERSION "Content-Type: text/plain; charset=us-ascii\r\n" QUOTED "\r\na=\r\n" },
	{ "such an end of a header section", BINARY_MIME, "A: b", NULL },
	{ "such an end where it is taken", BINARY_MIME | BINARY, VERSION UTF8 "\r\na", NULL },
	{ "such an end of a message of lines", NOTHING, VERSION UTF8 "\r\na", NULL },
	{ "a whole last line of a binary message", BINARY_MIME, VERSION UTF8 "\r\na\r\n", NULL },
	{ "a binary label of a message not sent as such", EIGHT,
	  VERSION UTF8 "Content-Transfer-Encoding: binary\r\n\r\n" U "\r\n", NULL },
};

/* Parts */
static const struct convert_case parts[] = {
	{ "one part changes", NOTHING,
	  MIXED VERSION
	  "Content-Transfer-Encoding: 8bit\r\n\r\npre\r\n--b\r\n\r\nclean=\r\n--b\r\n" UTF8 "\r\n" U
	  "\r\n--b \t\r\n" OCTETS "Content-Transfer-Encoding: 8bit\r\n\r\nclean\r\n"
	  "--b--\r\npost\r\n",
	  MIXED VERSION
	  "Content-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b\r\n\r\nclean=\r\n--b\r\n" UTF8 QUOTED
	  "\r\n" QU "\r\n--b \t\r\n" OCTETS "Content-Transfer-Encoding: 8bit\r\n\r\nclean\r\n"
	  "--b--\r\npost\r\n" },
	{ "no part changes", NOTHING,
	  MIXED "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\nclean\r\n--b--\r\n", NULL },
	{ "a line end that is the delimiter's", NOTHING,
	  MIXED VERSION "\r\n--b\r\n" OCTETS "\r\n\x80\r\n--b\r\n" OCTETS
			"\r\n\x80\r\n\r\n--b\r\n" OCTETS "\r\n\r\n--b--",
	  MIXED VERSION "\r\n--b\r\n" OCTETS BASE64 "\r\ngA==\r\n--b\r\n" OCTETS BASE64
			"\r\ngA0K\r\n--b\r\n" OCTETS "\r\n\r\n--b--" },
	{ "only the end of a binary content counts", BINARY_MIME,
	  MIXED VERSION "\r\n--b\r\n" OCTETS "\r\na\r\n--b\r\n" OCTETS "\r\nb",
	  MIXED VERSION "\r\n--b\r\n" OCTETS "\r\na\r\n--b\r\n" OCTETS BASE64 "\r\nYg==\r\n" },
	{ "no end of a part", BINARY_MIME, MIXED "\r\n--b\r\n\r\na\r\n--b--", NULL },
	{ "behind the parts it means nothing", BINARY_MIME,
	  MIXED "\r\n--b\r\n\r\na\r\n--b--\r\npost", NULL },
	{ "the end of an enclosed message", BINARY_MIME,
	  VERSION "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\na",
	  VERSION "Content-Type: message/rfc822\r\n\r\nA: b\r\n" VERSION
		  "Content-Type: text/plain; charset=us-ascii\r\n" QUOTED "\r\na=\r\n" },
	{ "before and behind the parts", NOTHING,
	  MIXED "\r\n" U "\r\n--b\r\n\r\nx\r\n--b--\r\n\xFF\r\n",
	  MIXED "\r\n??\r\n--b\r\n\r\nx\r\n--b--\r\n?\r\n" },
	{ "an inner multipart is not closed", NOTHING,
	  MIXED VERSION "\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n"
			"\r\nx\r\n--b\r\n" UTF8 "\r\n" U "\r\n--bb\r\n--b--\r\n",
	  MIXED VERSION "\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n"
			"\r\nx\r\n--b\r\n" UTF8 QUOTED "\r\n" QU "\r\n=2D-bb\r\n--b--\r\n" },
	{ "none is closed", NOTHING, MIXED VERSION "\r\n--b\r\n" UTF8 "\r\n" U "\r\n",
	  MIXED VERSION "\r\n--b\r\n" UTF8 QUOTED "\r\n" QU "\r\n" },
	{ "a part without header section", NOTHING,
	  MIXED VERSION "\r\n--b\r\nno " U "\r\n--b--\r\n",
	  MIXED VERSION "\r\n--b\r\n" UTF8 QUOTED "\r\nno " QU "\r\n--b--\r\n" },
	{ "a header section that a delimiter ends", NOTHING,
	  MIXED VERSION "\r\n--b\r\nA: " U "\r\n--b\r\n" UTF8 "\r\n" U "\r\n--b--\r\n",
	  MIXED VERSION "\r\n--b\r\nA: " WORD "\r\n--b\r\n" UTF8 QUOTED "\r\n" QU "\r\n--b--\r\n" },
	{ "LF alone ends no delimiter", NOTHING,
	  MIXED VERSION "\r\n--b\r\n" UTF8 "\r\nx\r\n--b\n\r\n--b--\r\n",
	  MIXED VERSION "\r\n--b\r\n" UTF8 BASE64 "\r\neA0KLS1iCg==\r\n--b--\r\n" },
	{ "a delimiter follows CRLF only", NOTHING,
	  MIXED VERSION "\r\n--b\r\n" UTF8 "\r\n" U "\r\nx--b\r\n--b--\r\n",
	  MIXED VERSION "\r\n--b\r\n" UTF8 QUOTED "\r\n" QU "\r\nx--b\r\n--b--\r\n" },
	{ "quotes and comments", NOTHING,
	  VERSION
	  "Content-Type: (;boundary=x) multipart/ mixed (\\)\") ; charset=\"a;boundary=y\";\r\n"
	  "\tBOUNDARY = \"q\\\"\\;\"\r\n\r\n--q\";\r\n" UTF8 "\r\n" U "\r\n--q\";--\r\n",
	  VERSION
	  "Content-Type: (;boundary=x) multipart/ mixed (\\)\") ; charset=\"a;boundary=y\";\r\n"
	  "\tBOUNDARY = \"q\\\"\\;\"\r\n\r\n--q\";\r\n" UTF8 QUOTED "\r\n" QU "\r\n--q\";--\r\n" },
	{ "a boundary in pieces", NOTHING,
	  VERSION
	  "Content-Type: multipart/mixed; boundary*1=\"b\"; boundary*0*=us-ascii'en'a%20\r\n"
	  "\r\n--a b\r\n" UTF8 "\r\n" U "\r\n--a b--\r\n",
	  VERSION
	  "Content-Type: multipart/mixed; boundary*1=\"b\"; boundary*0*=us-ascii'en'a%20\r\n"
	  "\r\n--a b\r\n" UTF8 QUOTED "\r\n" QU "\r\n--a b--\r\n" },
	{ "a boundary that is no token", NOTHING,
	  VERSION "Content-Type: multipart/mixed; boundary=--=_a?b\r\n\r\n----=_a?b\r\n" UTF8
		  "\r\n" U "\r\n----=_a?b--\r\n",
	  VERSION "Content-Type: multipart/mixed; boundary=--=_a?b\r\n\r\n----=_a?b\r\n" UTF8 QUOTED
		  "\r\n" QU "\r\n----=_a?b--\r\n" },
	{ "something beyond ASCII behind a boundary", NOTHING,
	  VERSION "Content-Type: multipart/mixed; boundary=b " U "\r\n\r\n--b\r\n" UTF8 "\r\n" U
		  "\r\n--b--\r\n",
	  VERSION "Content-Type: multipart/mixed; boundary=b __\r\n\r\n--b\r\n" UTF8 QUOTED
		  "\r\n" QU "\r\n--b--\r\n" },
	{ "a message in a message", NOTHING,
	  VERSION "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		  "Subject: " U "\r\n\r\n" U "\r\n",
	  VERSION "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		  "Subject: " WORD "\r\n" VERSION UTF8 QUOTED "\r\n" QU "\r\n" },
	{ "its addresses", NOTHING,
	  "Content-Type: message/global\r\n\r\nTo: a@x, J" U " <j" U "@x>, \"c\" <c@" U ">\r\n\r\n",
	  "Content-Type: message/global\r\n\r\nTo: a@x, =?UTF-8?Q?J" QU "_=3Cj" QU
	  "=40x=3E?= :;, \"c\" <c@xn--tda>\r\n\r\n" },
	{ "message/global that is encoded", NOTHING,
	  "Content-Type: message/global\r\n" BASE64 "\r\nw7w6\r\n", NULL },
	{ "an mbox line in front", NOTHING,
	  "Content-Type: message/rfc822\r\n\r\n>From x\r\nA: b\r\n\r\n" U "\r\n",
	  "Content-Type: message/rfc822\r\n\r\n>From x\r\nA: b\r\n" VERSION UTF8 QUOTED "\r\n" QU
	  "\r\n" },
	{ "a digest's parts are messages", NOTHING,
	  "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nTo: " U
	  " <a@x>\r\n\r\nx\r\n--b\r\nContent-Type: text/plain\r\n\r\nTo: " U "\r\n--b--\r\n",
	  "Content-Type: multipart/digest; boundary=b\r\n" VERSION "\r\n--b\r\n\r\nTo: " WORD
	  " <a@x>\r\n\r\nx\r\n--b\r\nContent-Type: text/plain\r\n" QUOTED "\r\nTo: " QU
	  "\r\n--b--\r\n" },
	{ "a digest's part without header section", NOTHING,
	  "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\xFF\r\n--b--\r\n",
	  "Content-Type: multipart/digest; boundary=b\r\n" VERSION
	  "\r\n--b\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QUOTED
	  "\r\n=FF\r\n--b--\r\n" },
	{ "signed, and fit", NOTHING,
	  "Subject: " U
	  "\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nu \r\n--b\r\n"
	  "\r\nx\r\n--b--\r\n",
	  "Subject: " WORD
	  "\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nu \r\n--b\r\n"
	  "\r\nx\r\n--b--\r\n" },
	{ "beside signed", NOTHING,
	  MIXED VERSION
	  "\r\n--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\nA: b\r\n"
	  "\r\nu\r\n--c--\r\n--b\r\n" UTF8 "\r\n" U "\r\n--b--\r\n",
	  MIXED VERSION
	  "\r\n--b\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\nA: b\r\n"
	  "\r\nu\r\n--c--\r\n--b\r\n" UTF8 QUOTED "\r\n" QU "\r\n--b--\r\n" },
	{ "encrypted is no more than its parts", NOTHING,
	  "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n" OCTETS
	  "\r\n\xFF\r\n--b--\r\n",
	  "Content-Type: multipart/encrypted; boundary=b\r\n" VERSION "\r\n--b\r\n" OCTETS BASE64
	  "\r\n/w==\r\n--b--\r\n" },
	{ "a line that is no field", NOTHING,
	  VERSION "no field " U "\r\nContent-Type: text/plain\r\n\r\n" U "\r\n",
	  VERSION QUOTED "no field ??\r\nContent-Type: text/plain\r\n\r\n" QU "\r\n" },
};

/* Header fields */
static const struct convert_case fields[] = {
	{ "8-bit where it is taken", EIGHT | HEADER, "A: " U "\r\n\r\n", NULL },
	{ "where only bodies are", EIGHT, "A: " U "\r\n\r\n" U "\r\n",
	  "A: " WORD "\r\n\r\n" U "\r\n" },
	{ "text", NOTHING, "Subject: a " U "b c  " U " " U " d\r\n\r\n",
	  "Subject: a =?UTF-8?Q?" QU "b?= c  =?UTF-8?Q?" QU "_" QU "?= d\r\n\r\n" },
	{ "text that is not UTF-8", NOTHING, "Subject:\xFC\r\n\r\n",
	  "Subject: =?unknown-8bit?Q?=FC?=\r\n\r\n" },
	{ "text beside encoded words", NOTHING,
	  "Subject: =?x?q?a?= " U " =?x?q?b?= =?x?q?c?= d\r\n\r\n",
	  "Subject: =?x?q?a?= =?UTF-8?Q?_" QU "_?= =?x?q?b?= =?x?q?c?= d\r\n\r\n" },
	{ "folded text", NOTHING, "Subject: a\r\n " U "\r\n\tb\r\n\r\n",
	  "Subject: a " WORD "\tb\r\n\r\n" },
	{ "long text", NOTHING,
	  "Subject: " U "0123456789012345678901234567890123456789" U U U U U U "\r\n\r\n",
	  "Subject: =?UTF-8?Q?" QU "0123456789012345678901234567890123456789" QU "?=\r\n"
	  " =?UTF-8?Q?" QU QU QU QU QU "?=\r\n\r\n" },
	{ "no value", NOTHING, "Subject:\r\nA: " U "\r\n\r\n", "Subject:\r\nA: " WORD "\r\n\r\n" },
	{ "addresses", NOTHING,
	  "To: J" U "rgen <a@x>, \"M" U ", H\\\"\" <b@x>,c@x (" U " (d) e), " U " =?x?q?a?= <d@" U
	  ".example>\r\n\r\n",
	  "To: =?UTF-8?Q?J" QU "rgen?= <a@x>, =?UTF-8?Q?M" QU "=2C_H=22?= <b@x>,c@x\r\n (" WORD
	  " (d) e), =?UTF-8?Q?" QU "_?= =?x?q?a?=\r\n <d@xn--tda.example>\r\n\r\n" },
	{ "groups and routes", NOTHING,
	  "Cc: " U ": a@x, \"b c\" <@d,@" U ":e@" U ">;, <f@[192.0.2.1]>\r\n\r\n",
	  "Cc: " WORD " : a@x, \"b c\" <@d,@xn--tda:e@xn--tda>;,\r\n <f@[192.0.2.1]>\r\n\r\n" },
	{ "quotes that do not end", NOTHING, "From: \"" U " <a@x>\r\n\r\n",
	  "From: =?UTF-8?Q?" QU "_=3Ca=40x=3E?=\r\n\r\n" },
	{ "tokens", NOTHING,
	  "Received: from x (M" U " \"q\") by y\r\nMessage-ID: <" U "@x>\r\n\r\n",
	  "Received: from x (=?UTF-8?Q?M" QU "?= \"q\") by y\r\nMessage-ID: <" WORD "@x>\r\n\r\n" },
	{ "parameters", NOTHING,
	  "Content-Type: text/plain; name=\"" U " \\\"1\"; charset=x; other=" U " y\r\n"
	  "Content-Disposition: attachment; filename*0=" U "; filename*1=b; size=1\r\n\r\n",
	  "Content-Type: text/plain; name*=UTF-8''%C3%BC%20%221; charset=x;\r\n"
	  " other*=UTF-8''%C3%BC%20y\r\n"
	  "Content-Disposition: attachment; filename*0*=UTF-8''%C3%BC; filename*1=b;\r\n size=1"
	  "\r\n\r\n" },
	{ "parameters that are none", NOTHING, "Content-Type: ; " U " ;;\r\n\r\n",
	  "Content-Type: ; __; ;\r\n\r\n" },
	{ "long parameters", NOTHING,
	  "Content-Disposition: attachment; filename=\"" U U U U U U U U U U U U U ".pdf\"\r\n\r\n",
	  "Content-Disposition: attachment;\r\n "
	  "filename*0*=UTF-8''%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3"
	  "%BC%C3%BC%C3%BC%C3%BC;\r\n filename*1*=%C3%BC%C3%BC%C3%BC%C3%BC.pdf\r\n\r\n" },
	{ "a type beyond ASCII", NOTHING, "Content-Type: text/pl" U "in; a=b\r\n\r\n",
	  "Content-Type: text/pl__in; a=b\r\n\r\n" },
	{ "white space before the colon", NOTHING, "Subject : " U "\r\n\r\n",
	  "Subject : " WORD "\r\n\r\n" },
	{ "no blank line", NOTHING, "Subject: " U, "Subject: " WORD "\r\n" },
	{ "of a part", NOTHING, MIXED "\r\n--b\r\nContent-Description: " U "\r\n\r\n--b--\r\n",
	  MIXED "\r\n--b\r\nContent-Description: " WORD "\r\n\r\n--b--\r\n" },
};

static struct mail_survey *survey_of(struct span in, size_t first, size_t each, bool is_binary)
{
	struct mail_survey *s = mail_survey_new(is_binary);

	mail_survey_feed(s, span_first(in, first));
	for (in = span_from(in, first); in.len; in = span_from(in, each))
		mail_survey_feed(s, span_first(in, each));
	mail_survey_end(s);
	return s;
}

static void convert(const struct mail_survey *s, unsigned takes, struct span in, size_t first,
		    size_t each, struct buf *out)
{
	struct mail_convert *c = mail_convert_new(s, takes);

	mail_convert_feed(c, span_first(in, first), out);
	for (in = span_from(in, first); in.len; in = span_from(in, each))
		mail_convert_feed(c, span_first(in, each), out);
	mail_convert_end(c, out);
	mail_convert_free(&c);
	assert_null(c);
}

static void run(const struct convert_case *c, size_t first, size_t each)
{
	struct span in = span_text(c->in);
	unsigned takes = c->takes & ~(unsigned)BINARY_MIME;
	struct mail_survey *s = survey_of(in, first, each, c->takes & BINARY_MIME);
	struct buf out = { 0 };
	struct smtp_reply why;
	uint64_t most = 0;

	assert_int_equal(mail_survey_judge(s, takes, &most, &why), 0);
	convert(s, takes, in, first, each, &out);
	assert_span_text(buf_span(&out), c->out ? c->out : c->in);
	assert_true(out.len <= most);
	buf_fini(&out);
	mail_survey_free(&s);
	assert_null(s);
}

static void run_all(const struct convert_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(cases[i].in);

		print_message("%s\n", cases[i].name);
		run(&cases[i], 0, len + 1);
		run(&cases[i], 0, 1);
		for (size_t at = 1; at < len; at++)
			run(&cases[i], at, len);
	}
}

static void test_bodies(void **state)
{
	(void)state;
	run_all(bodies, sizeof(bodies) / sizeof(*bodies));
}

static void test_parts(void **state)
{
	(void)state;
	run_all(parts, sizeof(parts) / sizeof(*parts));
}

static void test_fields(void **state)
{
	(void)state;
	run_all(fields, sizeof(fields) / sizeof(*fields));
}

/* A smarthost's SIZE is held against what is foretold. */
static void test_little_more_is_foretold_than_comes(void **state)
{
	struct buf in = { 0 }, out = { 0 };
	struct mail_survey *s;
	struct smtp_reply why;
	uint64_t most = 0;

	(void)state;
	buf_put_text(&in, VERSION UTF8 "\r\n");
	for (int i = 0; i < 1000; i++)
		buf_put_text(&in, i % 2 ? "a short line\r\n" : U "\r\n");
	s = survey_of(buf_span(&in), 0, in.len, false);
	assert_int_equal(mail_survey_judge(s, NOTHING, &most, &why), 0);
	convert(s, NOTHING, buf_span(&in), 0, in.len, &out);
	assert_true(most >= out.len && most < out.len + out.len / 10);
	mail_survey_free(&s);
	buf_fini(&in);
	buf_fini(&out);
}

/* What cannot be */

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		unsigned takes;
		const char *in;
		int code;
		const char *words;
	} cases[] = {
		{ "signed", NOTHING,
		  "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" U "\r\n--b--\r\n",
		  554, "signature" },
		{ "signed, a header within", NOTHING,
		  "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nA: " U
		  "\r\n\r\n--b--\r\n",
		  554, "signature" },
		{ "signed, without a boundary", NOTHING, "Content-Type: multipart/signed\r\n\r\n" U,
		  554, "signature" },
		{ "signed deeper", NOTHING,
		  MIXED "\r\n--b\r\nContent-Type: Multipart/Signed; boundary=c\r\n\r\n" U "\r\n",
		  554, "signature" },
		{ "partial", NOTHING, "Content-Type: message/partial\r\n\r\n" U, 554, "piece" },
		{ "no boundary", NOTHING, "Content-Type: multipart/mixed\r\n\r\n" U, 554,
		  "malformed" },
		{ "an empty boundary", NOTHING,
		  "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n" U, 554,
		  "malformed" },
		{ "a boundary beyond ASCII", NOTHING,
		  "Content-Type: multipart/mixed; boundary=" U "\r\n\r\n--" U "\r\n\r\nx\r\n", 554,
		  "malformed" },
		{ "a boundary beyond ASCII that would become another", EIGHT,
		  "Content-Type: multipart/mixed; boundary=" U "\r\n\r\n--__\r\n\r\n" U "\r\n", 554,
		  "malformed" },
		{ "an encoded multipart", NOTHING, MIXED BASE64 "\r\n--b\r\n\r\n" U "\r\n", 554,
		  "malformed" },
		{ "an address", NOTHING, "A: b\r\nTo: a@x, <" U "@x>\r\n\r\n", 553, "addresses" },
		{ "an address, where only bodies are 8-bit", EIGHT, "From: " U "@x\r\n\r\n", 553,
		  "addresses" },
		{ "a quoted local part", NOTHING, "Cc: \"" U "\"@x\r\n\r\n", 553, "addresses" },
		{ "a domain that is none", NOTHING, "Reply-To: a@\xFF\r\n\r\n", 553, "addresses" },
		{ "LF alone in the header", NOTHING, "A: b\nB: c\r\n\r\n", 554, "header" },
		{ "NUL would be, but 8-bit is the matter", BINARY, "A: \r" U "\r\n\r\n", 554,
		  "header" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct span in = span_text(cases[i].in);

		print_message("%s\n", cases[i].name);
		for (size_t each = 1; each < 4; each++) {
			struct mail_survey *s =
				survey_of(in, 0, each == 3 ? in.len + 1 : each, false);
			struct smtp_reply why = { 0 };
			struct buf line = { 0 }, out = { 0 };
			uint64_t most = 0;
			unsigned all = EIGHT | HEADER | LONG | BINARY;

			assert_int_equal(mail_survey_judge(s, cases[i].takes, &most, &why),
					 -EINVAL);
			assert_int_equal(why.code, cases[i].code);
			assert_int_equal(why.status.subject, 6);
			assert_int_equal(why.status.detail, cases[i].code == 553 ? 7 : 3);
			assert_non_null(memmem(why.text.at, why.text.len, cases[i].words,
					       strlen(cases[i].words)));
			/* It stands in one line, as a whole. */
			smtp_reply_format(&why, span_text(" (ref 0123456789ABC)"), &line);
			assert_non_null(memmem(line.at, line.len, why.text.at, why.text.len));
			/* And where all is taken it can go. */
			assert_int_equal(mail_survey_judge(s, all, &most, &why), 0);
			convert(s, all, in, 1, 1, &out);
			assert_span_text(buf_span(&out), cases[i].in);
			buf_fini(&line);
			buf_fini(&out);
			mail_survey_free(&s);
		}
	}
}

/* Sizes */

static void put_times(struct buf *out, const char *text, size_t times)
{
	while (times--)
		buf_put_text(out, text);
}

static int judge_whole(const struct buf *in, unsigned takes, struct buf *out)
{
	struct mail_survey *s = survey_of(buf_span(in), 0, 4096, false);
	struct smtp_reply why;
	uint64_t most;
	int rc = mail_survey_judge(s, takes, &most, &why);

	buf_clear(out);
	if (rc == 0) {
		convert(s, takes, buf_span(in), 0, 4096, out);
		assert_true(out->len <= most);
	}
	mail_survey_free(&s);
	return rc;
}

static size_t longest_line(struct span s)
{
	size_t longest = 0;

	while (s.len) {
		size_t end = span_find(s, '\n');

		if (end > longest)
			longest = end;
		s = span_from(s, end + 1);
	}
	return longest;
}

/* Up to the cap parts are converted; what lies beyond goes only as it is. */
static void test_many_parts(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	buf_put_text(&in, MIXED VERSION "\r\n");
	put_times(&in, "--b\r\n" UTF8 "\r\n" U "\r\n", MAIL_PARTS_MOST - 2);
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_true(span_is_ascii(buf_span(&out)));
	put_times(&in, "--b\r\n" UTF8 "\r\nu\r\n", 6000);
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_true(span_is_ascii(buf_span(&out)));
	put_times(&in, "--b\r\n" UTF8 "\r\n" U "\r\n", 1);
	assert_int_equal(judge_whole(&in, NOTHING, &out), -EINVAL);
	assert_int_equal(judge_whole(&in, EIGHT, &out), 0);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	buf_fini(&in);
	buf_fini(&out);
}

static void put_nested(struct buf *in, unsigned levels, const char *text)
{
	buf_put_text(in, VERSION);
	for (unsigned i = 1; i < levels; i++)
		buf_printf(in, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i,
			   i);
	buf_printf(in, UTF8 "\r\n%s\r\n", text);
}

static void test_deep(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	put_nested(&in, MAIL_NESTING_MOST + 1, U);
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_true(span_is_ascii(buf_span(&out)));
	buf_clear(&in);
	put_nested(&in, MAIL_NESTING_MOST + 2, U);
	assert_int_equal(judge_whole(&in, NOTHING, &out), -EINVAL);
	buf_clear(&in);
	put_nested(&in, 1000, "u");
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	buf_clear(&in);
	put_times(&in, "Content-Type: message/rfc822\r\n\r\n", 1000);
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	buf_fini(&in);
	buf_fini(&out);
}

static void put_bounded(struct buf *in, size_t octets, const char *text)
{
	char boundary[1001];

	memset(boundary, 'x', octets);
	boundary[octets] = 0;
	buf_printf(in, VERSION "Content-Type: multipart/mixed; boundary=%s\r\n\r\n", boundary);
	buf_printf(in, "--%s\r\n" UTF8 "\r\n%s\r\n--%s--\r\n", boundary, text, boundary);
}

static void test_long_boundaries(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	put_bounded(&in, 256, U);
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_non_null(memmem(out.at, out.len, QUOTED "\r\n" QU "\r\n", strlen(QUOTED) + 10));
	buf_clear(&in);
	put_bounded(&in, 257, U);
	assert_int_equal(judge_whole(&in, NOTHING, &out), -EINVAL);
	buf_clear(&in);
	put_bounded(&in, 1000, "u");
	assert_int_equal(judge_whole(&in, LONG, &out), 0);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	assert_int_equal(judge_whole(&in, NOTHING, &out), -EINVAL);
	buf_fini(&in);
	buf_fini(&out);
}

static void test_long_lines(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	put_times(&in, "To: a@x", 1);
	put_times(&in, ",0123456789@example.com", 100);
	buf_put_text(&in, "\r\nList-Unsubscribe: <https://x.example/");
	put_times(&in, "0123456789", 200);
	buf_put_text(&in, ">\r\nSubject: ");
	put_times(&in, "0123456789", 200);
	buf_put_text(&in, "\r\n" MIXED VERSION "\r\n");
	put_times(&in, "0123456789", 100);
	buf_put_text(&in, "\r\n--b\r\n" UTF8 "\r\n");
	put_times(&in, "0123456789", 100);
	buf_put_text(&in, "\r\n--b\r\n" BASE64 OCTETS "\r\n");
	put_times(&in, "QUJD", 1000);
	buf_put_text(&in, "\r\n--b--\r\n");
	assert_int_equal(judge_whole(&in, EIGHT | HEADER | BINARY | LONG, &out), 0);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	assert_int_equal(judge_whole(&in, EIGHT | HEADER | BINARY, &out), 0);
	assert_true(longest_line(buf_span(&out)) <= SMTP_LINE_MOST + 1);
	buf_fini(&in);
	buf_fini(&out);
}

/* A field of any length is written in pieces, none of which ends the header section. */
static void test_long_fields(void **state)
{
	static const char *const words[] = { U " <a@example.com>,\r\n ", U " <a@example.com>,",
					     U "x", "x" };
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const unsigned char *blank;

		buf_clear(&in);
		buf_put_text(&in, "To: ");
		put_times(&in, words[i], 300000 / strlen(words[i]));
		buf_put_text(&in, "b@example.com\r\nSubject: s\r\n\r\nbody\r\n");
		assert_int_equal(judge_whole(&in, NOTHING, &out), i == 2 ? -EINVAL : 0);
		if (i == 2)
			continue;
		assert_true(span_is_ascii(buf_span(&out)));
		assert_true(longest_line(buf_span(&out)) <= SMTP_LINE_MOST + 1);
		blank = memmem(out.at, out.len, "\r\n\r\n", 4);
		assert_non_null(blank);
		assert_span_text(span_of(blank, (size_t)(out.at + out.len - blank)),
				 "\r\n\r\nbody\r\n");
	}
	buf_fini(&in);
	buf_fini(&out);
}

/* Its last piece may be white space alone, of which no blank line must become. */
static void test_long_field_ends_blank(void **state)
{
	struct buf in = { 0 }, out = { 0 };

	(void)state;
	buf_put_text(&in, "Subject: ");
	put_times(&in, "x", 64 * 1024 - 4 - strlen("Subject: "));
	buf_put_text(&in, "    \r\nA: b\r\n\r\nbody\r\n");
	assert_int_equal(judge_whole(&in, NOTHING, &out), 0);
	assert_non_null(memmem(out.at, out.len, "?=\r\nA: b\r\n\r\nbody\r\n", 18));
	buf_fini(&in);
	buf_fini(&out);
}

/* A field without end holds no more than a piece of it. */
static void test_memory(void **state)
{
	struct mail_survey *s = mail_survey_new(false);
	struct mail_convert *c;
	struct smtp_reply why;
	struct buf out = { 0 }, in = { 0 };
	uint64_t most, fed = 0, got = 0, held = 0;

	(void)state;
	put_times(&in, "0123456789abcde ", 256);
	mail_survey_feed(s, span_text("Subject: "));
	for (int i = 0; i < 500; i++)
		mail_survey_feed(s, buf_span(&in));
	mail_survey_end(s);
	assert_int_equal(mail_survey_judge(s, LONG, &most, &why), 0);
	c = mail_convert_new(s, LONG);
	mail_convert_feed(c, span_text("Subject: "), &out);
	for (int i = 0; i < 500; i++) {
		mail_convert_feed(c, buf_span(&in), &out);
		fed += in.len;
		got += out.len;
		buf_clear(&out);
		held = fed > got + held ? fed - got : held;
	}
	assert_true(held <= 2 * 64 * 1024);
	mail_convert_end(c, &out);
	assert_int_equal(got + out.len, fed + strlen("Subject: "));
	mail_convert_free(&c);
	mail_survey_free(&s);
	buf_fini(&in);
	buf_fini(&out);
}

/* Another content than was surveyed: nothing bad happens. */
static void test_other_content(void **state)
{
	struct span surveyed = span_text("A: b\r\n\r\n" U "\r\n");
	struct mail_survey *s = survey_of(surveyed, 0, 100, false);
	struct buf out = { 0 };

	(void)state;
	convert(s, NOTHING, span_text(MIXED "\r\n--b\r\n\r\n" U "\r\n--b--\r\n"), 0, 7, &out);
	assert_true(out.len > 0);
	mail_survey_free(&s);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_little_more_is_foretold_than_comes),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_long_boundaries),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_fields),
		cmocka_unit_test(test_long_field_ends_blank),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_other_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
