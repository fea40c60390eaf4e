/* SPDX-License-Identifier: MIT */
/*
 * One sentence for a person: which output failed, in which operation, by what.
 *
 * The texts of errno values are about system calls. Of a View that was written past its end strerror(3) says
 * "Numerical result out of range", of an overlap "File exists", of an open View "Device or resource busy". The
 * library knows more: the path, the operation and the numbers, which were noted when the error occurred (failure.h).
 */
#include "config.h"

#include "api/error_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output/state.h"

/* The last output that could not be opened on this thread: there is no struct outbuf to note that in. */
static _Thread_local struct {
	int error;      /* a negative errno; 0: none */
	char path[256]; /* its end may be missing; empty: there was none */
} failed_open;

int ob__error_text_note_open(const char *path, int error)
{
	failed_open.error = error;
	snprintf(failed_open.path, sizeof failed_open.path, "%s", path != NULL ? path : "");
	return error;
}

/* Text that is cut at the end of the buffer. `length` is what it would have without that. */
struct text {
	char *to;
	size_t size, length;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void say(struct text *t, const char *format, ...)
{
	size_t used = t->length < t->size ? t->length : t->size;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(t->size > 0 ? t->to + used : NULL, t->size - used, format, arguments);
	va_end(arguments);
	t->length += n > 0 ? (size_t)n : 0;
}

static void say_path(struct text *t, const char *path)
{
	if (path != NULL && strcmp(path, "-") == 0)
		path = "standard output";
	say(t, "%s: ", path != NULL ? path : "output");
}

static void say_range(struct text *t, uint64_t begin, uint64_t end)
{
	if (end == UINT64_MAX)
		say(t, "[%" PRIu64 ", ...)", begin);
	else
		say(t, "[%" PRIu64 ", %" PRIu64 ")", begin, end);
}

/* The reason in words, where those of the C library are about something else. */
static void say_reason(struct text *t, int error)
{
	char buffer[128];

	switch (error) {
	case -EINVAL:
		say(t, "not possible in this state, or a wrong argument");
		break;
	case -E2BIG:
		say(t, "options that this version of the library does not know");
		break;
	case -EFBIG:
		say(t, "larger than the output, the file or the process's limit allows");
		break;
#ifdef ESTALE /* not on Windows */
	case -ESTALE:
		say(t, "somebody else has replaced the file under its temporary name");
		break;
#endif
	case -EDEADLK:
		say(t, "made inside a call that it would wait for");
		break;
	case -ECANCELED:
		say(t, "it was discarded");
		break;
	default:
#ifdef _WIN32
		(void)buffer;
		say(t, "%s", strerror(-error));
#elif defined(__GLIBC__)
		/* The GNU function: strerror(3) is not for threads. */
		say(t, "%s", strerror_r(-error, buffer, sizeof buffer));
#else
		if (strerror_r(-error, buffer, sizeof buffer) != 0)
			snprintf(buffer, sizeof buffer, "error %d", -error);
		say(t, "%s", buffer);
#endif
	}
}

static void say_write(struct text *t, int error, const struct failure *f)
{
	say(t, "view ");
	say_range(t, f->begin, f->end);
	if (error == -ERANGE) {
		say(t, ": a write of %" PRIu64 " bytes at %" PRIu64 " passes its end", f->n, f->offset);
		return;
	}
	say(t, ": writing at %" PRIu64 ": ", f->offset);
	say_reason(t, error);
}

/* What an operation on the whole output is called. */
static const char *operation_name(enum failed_operation operation)
{
	switch ((int)operation) {
	case FAILED_FLUSH:
		return "writing: ";
	case FAILED_SYNC:
		return "waiting for the disk: ";
	case FAILED_UNMAP:
		return "unmapping: ";
	case FAILED_WALK:
		return "reading it once more: ";
	case FAILED_COMMIT:
		return "completing the file: ";
	case FAILED_PUBLISH:
		return "putting the file at its path: ";
	default:
		return "";
	}
}

static void say_failure(struct text *t, struct outbuf *ob, int error, const struct failure *f)
{
	struct range range, other;

	if (error == -EEXIST && ob__coverage_conflict(&ob->coverage, &range, &other)) {
		say(t, "view ");
		say_range(t, range.offset, range_end(range));
		say(t, " overlaps ");
		say_range(t, other.offset, range_end(other));
		return;
	}
	if (error == -ENODATA && ob->gap.length > 0) {
		say(t, "nobody wrote ");
		say_range(t, ob->gap.offset, range_end(ob->gap));
		return;
	}
	switch ((int)f->operation) {
	case FAILED_VIEW:
		say(t, "view ");
		say_range(t, f->begin, f->end);
		say(t, ": ");
		break;
	case FAILED_WRITE:
		say_write(t, error, f);
		return;
	case FAILED_SEEK:
		say(t, "view ");
		say_range(t, f->begin, f->end);
		say(t, ": moving to %" PRIu64 ": ", f->offset);
		if (error == -ERANGE) {
			say(t, "outside of it");
			return;
		}
		break;
	case FAILED_RELEASE:
		say(t, "releasing ");
		say_range(t, f->begin, f->end);
		say(t, ": ");
		break;
	case FAILED_PROGRAM:
		say(t, "the program gave it up: ");
		break;
	case FAILED_MAP:
		say(t, "planning %" PRIu64 " bytes: ", f->end);
		break;
	case FAILED_SIZE:
		say(t, "setting the size to %" PRIu64 " bytes: ", f->end);
		break;
	case FAILED_DATA:
		say(t, "memory of ");
		say_range(t, f->begin, f->end);
		say(t, ": ");
		break;
	default:
		say(t, "%s", operation_name(f->operation));
		break;
	}
	if (error == -EBUSY && f->refused)
		say(t, "a View was still open");
	else
		say_reason(t, error);
}

/* How many Views are open, and which. Says nothing and returns 0 if none is. */
static int say_open_views(struct text *t, struct outbuf *ob)
{
	struct range ranges[3];
	size_t known, i;
	uint64_t n = ob__open_views_list(&ob->views, ranges, sizeof ranges / sizeof *ranges, &known);

	if (n == 0)
		return 0;
	say(t, n == 1 ? "1 view is still open" : "%" PRIu64 " views are still open", n);
	for (i = 0; i < known; i++) {
		say(t, i == 0 ? ": " : ", ");
		say_range(t, ranges[i].offset, range_end(ranges[i]));
	}
	if (known > 0 && n > known)
		say(t, " and %" PRIu64 " more", n - known);
	return 1;
}

static void say_failed_open(struct text *t)
{
	say_path(t, *failed_open.path != '\0' ? failed_open.path : NULL);
	if (failed_open.error == -EBUSY)
		say(t, "another program that locks it is writing it");
	else
		say_reason(t, failed_open.error);
}

size_t outbuf_error_text(struct outbuf *ob, char *buffer, size_t size)
{
	struct text t = { buffer, size, 0 };
	struct failure f = { .operation = FAILED_NOTHING };
	int error;

	if (size > 0)
		*buffer = '\0';
	if (ob == NULL) {
		if (failed_open.error == 0)
			say(&t, "no output");
		else
			say_failed_open(&t);
		return t.length;
	}
	error = state_error(ob);
	if (error == 0)
		error = ob__state_last_error(ob, &f);
	else if (atomic_load_explicit(&ob->failure_known, memory_order_acquire))
		f = ob->failure;
	say_path(&t, ob->path);
	if (error == -EBUSY && f.refused && say_open_views(&t, ob))
		return t.length;
	if (error == 0)
		say(&t, "no error");
	else
		say_failure(&t, ob, error, &f);
	return t.length;
}
