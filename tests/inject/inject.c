/* SPDX-License-Identifier: MIT */
/*
 * The plan, and the calls for files. Those for memory and io_uring, where what can be injected needs
 * more than a result, are in inject_vm.c and inject_uring.c.
 */
#include "config.h"

#include "inject/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject/inject_plan.h"
#include "policy/fspolicy.h"
#include "system/unix/sys_table.h"

#define LIST(...) { __VA_ARGS__ }
#define ROW(name, function, hard, soft, part) { #name, #function, hard, soft, part },

static const struct {
	const char *name, *function;
	int hard[16], soft[20]; /* end at 0 */
	int partial;
} kinds[] = { INJECT_KINDS(ROW, LIST, LIST) };

static struct inject_plan plan; /* constant while threads run */
static int no_nameless;         /* likewise */

/* Any thread. */
static _Atomic unsigned calls;
static _Atomic int phase;
static _Atomic int interrupt; /* the kind whose function's next call is, + 1 */

/* Written by the thread that makes call `at`, before `done`; the others only read then. */
static struct {
	int kind, error, hard, phase;
	_Atomic int done;
} hit;

static _Atomic int reached, again;
static _Atomic signed char seen[INJECT_N_KINDS]; /* since the program began */

void inject_arm(const struct inject_plan *new)
{
	plan = *new;
	atomic_store(&calls, 0);
	atomic_store(&interrupt, 0);
	atomic_store(&reached, 0);
	atomic_store(&again, 0);
	atomic_store(&hit.done, 0);
	hit.kind = hit.error = hit.hard = 0;
	files_forget();
}

unsigned inject_unreached(void (*tell)(const char *kind))
{
	unsigned i, n = 0;

	for (i = 0; i < INJECT_N_KINDS; i++)
		if (!atomic_load(&seen[i])) {
			tell(kinds[i].name);
			n++;
		}
	return n;
}

struct inject_report inject_report(void)
{
	struct inject_report r = { .reached = atomic_load(&reached), .again = atomic_load(&again) };

	if (atomic_load(&hit.done)) {
		r.kind = kinds[hit.kind].name;
		r.error = hit.error;
		r.hard = hit.hard;
		r.phase = hit.phase;
	}
	return r;
}

void inject_phase(int now)
{
	atomic_store(&phase, now);
}

void inject_nameless(int works)
{
	no_nameless = !works;
}

static int same_function(int a, int b)
{
	return strcmp(kinds[a].function, kinds[b].function) == 0;
}

static int among(const int *list, int error)
{
	while (*list != 0 && *list != error)
		list++;
	return *list != 0;
}

/* The errno of that number, or 0. */
static int choose(int kind, int *hard)
{
	unsigned n_hard = 0, n_soft = 0;

	while (kinds[kind].hard[n_hard] != 0)
		n_hard++;
	while (kinds[kind].soft[n_soft] != 0)
		n_soft++;
	*hard = plan.which < n_hard;
	if (*hard)
		return kinds[kind].hard[plan.which];
	return plan.which - n_hard < n_soft ? kinds[kind].soft[plan.which - n_hard] : 0;
}

/* No failures but answers: again; somebody has it; there is nothing. No world is so for ever. */
static int is_answer(int kind, int error)
{
	const char *function = kinds[kind].function;

	return error == EINTR || error == EWOULDBLOCK ||
	       (error == ENOENT && (strcmp(function, "fstatat") == 0 || strcmp(function, "stat_name") == 0));
}

/* This is call `at`. */
static enum act act_here(int kind)
{
	int error = 0, hard = 0;

	atomic_store(&reached, 1);
	switch (plan.what) {
	case INJECT_NOTHING:
		return ACT_GO;
	case INJECT_DIE_BEFORE:
		die();
	case INJECT_DIE_AFTER:
		return ACT_DIE;
	case INJECT_PART:
	case INJECT_INTERRUPT:
		if (!kinds[kind].partial)
			return ACT_GO;
		break;
	case INJECT_ONCE:
	case INJECT_FROM_THEN_ON:
		error = choose(kind, &hard);
		if (error == 0 || (plan.what == INJECT_FROM_THEN_ON && is_answer(kind, error)))
			return ACT_GO;
		break;
	}
	hit.kind = kind;
	hit.error = error;
	hit.hard = hard;
	hit.phase = atomic_load(&phase);
	atomic_store(&hit.done, 1);
	if (plan.what == INJECT_INTERRUPT)
		atomic_store(&interrupt, kind + 1);
	errno = error;
	return error == 0 ? ACT_PART : ACT_FAIL;
}

enum act next_act(enum inject_kind kind)
{
	unsigned n = atomic_fetch_add(&calls, 1) + 1;
	int waiting = atomic_load(&interrupt);

	atomic_store(&seen[kind], 1);
	if (n == plan.at)
		return act_here((int)kind);
	if (waiting != 0 && same_function((int)kind, waiting - 1) &&
	    atomic_compare_exchange_strong(&interrupt, &waiting, 0)) {
		errno = EINTR;
		return ACT_FAIL;
	}
	if (n < plan.at || !atomic_load(&hit.done) || !same_function((int)kind, hit.kind) ||
	    (!among(kinds[kind].hard, hit.error) && !among(kinds[kind].soft, hit.error)))
		return ACT_GO;
	atomic_store(&again, 1);
	errno = hit.error;
	return plan.what == INJECT_FROM_THEN_ON ? ACT_FAIL : ACT_GO;
}

_Noreturn void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* ------------------------------------------------------------------------ calls */

static struct sys_table real;

#define SIMPLE(name, params, args) RETURNING(int, name, KIND_##name, real.name args, params)
#define RETURNING(type, name, kind, call, params)   \
	static type i_##name params                 \
	{                                           \
		type r = -1;                        \
		enum act act = next_act(kind);      \
		if (act != ACT_FAIL)                \
			r = call;                   \
		if (act == ACT_DIE)                 \
			die();                      \
		return r;                           \
	}

/* Those that may do a part: then `n` is half. */
#define PARTIAL(name, params, args)                    \
	static ssize_t i_##name params                 \
	{                                              \
		ssize_t r = -1;                        \
		enum act act = next_act(KIND_##name);  \
		if (act == ACT_PART)                   \
			n = (n + 1) / 2;               \
		if (act != ACT_FAIL)                   \
			r = real.name args;            \
		if (act == ACT_DIE)                    \
			die();                         \
		return r;                              \
	}

static enum inject_kind kind_of_open(const char *path, int flags)
{
#ifdef O_TMPFILE
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return KIND_open_nameless;
#endif
	if (flags & O_DIRECTORY)
		return KIND_open_dir;
	if ((flags & O_CREAT) && (flags & O_NONBLOCK))
		return KIND_open_lock;
	if (flags & O_EXCL)
		return KIND_open_new;
	return flags & O_CREAT && *path != '/' ? KIND_open_old : KIND_open_other;
}

static int is_dir(int fd)
{
	struct stat st;

	return real.fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int i_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	enum inject_kind kind = kind_of_open(path, flags);
	enum act act;
	int r = -1;

	if (kind == KIND_open_nameless && no_nameless) {
		errno = EOPNOTSUPP;
		return -1;
	}
	act = next_act(kind);
	if (act != ACT_FAIL)
		r = real.openat(dirfd, path, flags, mode);
	if (act == ACT_DIE)
		die();
	return r;
}

/*
 * Descriptors that something was written through, whose first close has to report what could not be. (Of a nameless
 * file that is the copy's, the second has nothing more to say.) On some file systems no close has anything to say.
 */
static _Atomic signed char written[1024];
static int closes_are_silent;

static void note_written(int fd)
{
	if (fd >= 0 && fd < 1024 && !closes_are_silent)
		atomic_store(&written[fd], 1);
}

static void forget_written(void)
{
	int fd;

	for (fd = 0; fd < 1024; fd++)
		atomic_store(&written[fd], 0);
}

void files_forget(void)
{
	forget_written();
}

/* A close that fails has closed. */
static int i_close(int fd)
{
	int first = fd >= 0 && fd < 1024 && atomic_load(&written[fd]);
	enum act act = next_act(first ? KIND_close_written : KIND_close_other);
	int error = errno;
	int r = real.close(fd);

	if (act == ACT_DIE)
		die();
	if (first)
		forget_written();
	if (act == ACT_FAIL) {
		errno = error;
		r = -1;
	}
	return r;
}

static int i_dup(int fd)
{
	enum act act = next_act(KIND_dup);
	int r = act == ACT_FAIL ? -1 : real.dup(fd);

	if (act == ACT_DIE)
		die();
	if (r >= 0 && fd < 1024 && atomic_load(&written[fd]))
		note_written(r);
	return r;
}

static int i_fallocate(int fd, int mode, off_t offset, off_t length)
{
	enum act act = next_act(KIND_fallocate);
	int r = -1;

	note_written(fd);
	if (act != ACT_FAIL)
		r = real.fallocate(fd, mode, offset, act == ACT_PART ? (length + 1) / 2 : length);
	if (act == ACT_DIE)
		die();
	/* It cannot say how much it did. */
	if (act == ACT_PART && r == 0) {
		errno = EINTR;
		r = -1;
	}
	return r;
}

RETURNING(int, ftruncate, (note_written(fd), KIND_ftruncate), real.ftruncate(fd, size), (int fd, off_t size))
RETURNING(int, fstat, is_dir(fd) ? KIND_fstat_dir : KIND_fstat_file, real.fstat(fd, st), (int fd, struct stat *st))
RETURNING(int, fsync, is_dir(fd) ? KIND_fsync_dir : KIND_fsync, real.fsync(fd), (int fd))
RETURNING(int, stat_name, *path == '\0' ? KIND_stat_dir : KIND_stat_path, real.stat_name(dirfd, path, st, info),
          (int dirfd, const char *path, struct stat *st, struct sys_name_info *info))
RETURNING(ssize_t, copy_range, KIND_copy_range, real.copy_range(from, at, to, n), (int from, off_t *at, int to, size_t n))
RETURNING(int, fstatat, KIND_fstatat_other,
          real.fstatat(dirfd, path, st, flags), (int dirfd, const char *path, struct stat *st, int flags))
RETURNING(int, fcntl, command == F_GETFL ? KIND_fcntl_ask : KIND_fcntl_claim,
          real.fcntl(fd, command, arg), (int fd, int command, void *arg))
PARTIAL(pwrite, (int fd, const void *data, size_t n, off_t offset), (fd, data, n, offset))
PARTIAL(pread, (int fd, void *data, size_t n, off_t offset), (fd, data, n, offset))
PARTIAL(write, (int fd, const void *data, size_t n), (fd, data, n))
#ifdef __linux__
SIMPLE(fstatfs, (int fd, struct statfs *st), (fd, st))
#endif
SIMPLE(dup_over, (int fd, int other), (fd, other))
SIMPLE(poll, (struct pollfd *fds, nfds_t n, int timeout), (fds, n, timeout))
SIMPLE(fdatasync, (int fd), (fd))
SIMPLE(fchmod, (int fd, mode_t mode), (fd, mode))
SIMPLE(flock, (int fd, int operation), (fd, operation))
SIMPLE(cachestat, (int fd, uint64_t length, uint64_t *pages), (fd, length, pages))
SIMPLE(linkat, (int fromdir, const char *from, int todir, const char *to, int flags),
       (fromdir, from, todir, to, flags))
SIMPLE(renameat, (int fromdir, const char *from, int todir, const char *to), (fromdir, from, todir, to))
SIMPLE(exchange, (int dirfd, const char *a, const char *b), (dirfd, a, b))
SIMPLE(unlinkat, (int dirfd, const char *path, int flags), (dirfd, path, flags))
SIMPLE(sigaction, (int signal, const struct sigaction *now, struct sigaction *before), (signal, now, before))
RETURNING(ssize_t, flistxattr, KIND_flistxattr, real.flistxattr(fd, names, n), (int fd, char *names, size_t n))
RETURNING(ssize_t, fgetxattr, KIND_fgetxattr, real.fgetxattr(fd, name, value, n),
          (int fd, const char *name, void *value, size_t n))
RETURNING(ssize_t, readlinkat, KIND_readlinkat, real.readlinkat(dirfd, path, to, n),
          (int dirfd, const char *path, char *to, size_t n))
RETURNING(ssize_t, getrandom, KIND_getrandom, real.getrandom(data, n, flags),
          (void *data, size_t n, unsigned flags))

static void replace_files(struct sys_table *t)
{
#define REPLACE(name) t->name = i_##name;
#ifdef __linux__
	REPLACE(fstatfs)
#endif
	REPLACE(openat) REPLACE(close) REPLACE(dup) REPLACE(dup_over) REPLACE(fcntl)
	REPLACE(fstat) REPLACE(fstatat) REPLACE(stat_name) REPLACE(copy_range) REPLACE(ftruncate) REPLACE(fallocate)
	REPLACE(pwrite) REPLACE(pread) REPLACE(write) REPLACE(poll)
	REPLACE(fdatasync) REPLACE(fsync) REPLACE(fchmod) REPLACE(flock)
	REPLACE(cachestat) REPLACE(flistxattr) REPLACE(fgetxattr) REPLACE(readlinkat)
	REPLACE(linkat) REPLACE(renameat) REPLACE(exchange) REPLACE(unlinkat)
	REPLACE(getrandom) REPLACE(sigaction)
}

int left_as_it_was(const void *now, const void *before, size_t size)
{
	const unsigned char *a = now, *b = before;
	size_t at;

	for (at = 0; at < size; at += sizeof(void (*)(void)))
		if (memcmp(a + at, b + at, sizeof(void (*)(void))) == 0)
			return 1;
	return 0;
}

/* Of the file system of the sandboxes. */
static int are_closes_silent(void)
{
	const char *dir = getenv("OUTBUF_TEST_DIR");
	const struct fspolicy *row;
	int fd = open(dir != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int silent = fd >= 0 && ob__fspolicy_of_file(fd, &row) == 0 && row->silent_close;

	if (fd >= 0)
		close(fd);
	return silent;
}

const char *inject_install(void)
{
	real = ob__sys_table;
	closes_are_silent = are_closes_silent();
	replace_files(&ob__sys_table);
	if (left_as_it_was(&ob__sys_table, &real, sizeof real))
		return "sys_table";
	if (vm_install() != 0)
		return "sys_vm_table";
	return uring_install() != 0 ? "sys_uring_table" : NULL;
}

void inject_remove(void)
{
	ob__sys_table = real;
	vm_remove();
	uring_remove();
}
