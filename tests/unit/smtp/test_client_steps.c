/* A message whose recipients become known one by one. */
#include "client_dialogue.h"

#include "test.h"

#define UP_WITH(offer)                                                                             \
	"<220 mx", ">EHLO relay", "<250-mx", "<250-PIPELINING", "<250 " offer, "=READY"
#define MAIL ">MAIL FROM:<s@x>"
#define OPEN "!waits waiting for more recipients 0"
#define NOBODY "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)"
#define TOO_MANY "4.5.3 More recipients than the smarthost takes with one message (ours)"
#define DONE "!end", ">.", "<250 taken", "=RESULT 250 taken", "=READY"

static const struct dialogue steps[] = {
	{ "each answered before the next",
	  PLAIN,
	  { UP,
	    "!mail 0",
	    MAIL,
	    "!waits waiting for the reply to MAIL 300",
	    "<250 ok",
	    OPEN,
	    "!rcpt r0@y",
	    ">RCPT TO:<r0@y>",
	    "!waits waiting for the reply to RCPT 300",
	    "<250 a",
	    "=RCPT 0 250 a",
	    OPEN,
	    "!rcpt r1@y",
	    ">RCPT TO:<r1@y>",
	    "<550 b",
	    "=RCPT 1 550 b",
	    OPEN,
	    "!content",
	    ">DATA",
	    "!waits waiting for the reply to DATA 120",
	    "<354 go",
	    "=SEND_BODY",
	    DONE } },
	{ "all before the first answer",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!rcpt r1@y", ">RCPT TO:<r1@y>", "!content", ">DATA",
	    "<250 ok", "<250 a", "<450 b", "<354 go", "=RCPT 0 250 a", "=RCPT 1 450 b",
	    "=SEND_BODY", DONE } },
	{ "each answered before the next, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 0", MAIL, "<250 ok", OPEN, "!rcpt r0@y", ">RCPT TO:<r0@y>", "<250 a",
	    "=RCPT 0 250 a", OPEN, "!content", ">DATA", "<354 go", "=SEND_BODY", DONE } },
	{ "all before the first answer, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 1", MAIL, "!rcpt r1@y", "!content",
	    "!waits waiting for the reply to MAIL 300", "<250 ok", ">RCPT TO:<r0@y>", "<550 a",
	    "=RCPT 0 550 a", ">RCPT TO:<r1@y>", "<250 b", "=RCPT 1 250 b", ">DATA", "<354 go",
	    "=SEND_BODY", DONE } },
	{ "one more while a reply is due, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 1", MAIL, "<250 ok", ">RCPT TO:<r0@y>", "!rcpt r1@y", "<250 a",
	    "=RCPT 0 250 a", ">RCPT TO:<r1@y>", "!content", "<250 b", "=RCPT 1 250 b", ">DATA" } },
	{ "two messages", PLAIN, { UP,		"!mail 0",	  MAIL,
				   "!rcpt a@y", ">RCPT TO:<a@y>", "!content",
				   ">DATA",	"<250 ok",	  "<250 a",
				   "<354 go",	"=RCPT 0 250 a",  "=SEND_BODY",
				   DONE,	"!rcpt c@y",	  "!content",
				   "!reset",	"!mail 0",	  MAIL,
				   "<250 ok",	"!rcpt b@y",	  ">RCPT TO:<b@y>",
				   "<250 b",	"=RCPT 0 250 b",  "!content",
				   ">DATA",	"<354 go",	  "=SEND_BODY",
				   DONE } },

	/* MAIL refused */
	{ "MAIL refused before any recipient",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<550 5.7.1 not you", "=RESULT 550 5.7.1 not you (before)",
	    "=READY", "!rcpt r0@y", "!content", "!reset", "!mail 0", MAIL } },
	{ "MAIL refused while recipients are added",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!rcpt r1@y", ">RCPT TO:<r1@y>", "<451 later",
	    "=RESULT 451 later (before)", "!rcpt r2@y", "!content", "!reset",
	    "!waits waiting for the reply to RCPT 300", "<503 no", "<503 no", "=READY" } },
	{ "MAIL refused, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 1", MAIL, "!rcpt r1@y", "<550 no", "=RESULT 550 no (before)", "=READY",
	    "!rcpt r2@y", "!content" } },
	{ "MAIL refused, a recipient is not",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<550 no", "=RESULT 550 no (before)", "<250 ok", ">RSET",
	    "<250 ok", "=READY" } },

	/* no recipient */
	{ "content without a recipient",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!content", NOBODY, ">RSET", "<250 ok", "=READY" } },
	{ "content without a recipient before the answer to MAIL",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!content", "<250 ok", NOBODY, ">RSET", "<250 ok", "=READY" } },
	{ "content without a recipient, and MAIL refused",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!content", "<550 no", "=RESULT 550 no (before)", "=READY" } },
	{ "content after all are refused",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "<550 no", "=RCPT 0 550 no", OPEN, "!rcpt r1@y",
	    ">RCPT TO:<r1@y>", "<450 no", "=RCPT 1 450 no", "!content", NOBODY, ">RSET", "<250 ok",
	    "=READY" } },
	{ "content before the last is refused, DATA too",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "!content", ">DATA", "<550 no", "=RCPT 0 550 no",
	    NOBODY, "<503 no", ">RSET", "<250 ok", "=READY" } },
	{ "content before the last is refused, DATA is not",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "!content", ">DATA", "<550 no", "<354 go",
	    "=RCPT 0 550 no", NOBODY, ">.", "<554 no", ">RSET", "<250 ok", "=READY" } },
	{ "content after all are refused, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 1", MAIL, "!content", "<250 ok", ">RCPT TO:<r0@y>", "<550 no",
	    "=RCPT 0 550 no", NOBODY, ">RSET", "<250 ok", "=READY" } },

	/* reset */
	{ "reset when all is answered",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a", "!reset", ">RSET",
	    "!waits waiting for the reply to RSET 300", "!reset", "!rcpt r1@y", "!content",
	    "<250 ok", "=READY", "!mail 0", MAIL } },
	{ "reset before MAIL is answered",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!reset", "!waits waiting for the reply to MAIL 300", "<250 ok",
	    ">RSET", "<250 ok", "=READY" } },
	{ "reset, and MAIL is refused",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!reset", "<550 no", "<503 no", "=READY" } },
	{ "reset with replies due",
	  PLAIN,
	  { UP, "!mail 2", MAIL_TWO, "<250 ok", "<250 a", "=RCPT 0 250 a", "!reset", "<550 b",
	    ">RSET", "<250 ok", "=READY" } },
	{ "reset with all replies due",
	  PLAIN,
	  { UP, "!mail 2", MAIL_TWO, "!reset", "<250 ok", "<250 a", "<550 b", ">RSET", "<250 ok",
	    "=READY", "!message 1", MAIL_ONE, ">DATA" } },
	{ "reset, one at a time: what has not been sent is not",
	  PLAIN,
	  { UP_SLOW, "!mail 2", MAIL, "<250 ok", ">RCPT TO:<r0@y>", "!reset", "<250 a", ">RSET",
	    "<250 ok", "=READY" } },
	{ "reset, one at a time, before MAIL is answered",
	  PLAIN,
	  { UP_SLOW, "!mail 2", MAIL, "!reset", "<250 ok", ">RSET", "<250 ok", "=READY" } },
	{ "reset, and RSET is refused",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!reset", ">RSET", "<500 no",
	    "=LOST 500 no: waiting for the reply to RSET", "!mail 0", "!rcpt a@y", "!reset" } },

	/* the connection ends */
	{ "421 to MAIL",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<421 4.4.2 idle", "=RESULT 421 4.4.2 idle (before)",
	    "=LOST 421 4.4.2 idle: waiting for the reply to MAIL", "!rcpt r0@y", "!content",
	    "!reset" } },
	{ "421 to a recipient",
	  PLAIN,
	  { UP, "!mail 2", MAIL_TWO, "<250 ok", "<421 bye", "=RCPT 0 421 bye",
	    "=LOST 421 bye: waiting for the reply to RCPT", "!rcpt r2@y", "!content", "!reset" } },
	{ "421 while more recipients are waited for",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a", "<421 bye",
	    "=LOST 421 bye: reading a reply that nobody asked for", "!rcpt r1@y", "!content",
	    "!reset" } },
	{ "half a 421 while more recipients are waited for",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "<~421 b", "!rcpt r1@y", "!content", "!reset",
	    "!waits reading a reply that nobody asked for 5", "<ye",
	    "=LOST 421 bye: reading a reply that nobody asked for" } },
	{ "a reply too many while more recipients are waited for",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", OPEN, "<250 ok",
	    "=LOST 250 ok: reading a reply that nobody asked for" } },
	{ "421 to DATA",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!content", ">DATA", "<250 ok", "<250 a", "<421 bye",
	    "=RCPT 0 250 a", "=RESULT 421 bye (before)",
	    "=LOST 421 bye: waiting for the reply to DATA" } },
	{ "421 to MAIL after reset",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!reset", "<421 bye",
	    "=LOST 421 bye: waiting for the reply to MAIL" } },
	{ "421 to a recipient after reset",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "<250 ok", "!reset", "<421 bye",
	    "=LOST 421 bye: waiting for the reply to RCPT" } },
	{ "421 to RSET",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!reset", ">RSET", "<421 bye",
	    "=LOST 421 bye: waiting for the reply to RSET" } },
	{ "lost before MAIL",
	  PLAIN,
	  { UP, "!lost", "=LOST: waiting for the next message", "= false", "!mail 1", "!rcpt a@y",
	    "!content", "!reset" } },
	{ "lost with the reply to MAIL due",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!lost", "=LOST: waiting for the reply to MAIL", "= false",
	    "!rcpt a@y", "!content", "!reset" } },
	{ "lost while more recipients are waited for",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!lost", "=LOST: waiting for more recipients",
	    "= false", "!rcpt a@y", "!content", "!reset" } },
	{ "lost with the reply to RCPT due",
	  PLAIN,
	  { UP, "!mail 2", MAIL_TWO, "<250 ok", "<250 a", "=RCPT 0 250 a", "!lost",
	    "=LOST: waiting for the reply to RCPT", "= false", "!rcpt a@y" } },
	{ "lost with commands that were never sent",
	  PLAIN,
	  { UP_SLOW, "!mail 2", MAIL, "!content", "!lost", "=LOST: waiting for the reply to MAIL",
	    "= false" } },
	{ "lost with the reply to DATA due",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!content", ">DATA", "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!lost", "=LOST: waiting for the reply to DATA", "= false" } },
	{ "lost with replies due after reset",
	  PLAIN,
	  { UP, "!mail 1", MAIL_ONE, "!reset", "!lost", "=LOST: waiting for the reply to MAIL",
	    "= false" } },
	{ "lost with the reply to RSET due",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!reset", ">RSET", "!lost",
	    "=LOST: waiting for the reply to RSET", "= false" } },

	/* what the peer cannot take */
	{ "size, told with content()",
	  PLAIN,
	  { UP_WITH("SIZE 999"), "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!content size",
	    "=RESULT 552 5.3.4 The message is larger than the smarthost takes (before) (ours)",
	    ">RSET", "<250 ok", "=READY" } },
	{ "size, told with content() while replies are due",
	  PLAIN,
	  { UP_WITH("SIZE 999"), "!mail 1", MAIL_ONE, "!content size",
	    "=RESULT 552 5.3.4 The message is larger than the smarthost takes (before) (ours)",
	    "<250 ok", "<250 a", ">RSET", "<250 ok", "=READY" } },
	{ "size, told with mail()",
	  PLAIN,
	  { UP_WITH("SIZE 999"), "!mail 1 size",
	    "=RESULT 552 5.3.4 The message is larger than the smarthost takes (before) (ours)",
	    "=READY", "!rcpt r1@y", "!content", "!reset" } },
	{ "size, within the limit",
	  PLAIN,
	  { UP_WITH("SIZE 1000"), "!mail 1 size", ">MAIL FROM:<s@x> SIZE=1000", ">RCPT TO:<r0@y>",
	    "!content size", ">DATA" } },
	{ "8 bit, told with content(), not offered",
	  PLAIN,
	  { UP, "!mail 1 maybe", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a", "!content 8bit",
	    "=RESULT 554 5.6.3 The smarthost takes no 8-bit messages (before) (ours)", ">RSET",
	    "<250 ok", "=READY" } },
	{ "perhaps 8 bit, and it is",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!mail 0 maybe", ">MAIL FROM:<s@x> BODY=8BITMIME", "!rcpt r0@y",
	    ">RCPT TO:<r0@y>", "!content 8bit", ">DATA" } },
	{ "perhaps 8 bit, and it is not",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!mail 0 maybe", ">MAIL FROM:<s@x> BODY=8BITMIME", "!rcpt r0@y",
	    ">RCPT TO:<r0@y>", "!content", ">DATA" } },
	{ "perhaps 8 bit, but it is not, not offered",
	  PLAIN,
	  { UP, "!mail 1 maybe", MAIL_ONE, "!content", ">DATA" } },
	{ "8 bit, told with content() only",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!content 8bit",
	    "=RESULT 450 4.6.3 8-bit content came too late to be told in MAIL (before) (ours)",
	    ">RSET", "<250 ok", "=READY" } },
	{ "a control in an address",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!rcpt a\x01@y",
	    "=RCPT 0 553 5.1.3 An address holds a control character (ours)", OPEN, "!rcpt r1@y",
	    ">RCPT TO:<r1@y>", "<250 b", "=RCPT 1 250 b", "!content", ">DATA" } },
	{ "UTF-8 address without SMTPUTF8",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!rcpt \xC3\xBC@y",
	    "=RCPT 0 553 5.6.7 The smarthost takes no addresses beyond ASCII (ours)", "!content",
	    NOBODY, ">RSET", "<250 ok", "=READY" } },
	{ "UTF-8 address that comes too late",
	  PLAIN,
	  { UP_WITH("SMTPUTF8"), "!mail 1", MAIL_ONE, "<250 ok", "<250 a", "=RCPT 0 250 a",
	    "!rcpt \xC3\xBC@y",
	    "=RCPT 1 450 4.6.7 An address beyond ASCII came too late to be told in MAIL (ours)",
	    "!content", ">DATA" } },
	{ "UTF-8 addresses",
	  PLAIN,
	  { UP_WITH("SMTPUTF8"), "!mail 1 utf8", ">MAIL FROM:<s@x> SMTPUTF8",
	    ">RCPT TO:<\xC3\xBC@y>", "!rcpt \xC3\xB6@y", ">RCPT TO:<\xC3\xB6@y>" } },
	{ "refused here among those that are asked",
	  PLAIN,
	  { UP,
	    "!mail 1",
	    MAIL_ONE,
	    "!rcpt \x01@y",
	    "!rcpt r2@y",
	    ">RCPT TO:<r2@y>",
	    "!rcpt \x02@y",
	    "!content",
	    ">DATA",
	    "!waits waiting for the reply to MAIL 300",
	    "<250 ok",
	    "<550 a",
	    "=RCPT 0 550 a",
	    "=RCPT 1 553 5.1.3 An address holds a control character (ours)",
	    "!waits waiting for the reply to RCPT 300",
	    "<250 c",
	    "=RCPT 2 250 c",
	    "=RCPT 3 553 5.1.3 An address holds a control character (ours)",
	    "<354 go",
	    "=SEND_BODY" } },
	{ "refused here among those that are asked, replies in one piece",
	  PLAIN,
	  { UP,
	    "!mail 1",
	    MAIL_ONE,
	    "!rcpt \x01@y",
	    "!rcpt r2@y",
	    ">RCPT TO:<r2@y>",
	    "!rcpt \x02@y",
	    "!content",
	    ">DATA",
	    "<250 ok",
	    "<550 a",
	    "<550 c",
	    "<554 no",
	    "=RCPT 0 550 a",
	    "=RCPT 1 553 5.1.3 An address holds a control character (ours)",
	    "=RCPT 2 550 c",
	    "=RCPT 3 553 5.1.3 An address holds a control character (ours)",
	    NOBODY,
	    ">RSET",
	    "<250 ok",
	    "=READY" } },
	{ "refused here, one at a time",
	  PLAIN,
	  { UP_SLOW, "!mail 1", MAIL, "!rcpt \x01@y", "!rcpt \x02@y", "!content", "<250 ok",
	    ">RCPT TO:<r0@y>", "<550 a", "=RCPT 0 550 a",
	    "=RCPT 1 553 5.1.3 An address holds a control character (ours)",
	    "=RCPT 2 553 5.1.3 An address holds a control character (ours)", NOBODY, ">RSET",
	    "<250 ok", "=READY" } },
	{ "refused here, and MAIL is refused",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!rcpt \x01@y", "!rcpt r1@y", ">RCPT TO:<r1@y>", "<550 no",
	    "=RESULT 550 no (before)", "<503 no", "=READY" } },
	{ "refused here, and reset",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!rcpt \x01@y", "!reset", "<250 ok", ">RSET", "<250 ok",
	    "=READY" } },
	{ "refused here, and lost",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "!rcpt \x01@y", "!lost", "=LOST: waiting for the reply to MAIL",
	    "= false" } },

	/* SMTPUTF8 and domains */
	{ "the sender said SMTPUTF8",
	  PLAIN,
	  { UP_WITH("SMTPUTF8"), "!message 1 said", ">MAIL FROM:<s@x> SMTPUTF8", ">RCPT TO:<r0@y>",
	    ">DATA" } },
	{ "the sender said SMTPUTF8, not offered, not needed",
	  PLAIN,
	  { UP, "!message 1 said", MAIL_ONE, ">DATA" } },
	{ "header beyond ASCII of one who said SMTPUTF8",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!message 1 said header",
	    "=RESULT 553 5.6.7 The smarthost takes no header fields beyond ASCII (before) (ours)",
	    "=READY" } },
	{ "header beyond ASCII of one who said SMTPUTF8, told with content()",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!mail 1 said maybe", ">MAIL FROM:<s@x> BODY=8BITMIME",
	    ">RCPT TO:<r0@y>", "<250 ok", "<250 a", "=RCPT 0 250 a", "!content header",
	    "=RESULT 553 5.6.7 The smarthost takes no header fields beyond ASCII (before) (ours)",
	    ">RSET", "<250 ok", "=READY" } },
	{ "header beyond ASCII of one who did not",
	  PLAIN,
	  { UP_WITH("8BITMIME"), "!message 1 header", ">MAIL FROM:<s@x> BODY=8BITMIME",
	    ">RCPT TO:<r0@y>", ">DATA" } },
	{ "domains in A-labels",
	  PLAIN,
	  { UP, "!mail 1 domain from", ">MAIL FROM:<s@xn--bcher-kva.example>",
	    ">RCPT TO:<u@xn--bcher-kva.example>", "!rcpt v@B\xC3\x9C.example",
	    ">RCPT TO:<v@xn--b-eha.example>" } },
	{ "domains as they are",
	  PLAIN,
	  { UP_WITH("SMTPUTF8"), "!mail 1 domain from",
	    ">MAIL FROM:<s@b\xC3\xBC"
	    "cher.example> SMTPUTF8",
	    ">RCPT TO:<u@b\xC3\xBC"
	    "cher.example>" } },
	{ "a domain that comes too late for SMTPUTF8 needs none",
	  PLAIN,
	  { UP_WITH("SMTPUTF8"), "!mail 0", MAIL,
	    "!rcpt u@b\xC3\xBC"
	    "cher.example",
	    ">RCPT TO:<u@xn--bcher-kva.example>" } },
	{ "a domain that is none",
	  PLAIN,
	  { UP, "!mail 0", MAIL, "<250 ok", "!rcpt u@\xC3\xBC..x",
	    "=RCPT 0 553 5.1.3 The domain of an address is none that may exist (ours)", OPEN } },

	/* RFC 8689 */
	{ "REQUIRETLS",
	  SMTP_CLIENT_TLS_IMPLICIT,
	  false,
	  false,
	  { UP_WITH("REQUIRETLS"), "!message 1 strict", ">MAIL FROM:<s@x> REQUIRETLS",
	    ">RCPT TO:<r0@y>", ">DATA" } },
	{ "REQUIRETLS not asked for",
	  SMTP_CLIENT_TLS_IMPLICIT,
	  false,
	  false,
	  { UP_WITH("REQUIRETLS"), "!message 1", MAIL_ONE, ">DATA" } },
	{ "REQUIRETLS not offered",
	  SMTP_CLIENT_TLS_IMPLICIT,
	  false,
	  false,
	  { UP, "!message 1 strict",
	    "=RESULT 550 5.7.30 The smarthost does not support REQUIRETLS (before) (ours)",
	    "=READY" } },
	{ "REQUIRETLS offered without TLS",
	  PLAIN,
	  { UP_WITH("REQUIRETLS"), "!mail 0 strict",
	    "=RESULT 550 5.7.30 The smarthost does not support REQUIRETLS (before) (ours)",
	    "=READY" } },

	/* RFC 9422 */
	{ "RCPTMAX",
	  PLAIN,
	  { UP_WITH("LIMITS RCPTMAX=2"), "!mail 3", MAIL_TWO, "!rcpt a@z", "!content", ">DATA",
	    "<250 ok", "<250 a", "<550 b", "<354 go", "=RCPT 0 250 a", "=RCPT 1 550 b",
	    "=RCPT 2 452 " TOO_MANY, "=RCPT 3 452 " TOO_MANY, "=SEND_BODY", DONE,
	    /* each message anew */
	    "!message 2", MAIL_TWO, ">DATA" } },
	{ "RCPTMAX counts no recipient that is not asked about",
	  PLAIN,
	  { UP_WITH("LIMITS RCPTMAX=1"), "!mail 0", MAIL, "<250 ok", "!rcpt \x01@y",
	    "=RCPT 0 553 5.1.3 An address holds a control character (ours)", "!rcpt r1@y",
	    ">RCPT TO:<r1@y>", "!rcpt r2@y", "<250 b", "=RCPT 1 250 b", "=RCPT 2 452 " TOO_MANY } },
	{ "RCPTDOMAINMAX",
	  PLAIN,
	  { UP_WITH("LIMITS RCPTDOMAINMAX=2"),
	    "!mail 1",
	    MAIL_ONE,
	    "!rcpt a@z",
	    ">RCPT TO:<a@z>",
	    "!rcpt b@x",
	    "!rcpt c@Y",
	    ">RCPT TO:<c@Y>",
	    "!content",
	    ">DATA",
	    "<250 ok",
	    "<250 a",
	    "<250 b",
	    "<250 c",
	    "<354 go",
	    "=RCPT 0 250 a",
	    "=RCPT 1 250 b",
	    "=RCPT 2 452 " TOO_MANY,
	    "=RCPT 3 250 c",
	    "=SEND_BODY",
	    DONE } },
	{ "RCPTMAX reached, and all are refused",
	  PLAIN,
	  { UP_WITH("LIMITS RCPTMAX=1"), "!message 2", MAIL_ONE, ">DATA", "<250 ok", "<550 a",
	    "<503 no", "=RCPT 0 550 a", "=RCPT 1 452 " TOO_MANY, NOBODY, ">RSET", "<250 ok",
	    "=READY" } },

	/* RFC 3461 */
	{ "DSN is passed on",
	  PLAIN,
	  { UP_WITH("DSN"), "!mail 2 dsn", ">MAIL FROM:<s@x> RET=HDRS ENVID=QQ+2B1",
	    ">RCPT TO:<r0@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;R0+2B@y", ">RCPT TO:<r1@y>",
	    "!rcpt r2@y never", ">RCPT TO:<r2@y> NOTIFY=NEVER", "!rcpt r3@y orcpt",
	    ">RCPT TO:<r3@y> ORCPT=rfc822;first@y", "!rcpt r4@y", ">RCPT TO:<r4@y>",
	    "!rcpt r5@y inject never", ">RCPT TO:<r5@y> NOTIFY=NEVER" } },
	{ "DSN is not offered",
	  PLAIN,
	  { UP, "!mail 2 dsn", MAIL_TWO, "!rcpt r2@y never orcpt", ">RCPT TO:<r2@y>" } },
	{ "DSN is offered and not asked for",
	  PLAIN,
	  { UP_WITH("DSN"), "!message 1", MAIL_ONE, ">DATA" } },
	{ "all parameters of MAIL",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250-SIZE", "<250-DSN", "<250-SMTPUTF8",
	    "<250-PIPELINING", "<250 8BITMIME", "=READY", "!message 1 dsn 8bit size utf8",
	    ">MAIL FROM:<s@x> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1",
	    ">RCPT TO:<\xC3\xBC@y> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;R0+2B@y", ">DATA" } },
};

static void test_steps(void **state)
{
	(void)state;
	dialogue_run_everywhere(steps, sizeof(steps) / sizeof(steps[0]));
}

/* A verdict that has come, but was not taken yet, is not told after reset(). */
static void test_reset_drops_verdicts(void **state)
{
	static const char *const replies[] = { "250 a\r\n", "550 a\r\n" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct smtp_client_event ev;
		struct run r;

		run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
		run_mail(&r, "3");
		run_turn(&r);
		smtp_client_feed(r.cl, span_text("250 ok\r\n"));
		smtp_client_feed(r.cl, span_text(replies[i]));
		smtp_client_feed(r.cl, span_text(replies[i]));
		assert_int_equal(smtp_client_next(r.cl, &ev), SMTP_CLIENT_RCPT);
		smtp_client_reset(r.cl);
		run_turn(&r);
		run_feed(&r, span_text("250 c\r\n"));
		run_feed(&r, span_text("250 ok\r\n"));
		assert_span_text(buf_span(&r.events), "READY\n");
		run_end(&r);
	}
}

/* RESULT of mail() itself waits to be taken. */
static void test_reset_drops_a_result(void **state)
{
	struct run r;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "X");
	run_mail(&r, "1 control");
	smtp_client_reset(r.cl);
	run_turn(&r);
	assert_span_text(buf_span(&r.events), "READY\n");
	assert_int_equal(r.output.len, 0);
	run_end(&r);
}

/* Refused here, and lost before that was told. */
static void test_nothing_behind_lost(void **state)
{
	struct run r;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
	run_mail(&r, "0");
	run_turn(&r);
	run_feed(&r, span_text("250 ok\r\n"));
	smtp_client_recipient(r.cl, span_text("\x7F"), NULL);
	assert_false(smtp_client_lost(r.cl));
	run_turn(&r);
	assert_span_text(buf_span(&r.events), "LOST: waiting for more recipients\n");
	run_end(&r);
}

/* A reply to a command of which the last octets have not gone out yet answers nothing. */
static void test_replies_ahead_of_commands(void **state)
{
	const size_t mail = strlen("MAIL FROM:<s@x>\r\n"), rcpt = strlen("RCPT TO:<r0@y>\r\n");

	(void)state;
	for (size_t sent = 0; sent <= mail + rcpt; sent++) {
		struct smtp_client_event ev;
		struct run r;

		run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
		run_mail(&r, "1");
		smtp_client_sent(r.cl, sent);
		smtp_client_feed(r.cl, span_text("250 ok\r\n250 a\r\n"));
		if (sent == mail + rcpt) {
			assert_int_equal(smtp_client_next(r.cl, &ev), SMTP_CLIENT_RCPT);
		} else {
			assert_int_equal(smtp_client_next(r.cl, &ev), SMTP_CLIENT_LOST);
			assert_span_text(ev.reply.text, sent < mail ? "ok" : "a");
		}
		run_end(&r);
	}
}

/* However many recipients are refused without asking the peer: each is told, in order. */
static void test_many_refused_here(void **state)
{
	struct buf expected = { 0 };
	struct run r;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
	run_mail(&r, "0");
	for (size_t i = 0; i < 1000; i++) {
		smtp_client_recipient(r.cl, span_text("\x7F"), NULL);
		buf_printf(&expected,
			   "RCPT %zu 553 5.1.3 An address holds a control character (ours)\n", i);
	}
	smtp_client_content(r.cl, 0, false);
	run_turn(&r);
	assert_int_equal(r.events.len, 0);
	run_feed(&r, span_text("250 ok\r\n"));
	run_feed(&r, span_text("250 ok\r\n"));
	buf_put_text(&expected,
		     "RESULT 554 5.5.1 No recipient was accepted (before) (ours)\nREADY\n");
	assert_true(span_eq(buf_span(&r.events), buf_span(&expected)));
	assert_span_text(buf_span(&r.output), "MAIL FROM:<s@x>\r\nRSET\r\n");
	buf_fini(&expected);
	run_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_reset_drops_verdicts),
		cmocka_unit_test(test_reset_drops_a_result),
		cmocka_unit_test(test_nothing_behind_lost),
		cmocka_unit_test(test_replies_ahead_of_commands),
		cmocka_unit_test(test_many_refused_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
