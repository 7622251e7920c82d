#include "scan.h"

#include "base/mem.h"
#include "segments.h"

#include <errno.h>
#include <stdlib.h>

enum { WINDOW_OCTETS = 256 * 1024, AHEAD_OCTETS = 4 * 1024 * 1024, BLOCK_OCTETS = 4096 };

/* How much the disk gave, from `offset` on; blocks that it cannot read become zeros. */
static size_t read_past_errors(struct scan *scan, unsigned char *at, size_t n, uint64_t offset)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = scan->disk->pread(scan->disk->user, scan->fd, at + got, n - got,
					      offset + got);

		if (r > 0) {
			got += (size_t)r;
		} else if (r == 0) {
			break;
		} else if (r != -EINTR) {
			size_t skip = BLOCK_OCTETS - (offset + got) % BLOCK_OCTETS;

			skip = skip < n - got ? skip : n - got;
			memset(at + got, 0, skip);
			got += skip;
			scan->unreadable++;
		}
	}
	return got;
}

/* The disk works while the last octets are being checked. Not at the front: the header alone may be
 * what is wanted. */
static void ask_ahead(struct scan *scan, uint64_t offset)
{
	if (scan->least || offset == 0 || scan->disk->read_ahead == NULL ||
	    offset + AHEAD_OCTETS <= scan->ahead)
		return;
	if (scan->ahead < offset)
		scan->ahead = offset;
	scan->disk->read_ahead(scan->disk->user, scan->fd, scan->ahead, AHEAD_OCTETS);
	scan->ahead += AHEAD_OCTETS;
}

const unsigned char *scan_look(struct scan *scan, uint64_t offset, size_t n)
{
	size_t least = scan->least ? scan->least : WINDOW_OCTETS;
	uint64_t left;
	size_t want;

	if (offset > scan->size || scan->size - offset < n)
		return NULL;
	if (offset >= scan->from && offset + n <= scan->from + scan->filled)
		return scan->window + (offset - scan->from);
	left = scan->size - offset;
	want = n > least ? n : least;
	want = left < want ? (size_t)left : want;
	if (scan->cap < want) {
		free(scan->window);
		scan->window = mem_alloc(want);
		scan->cap = want;
	}
	ask_ahead(scan, offset);
	scan->from = offset;
	scan->filled = read_past_errors(scan, scan->window, want, offset);
	return scan->filled < n ? NULL : scan->window;
}

static bool all_zero(const unsigned char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i])
			return false;
	return true;
}

static int read_header(struct scan *scan)
{
	int status[2] = { -EBADMSG, -EBADMSG };
	const uint64_t place[2] = { 0, SEGMENT_HEADER_AGAIN };
	const unsigned char *between;

	for (int i = 0; i < 2; i++) {
		const unsigned char *octets = scan_look(scan, place[i], SEGMENT_HEADER_OCTETS);
		struct segment_header header;

		if (octets)
			status[i] = segment_header_decode(octets, &header);
		scan->has_header[i] = status[i] == 0;
		if (status[i] == 0)
			scan->header = header;
	}
	between = scan_look(scan, SEGMENT_HEADER_OCTETS,
			    SEGMENT_HEADER_AGAIN - SEGMENT_HEADER_OCTETS);
	scan->is_clean_header =
		between && all_zero(between, SEGMENT_HEADER_AGAIN - SEGMENT_HEADER_OCTETS);
	scan->seal = scan->header.seal;
	if (scan->has_header[0] || scan->has_header[1])
		return 0;
	return status[0] == -ENOTSUP || status[1] == -ENOTSUP ? -ENOTSUP : -EBADMSG;
}

int scan_open(struct scan *scan, const struct spool_disk *disk, const char *dir, uint64_t number,
	      struct fault *fault)
{
	char name[SEGMENT_NAME_MAX];
	int64_t size;
	int status;

	segment_name(number, name);
	*scan = (struct scan){ .disk = disk, .at = SEGMENT_RECORDS_AT };
	scan->fd = disk->open(disk->user, dir, name, 0);
	if (scan->fd < 0)
		return fault_set(fault, scan->fd, "opening %s/%s: %s", dir, name,
				 strerror(-scan->fd));
	size = disk->size(disk->user, scan->fd);
	if (size < 0)
		return fault_set(fault, (int)size, "reading the size of %s/%s: %s", dir, name,
				 strerror((int)-size));
	scan->size = (uint64_t)size;
	status = read_header(scan);
	if (status == -ENOTSUP)
		return fault_set(fault, status, "%s/%s was written by a later version of postern",
				 dir, name);
	if (status < 0)
		return fault_set(fault, status, "%s/%s: both copies of the header are damaged", dir,
				 name);
	return 0;
}

void scan_close(struct scan *scan)
{
	if (scan->fd >= 0)
		scan->disk->close(scan->disk->user, scan->fd);
	scan->fd = -1;
	free(scan->window);
	scan->window = NULL;
	scan->filled = scan->cap = 0;
}

/* Everything from `from` to the next whole record header, or to the end. */
static enum scan_kind skip_to_next_header(struct scan *scan, uint64_t from, struct scan_item *item)
{
	uint64_t offset = from + RECORD_ALIGN;
	const unsigned char *octets;
	struct record record;

	while ((octets = scan_look(scan, offset, RECORD_HEADER_OCTETS)) != NULL &&
	       record_decode(octets, scan->seal, &record) < 0)
		offset += RECORD_ALIGN;
	item->kind = SCAN_DAMAGE;
	item->is_tail = octets == NULL;
	scan->at = octets ? offset : scan->size;
	item->octets = scan->at - item->offset;
	return SCAN_DAMAGE;
}

static enum scan_kind check_payload(struct scan *scan, struct scan_item *item)
{
	const struct record *record = &item->record;
	size_t extent = (size_t)record_extent(record->length);
	const unsigned char *octets = scan_look(scan, item->offset, extent);

	if (octets == NULL)
		return skip_to_next_header(scan, item->offset, item);
	item->octets = extent;
	scan->at += extent;
	item->whole = span_of(octets, extent);
	item->payload = span_of(octets + RECORD_HEADER_OCTETS, record->length);
	if (record_payload_sum(item->payload, scan->seal) != record->payload_sum) {
		item->kind = SCAN_DAMAGE;
		item->is_tail = scan->at >= scan->size;
		return SCAN_DAMAGE;
	}
	item->kind = SCAN_RECORD;
	item->has_bad_padding = !all_zero(item->payload.at + record->length,
					  extent - RECORD_HEADER_OCTETS - record->length);
	return SCAN_RECORD;
}

enum scan_kind scan_next(struct scan *scan, struct scan_item *item)
{
	const unsigned char *octets;

	*item = (struct scan_item){ .kind = SCAN_END, .offset = scan->at };
	if (scan->at >= scan->size)
		return SCAN_END;
	octets = scan_look(scan, scan->at, RECORD_HEADER_OCTETS);
	if (octets == NULL || record_decode(octets, scan->seal, &item->record) < 0 ||
	    item->record.id == 0) {
		item->record = (struct record){ 0 };
		return skip_to_next_header(scan, scan->at, item);
	}
	return check_payload(scan, item);
}
