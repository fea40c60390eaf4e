/* SPDX-License-Identifier: MIT */
/*
 * Who decides how an output is written: options, environment, what is known about file systems, and
 * what is tried out where nothing is known. Whatever is chosen, the bytes are the same, and the
 * statistics tell.
 */
#include "config.h"

#include "inject/faults.h"
#include "policy/fspolicy.h"
#include "rigs/mixed.h"
#include "system/unix/sys_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif
#ifdef HAVE_VM
#include <sys/mman.h>

#include "system/unix/sys_vm.h"
#endif

static struct sys_table real;
#ifdef HAVE_VM
static struct sys_vm_table real_vm;
#endif

static void set(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void set_environment(const char *map, const char *stage, const char *flush)
{
	set("OUTBUF_MAP", map);
	set("OUTBUF_STAGE", stage);
	set("OUTBUF_FLUSH", flush);
}

static int prepare(void **state)
{
	forget_wishes();
	real = ob__sys_table;
#ifdef HAVE_VM
	real_vm = ob__sys_vm_table;
#endif
	return mixed_make(state);
}

static int end(void **state)
{
	forget_wishes();
	return faults_end(state);
}

#define choice_test(f) cmocka_unit_test_setup_teardown(f, faults_begin, end)

/* The same bytes as always; statistics from before the end. */
static struct outbuf_stats write_all(struct sandbox *s, const struct outbuf_options *options)
{
	struct outbuf *ob = NULL;
	struct outbuf_stats stats;

	assert_int_equal(outbuf_open(&ob, s->path, options), 0);
	assert_int_equal(mixed_emit(ob), 0);
	stats = stats_of(ob);
	assert_int_equal(outbuf_commit(ob), 0);
	outbuf_close(ob);
	assert_file(s->path, mixed_want, MIXED_SIZE);
	assert_int_equal(sandbox_entries(s), 1);
	return stats;
}

/* ---------------------------------------------------------- options and environment */

static struct {
	struct outbuf_stats stats; /* when nobody says anything */
	int maps;                  /* a mapping can be had */
	int uring;                 /* 0, or why io_uring cannot */
} here;

static void find_out(struct sandbox *s)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;

	here.stats = write_all(s, NULL);
	here.maps = has_vm() && required_mapping() == 0;
	o.flush = OUTBUF_FLUSH_URING;
	here.uring = outbuf_open(&ob, s->path, &o);
	outbuf_close(ob);
}

/* What must become of options and environment. */
struct expected {
	int open, map;       /* results */
	const char *backend, *flush_why, *map_why;
	int flush_error, mapped, staged;
};

static int is(const char *text, const char *other)
{
	return text != NULL && strcmp(text, other) == 0;
}

static void expect_backend(struct expected *e, const struct outbuf_options *o, const char *flush)
{
	int no_stream = o->map == OUTBUF_REQUIRE || o->stage == OUTBUF_REQUIRE;

	e->backend = here.stats.backend;
	e->flush_why = here.stats.flush_why;
	if (o->flush != OUTBUF_FLUSH_AUTO) {
		e->flush_why = "option";
		e->backend = o->flush == OUTBUF_FLUSH_PWRITE  ? "pwrite"
		             : o->flush == OUTBUF_FLUSH_URING ? "uring"
		                                              : "stream";
		if (o->flush == OUTBUF_FLUSH_URING)
			e->open = here.uring;
		if (o->flush == OUTBUF_FLUSH_STREAM && no_stream)
			e->open = -ENOTSUP;
		return;
	}
	if (flush == NULL || *flush == '\0')
		return;
	e->flush_why = "OUTBUF_FLUSH";
	if (is(flush, "uring") && here.uring < 0)
		e->flush_error = here.uring;
	else if (is(flush, "stream") && no_stream)
		e->flush_error = -ENOTSUP;
	else if (is(flush, "pwrite") || is(flush, "uring") || is(flush, "stream"))
		e->backend = flush;
	else
		e->flush_error = -EINVAL;
}

static struct expected expect(const struct outbuf_options *o, const char *map, const char *stage,
                              const char *flush)
{
	struct expected e = { .map_why = here.stats.map_why };
	int front_to_back;

	expect_backend(&e, o, flush);
	front_to_back = is(e.backend, "stream");
	e.mapped = here.stats.mapped > 0;
	if (is(map, "yes") || is(map, "no")) {
		e.map_why = "OUTBUF_MAP";
		e.mapped = is(map, "yes") && here.maps;
	}
	if (front_to_back)
		e.map_why = "written front to back";
	if (o->map != OUTBUF_AUTO) {
		e.map_why = "option";
		e.mapped = o->map == OUTBUF_REQUIRE;
	}
	e.map = e.mapped && !here.maps;
	e.staged = is(stage, "no") ? 0 : is(stage, "yes") ? 1 : (int)here.stats.staged;
	if (o->stage != OUTBUF_AUTO)
		e.staged = o->stage == OUTBUF_REQUIRE;
	if (front_to_back)
		e.mapped = e.staged = 0;
	return e;
}

static void check_choice(struct sandbox *s, const struct outbuf_options *o, const char *map,
                         const char *stage, const char *flush)
{
	struct expected e = expect(o, map, stage, flush);
	struct outbuf_stats stats;
	struct outbuf *ob;

	if (e.open < 0) {
		assert_int_equal(outbuf_open(&ob, s->path, o), e.open);
		assert_null(ob);
		return;
	}
	if (e.map) {
		assert_int_equal(outbuf_open(&ob, s->path, o), 0);
		assert_int_equal(outbuf_map(ob, 100), required_mapping());
		outbuf_close(ob);
		return;
	}
	stats = write_all(s, o);
	assert_string_equal(stats.backend, e.backend);
	assert_int_equal(stats.flush_error, e.flush_error);
	assert_string_equal(stats.flush_why, e.flush_why);
	assert_string_equal(stats.map_why, e.map_why);
	assert_int_equal(stats.mapped, e.mapped ? MIXED_PLANNED : 0);
	assert_int_equal(stats.staged, e.staged);
}

static void test_options_and_environment(void **state)
{
	static const char *const maps[] = { NULL, "yes", "no", "perhaps" };
	static const char *const stages[] = { NULL, "yes", "no", "1" };
	static const char *const flushes[] = { NULL, "", "pwrite", "uring", "stream", "nonsense" };
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	unsigned long every = 7 * one_in(); /* all of it takes valgrind two minutes */
	uint64_t seed = 5;
	size_t i, j, k;

	find_out(*state);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++)
			for (k = 0; k < 6; k++) {
				set_environment(maps[i], stages[j], flushes[k]);
				for (o.flush = 0; o.flush <= OUTBUF_FLUSH_STREAM; o.flush++)
					for (o.map = 0; o.map <= OUTBUF_REQUIRE; o.map++)
						for (o.stage = 0; o.stage <= OUTBUF_REQUIRE; o.stage++)
							if (random_below(&seed, every) == 0)
								check_choice(*state, &o, maps[i], stages[j],
								             flushes[k]);
			}
}

/* What there is no way to do with something special: passed over if it was only a wish. */
static int take(void *arg, uint64_t offset, const void *data, size_t n)
{
	if (offset + n <= MIXED_SIZE)
		memcpy((unsigned char *)arg + offset, data, n);
	return offset + n <= MIXED_SIZE ? 0 : -ERANGE;
}

static void test_wishes_for_special_outputs(void **state)
{
	static const char *const flushes[] = { "pwrite", "uring", "stream" };
	static unsigned char got[MIXED_SIZE];
	struct sandbox *s = *state;
	struct outbuf *ob;
	uint64_t n;
	size_t i;

	for (i = 0; i < 3; i++) {
		int fd;

		set_environment("yes", "yes", flushes[i]);
		memset(got, 0, sizeof got);
		assert_int_equal(outbuf_open_sink(&ob, take, got, NULL), 0);
		assert_int_equal(mixed_emit(ob), 0);
		assert_string_equal(stats_of(ob).backend, "sink");
		assert_true(stats_of(ob).flush_error < 0);
		assert_string_equal(stats_of(ob).map_why, "not a regular file");
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		assert_memory_equal(got, mixed_want, MIXED_SIZE);

		assert_int_equal(outbuf_open_memory(&ob, NULL), 0);
		assert_int_equal(mixed_emit(ob), 0);
		assert_string_equal(stats_of(ob).backend, "memory");
		assert_true(stats_of(ob).flush_error < 0);
		assert_int_equal(outbuf_commit(ob), 0);
		assert_memory_equal(outbuf_memory(ob, &n), mixed_want, MIXED_SIZE);
		outbuf_close(ob);

		/* A file behind a descriptor: its position counts, which only stream knows. */
		write_file(s->path, "1234567", 7, 0600);
		fd = open(s->path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
		assert_int_equal(outbuf_open_fd(&ob, fd, NULL), 0);
		assert_string_equal(stats_of(ob).backend, "stream");
		assert_int_equal(stats_of(ob).flush_error < 0, i < 2);
		assert_int_equal(fill_some(ob, 'n', 3), 0);
		assert_int_equal(outbuf_commit(ob), 0);
		outbuf_close(ob);
		close(fd);
		assert_file(s->path, "12345nnn", 8);
	}
}

/* ------------------------------------------------------------------------ the table */

static const struct { uint32_t magic; const char *name; int maps, reserves, nameless; } known[] = {
	{ 0xef53, "ext4", 1, 1, 1 },       { 0x58465342, "xfs", 1, 1, 1 },
	{ 0x9123683e, "btrfs", 0, 1, 1 },  { 0x01021994, "tmpfs", 1, 1, 1 },
	{ 0x794c7630, "overlay", 1, 1, 1 },{ 0x65735546, "fuse", 0, 1, 1 },
	{ 0x6969, "nfs", 0, 1, 1 },        { 0xff534d42, "cifs", 0, 0, 1 },
	{ 0xfe534d42, "smb2", 0, 0, 1 },   { 0x517b, "smb", 0, 0, 1 },
	{ 0x01021997, "9p", 0, 0, 0 },     { 0x786f4256, "vboxsf", 0, 0, 0 },
	{ 0x4d44, "vfat", 0, 0, 0 },       { 0x2011bab0, "exfat", 0, 0, 0 },
	{ 0x2fc12fc1, "zfs", 0, 0, 1 },    { 0, "unknown", 1, 1, 1 },
};
#define KNOWN (sizeof known / sizeof *known)

static void test_table(void **state)
{
	const struct fspolicy *rows[64], *first = ob__fspolicy_of_magic(0), *unknown = first, *row;
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < KNOWN; i++) {
		row = ob__fspolicy_of_magic(known[i].magic);
		assert_string_equal(row->name, known[i].name);
		assert_int_equal(row->magic, known[i].magic);
		assert_int_equal(row->map, known[i].maps);
		assert_int_equal(row->tmpfile, known[i].nameless);
		first = row < first ? row : first;
	}
	/* The rows lie one behind the other, and the unknown one is the last. */
	for (row = first; row <= unknown; row++) {
		assert_true(n < 64);
		assert_true(row->name != NULL && *row->name != '\0');
		assert_true(row->why != NULL && *row->why != '\0');
		/* Found at its own magic: no two rows have the same. */
		assert_ptr_equal(ob__fspolicy_of_magic(row->magic), row);
		assert_int_equal(row->magic == 0, row == unknown);
		for (i = 0; i < n; i++)
			assert_string_not_equal(rows[i]->name, row->name);
		rows[n++] = row;
	}
	assert_ptr_equal(ob__fspolicy_of_magic(0x12345), unknown);
	assert_ptr_equal(ob__fspolicy_of_magic(UINT32_MAX), unknown);
	/* What is not known is tried and looked after. */
	assert_true(unknown->verify);
}

#ifdef __linux__

static _Atomic int nameless_files, mappings, reservations, reads;

static int count_nameless(int dirfd, const char *path, int flags, mode_t mode)
{
#ifdef O_TMPFILE
	if ((flags & O_TMPFILE) == O_TMPFILE)
		atomic_fetch_add(&nameless_files, 1);
#endif
	return real.openat(dirfd, path, flags, mode);
}

static int count_fallocate(int fd, int mode, off_t offset, off_t length)
{
	atomic_fetch_add(&reservations, 1);
	return real.fallocate(fd, mode, offset, length);
}

static ssize_t count_pread(int fd, void *data, size_t n, off_t offset)
{
	atomic_fetch_add(&reads, 1);
	return real.pread(fd, data, n, offset);
}

#ifdef HAVE_VM
static void *count_mappings(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (fd >= 0)
		atomic_fetch_add(&mappings, 1);
	return real_vm.mmap(at, n, prot, flags, fd, offset);
}
#endif

static void pretend(uint32_t magic)
{
	pretend_file_system(magic);
	ob__sys_table.openat = count_nameless;
	ob__sys_table.fallocate = count_fallocate;
	ob__sys_table.pread = count_pread;
#ifdef HAVE_VM
	ob__sys_vm_table.mmap = count_mappings;
#endif
	atomic_store(&nameless_files, 0);
	atomic_store(&mappings, 0);
	atomic_store(&reservations, 0);
	atomic_store(&reads, 0);
}

static void test_each_file_system(void **state)
{
	struct sandbox *s = *state;
	struct outbuf_stats stats;
	size_t i;
	int in_place;

	find_out(s);
	for (i = 0; i < KNOWN; i++)
		for (in_place = 0; in_place < 2; in_place++) {
			struct outbuf_options o = OUTBUF_OPTIONS_INIT;
			const struct fspolicy *row = ob__fspolicy_of_magic(known[i].magic);

			o.replace = in_place ? OUTBUF_REPLACE_IN_PLACE : OUTBUF_REPLACE_ATOMIC;
			pretend(known[i].magic != 0 ? known[i].magic : 0x12345);
			stats = write_all(s, &o);
			assert_string_equal(stats.file_system, known[i].name);
			assert_string_equal(stats.map_why, row->why);
			if (!known[i].maps) {
				assert_int_equal(stats.mapped, 0);
				assert_int_equal(stats.map_error, 0);
				assert_int_equal(atomic_load(&mappings), 0);
			} else if (here.maps) {
				assert_int_equal(stats.mapped, MIXED_PLANNED);
				assert_true(atomic_load(&mappings) >= 2);
				/* Tried and read back where nothing is known, nowhere else. */
				assert_int_equal(atomic_load(&reads) > 0, row->verify);
			}
			if (!known[i].reserves) {
				assert_int_equal(atomic_load(&reservations), 0);
				/* In place and not mapped, that is for commit to find. */
				if (!in_place)
					assert_int_equal(stats.prealloc_error, -EOPNOTSUPP);
			} else {
				assert_true(atomic_load(&reservations) > 0);
			}
			if (in_place)
				continue;
			assert_int_equal(atomic_load(&nameless_files) > 0, known[i].nameless);
			if (!known[i].nameless)
				assert_string_equal(stats.placement, "named");
		}
}

/* Whoever knows better says so. */
static void test_table_is_overruled(void **state)
{
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	struct outbuf_stats stats;

	find_out(*state);
	pretend(0x6969);
	set_environment("yes", NULL, NULL);
	stats = write_all(*state, NULL);
	assert_int_equal(stats.mapped, here.maps ? MIXED_PLANNED : 0);
	assert_string_equal(stats.map_why, "OUTBUF_MAP");
	set_environment("no", NULL, NULL);
	if (here.maps) {
		o.map = OUTBUF_REQUIRE;
		stats = write_all(*state, &o);
		assert_int_equal(stats.mapped, MIXED_PLANNED);
		assert_string_equal(stats.map_why, "option");
	}
	set_environment(NULL, NULL, NULL);
	pretend(0x2fc12fc1);
	o.map = OUTBUF_AUTO;
	o.prealloc = OUTBUF_REQUIRE;
	if (here.stats.prealloc_error == 0) {
		stats = write_all(*state, &o);
		assert_int_equal(stats.prealloc_error, 0);
		assert_true(atomic_load(&reservations) > 0);
	}
}

/* ------------------------------------------------------------------------- 9p */

static dev_t claimed_device;

static int claim_ext4(int fd, struct statfs *st)
{
	int r = real.fstatfs(fd, st);

	st->f_type = 0xef53;
	return r;
}

static int claim_device(int fd, struct stat *st)
{
	int r = real.fstat(fd, st);

	st->st_dev = claimed_device;
	return r;
}

static const char *name_of(int fd)
{
	const struct fspolicy *row;

	assert_int_equal(ob__fspolicy_of_file(fd, &row), 0);
	return row->name;
}

/*
 * As 9p answers whose server has ext4: with ext4's number, on no disk. What such a device is called /proc tells: here
 * those of /proc itself, which the table does not have, and of a tmpfs, if there is one.
 */
static void test_number_of_another(void **state)
{
	struct stat st;
	struct statfs fs;
	int fd = open(".", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	ob__sys_table.fstatfs = claim_ext4;
	ob__sys_table.fstat = claim_device;
	claimed_device = makedev(8, 1);
	assert_string_equal(name_of(fd), "ext4");
	assert_int_equal(stat("/proc", &st), 0);
	claimed_device = st.st_dev;
	assert_string_equal(name_of(fd), "unknown");
	/* No such mount. */
	claimed_device = makedev(0, 0xfffff);
	assert_string_equal(name_of(fd), "unknown");
	if (statfs("/dev/shm", &fs) == 0 && fs.f_type == 0x01021994 && stat("/dev/shm", &st) == 0) {
		claimed_device = st.st_dev;
		assert_string_equal(name_of(fd), "tmpfs");
	}
	close(fd);
}

static int no_answer;

static int failing_fstatfs(int fd, struct statfs *st)
{
	(void)fd, (void)st;
	errno = no_answer;
	return -1;
}

static void test_no_answer(void **state)
{
	static const int errors[] = { ENOSYS, EPERM, EIO, EACCES };
	size_t i;

	find_out(*state);
	for (i = 0; i < sizeof errors / sizeof *errors; i++) {
		struct outbuf_stats stats;

		no_answer = errors[i];
		ob__sys_table.fstatfs = failing_fstatfs;
		stats = write_all(*state, NULL);
		assert_string_equal(stats.file_system, "unknown");
		assert_int_equal(stats.mapped, here.maps ? MIXED_PLANNED : 0);
	}
}

#endif /* __linux__ */

int main(void)
{
	const struct CMUnitTest tests[] = {
		choice_test(test_options_and_environment),
		choice_test(test_wishes_for_special_outputs),
		choice_test(test_table),
#ifdef __linux__
		choice_test(test_each_file_system),
		choice_test(test_table_is_overruled),
		choice_test(test_number_of_another),
		choice_test(test_no_answer),
#endif
	};

	return cmocka_run_group_tests_name("choice", tests, prepare, NULL);
}
