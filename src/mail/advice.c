#include "advice.h"

#define ANY 0xFFFF
#define CHECK "Please check the address for mistakes and send the message again."
#define OTHER_WAY "Please try again later, or reach the person in another way."
#define ASK "Please show this notice to the people who run your mail."

static const struct row {
	uint16_t subject, detail;
	struct mail_advice advice;
} rows[] = {
	{ 1, 1, { "There is no mailbox of that name.", CHECK } },
	{ 1, 2, { "The part of the address behind the @ does not exist.", CHECK } },
	{ 1, 3, { "The address is not written as an address should be.", CHECK } },
	{ 1,
	  6,
	  { "The person has moved and left no new address.",
	    "Please ask the person for the new address in another way." } },
	{ 1, 7, { "Your own address was not accepted as the sender's.", ASK } },
	{ 1, 8, { "Your own address was not accepted as the sender's.", ASK } },
	{ 1, 10, { "The part of the address behind the @ takes no mail.", CHECK } },
	{ 1, ANY, { "Something is wrong with the address.", CHECK } },
	{ 2, 1, { "The mailbox is switched off.", "Please reach the person in another way." } },
	{ 2, 2, { "The mailbox is full.", OTHER_WAY } },
	{ 2,
	  3,
	  { "The message is too large for the mailbox.",
	    "Please send it again with less attached." } },
	{ 2, ANY, { "The mailbox takes no mail at present.", OTHER_WAY } },
	{ 3, 4, { "The message is too large.", "Please send it again with less attached." } },
	{ 4, 6, { "The mail went round in a circle between servers.", ASK } },
	{ 5,
	  3,
	  { "The message has too many recipients.",
	    "Please send it again to fewer people at a time." } },
	{ 6,
	  7,
	  { "The address has letters that the way there does not carry.",
	    "Please ask the person for an address without them." } },
	{ 6, ANY, { "The message has a form that the receiving side cannot take.", ASK } },
	{ 7,
	  1,
	  { "A rule of the receiving side forbids it.",
	    "Please ask the person in another way, or show this notice to the people who run "
	    "your mail." } },
	{ 7, 8, { "The mail server did not accept our login.", ASK } },
	{ 7,
	  ANY,
	  { "The receiving side does not trust the message, or a rule of it forbids it.",
	    "Please show this notice to the people who run your mail, or ask the person in "
	    "another way." } },
	{ ANY,
	  ANY,
	  { "The receiving side refused it.",
	    "If the reason is not clear from its words, please show this notice to the "
	    "people who run your mail." } },
};

/* RFC 5321 4.2.3, for servers without enhanced codes: only what is not ambiguous. */
static struct smtp_status guess(int code)
{
	switch (code) {
	case 551:
		return (struct smtp_status){ 5, 1, 6 };
	case 553:
		return (struct smtp_status){ 5, 1, 3 };
	case 556:
		return (struct smtp_status){ 5, 1, 10 };
	default:
		return (struct smtp_status){ 5, ANY, ANY };
	}
}

struct mail_advice mail_advice_for(const struct smtp_reply *reply, struct smtp_status status)
{
	const struct row *row = rows;

	if (status.class != 5 || (status.subject == 0 && status.detail == 0))
		status = guess(reply->code);
	while ((row->subject != ANY && row->subject != status.subject) ||
	       (row->detail != ANY && row->detail != status.detail))
		row++;
	return row->advice;
}
