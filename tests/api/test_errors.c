/* SPDX-License-Identifier: MIT */
/* Every error that the header names and a caller can cause; nothing is left behind by any. */
#include "config.h"

#include "support/support.h"
#ifndef _WIN32
#include "support/abilities.h"
#endif

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_open(const char *path, const struct outbuf_options *options)
{
	struct outbuf *ob = (struct outbuf *)&ob;
	int r = outbuf_open(&ob, path, options);

	if (r != 0)
		assert_null(ob);
	outbuf_close(ob);
	return r;
}

#ifndef _WIN32 /* test_windows.c has its paths and permissions */
static void test_paths(void **state)
{
	struct sandbox *s = *state;
	char path[600], longest[NAME_MAX + 300];
	static char endless[3 * PATH_MAX];

	need_symbolic_links(s);
	assert_int_equal(try_open(NULL, NULL), -EINVAL);
	assert_int_equal(outbuf_open(NULL, s->path, NULL), -EINVAL);
	assert_int_equal(try_open("", NULL), -ENOENT);
	assert_int_equal(try_open(s->dir, NULL), -EISDIR);
	assert_int_equal(try_open(".", NULL), -EISDIR);
	assert_int_equal(try_open("/", NULL), -EISDIR);

	snprintf(path, sizeof path, "%s/..", s->dir);
	assert_int_equal(try_open(path, NULL), -EISDIR);
	snprintf(path, sizeof path, "%s/new/", s->dir);
	assert_int_equal(try_open(path, NULL), -EISDIR);
	snprintf(path, sizeof path, "%s/missing/out", s->dir);
	assert_int_equal(try_open(path, NULL), -ENOENT);
	write_file(s->path, "file", 4, 0644);
	snprintf(path, sizeof path, "%s/out/below", s->dir);
	assert_int_equal(try_open(path, NULL), -ENOTDIR);

	snprintf(path, sizeof path, "%s/dirlink", s->dir);
	assert_int_equal(symlink(".", path), 0);
	assert_int_equal(try_open(path, NULL), -EISDIR);

	snprintf(longest, sizeof longest, "%s/", s->dir);
	memset(longest + strlen(longest), 'n', NAME_MAX + 1);
	longest[strlen(s->dir) + 1 + NAME_MAX + 1] = '\0';
	assert_int_equal(try_open(longest, NULL), -ENAMETOOLONG);
	memset(endless, '/', sizeof endless - 3);
	memcpy(endless + sizeof endless - 3, "x", 2);
	assert_int_equal(try_open(endless, NULL), -ENAMETOOLONG);

	/* A symbolic link that leads in a circle, nowhere, or through a file is only replaced. */
	snprintf(path, sizeof path, "%s/loop", s->dir);
	assert_int_equal(symlink("loop", path), 0);
	assert_int_equal(try_open(path, NULL), 0);
	unlink(path);
	assert_int_equal(symlink("out/below", path), 0);
	assert_int_equal(try_open(path, NULL), 0);
	unlink(path);

	assert_int_equal(sandbox_entries(s), 2);
}

/* Something not regular comes to the path between open and commit. */
static void test_path_changes_before_commit(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob;

	need(mkfifo(s->path, 0600));
	assert_int_equal(unlink(s->path), 0);
	ob = open_with(s->path, NULL);
	assert_int_equal(mkdir(s->path, 0700), 0);
	assert_int_equal(outbuf_commit(ob), -EISDIR);
	assert_int_equal(outbuf_error(ob), -EISDIR);
	outbuf_close(ob);
	assert_int_equal(rmdir(s->path), 0);
	ob = open_with(s->path, NULL);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	assert_int_equal(outbuf_commit(ob), -ENOTSUP);
	outbuf_close(ob);
	assert_int_equal(sandbox_entries(s), 1);

	/* The directory disappears. */
	unlink(s->path);
	ob = open_with(s->path, NULL);
	if (strcmp(stats_of(ob).placement, "nameless") == 0) {
		assert_int_equal(rmdir(s->dir), 0);
		assert_int_equal(outbuf_commit(ob), -ENOENT);
		assert_int_equal(mkdir(s->dir, 0700), 0);
	}
	outbuf_close(ob);
}

/* What root may, others may not: in a child without privileges. */
static int open_without_rights(void *arg)
{
	char *const *paths = arg;
	struct outbuf_options in_place = OUTBUF_OPTIONS_INIT;
	struct outbuf *ob;
	struct outbuf_view v;

	in_place.replace = OUTBUF_REPLACE_IN_PLACE;
	if (outbuf_open(&ob, paths[0], NULL) != -EACCES) /* closed/out */
		return 1;
	if (outbuf_open(&ob, paths[1], NULL) != -EACCES) /* closed/deeper/out */
		return 2;
	if (outbuf_open(&ob, paths[2], &in_place) != -EACCES) /* open/readonly */
		return 3;
	if (outbuf_open(&ob, paths[3], NULL) != -EPERM) /* sticky/theirs */
		return 4;
	/* A read-only file in a directory of ours is replaced: it is the directory that counts. */
	if (outbuf_open(&ob, paths[2], NULL) != 0 || outbuf_map(ob, 3) != 0)
		return 5;
	outbuf_view(ob, &v, 0, 3);
	outbuf_write_string(&v, "new");
	outbuf_view_end(&v);
	if (outbuf_commit(ob) != 0)
		return 6;
	outbuf_close(ob);
	return 0;
}

static void test_permissions(void **state)
{
	struct sandbox *s = *state;
	char dir[4][400], file[4][500];
	char *paths[4] = { file[0], file[1], file[2], file[3] };

	need_permissions(s);
	if (geteuid() != 0) {
		print_message("needs root: a file of somebody else must be made\n");
		skip();
	}
	assert_int_equal(chmod(s->dir, 0755), 0);
	snprintf(dir[0], sizeof dir[0], "%s/closed", s->dir);
	snprintf(dir[1], sizeof dir[1], "%s/closed/deeper", s->dir);
	snprintf(dir[2], sizeof dir[2], "%s/open", s->dir);
	snprintf(dir[3], sizeof dir[3], "%s/sticky", s->dir);
	assert_int_equal(mkdir(dir[0], 0700), 0);
	assert_int_equal(mkdir(dir[1], 0700), 0);
	assert_int_equal(mkdir(dir[2], 0777), 0);
	assert_int_equal(mkdir(dir[3], 0777), 0);
	assert_int_equal(chmod(dir[2], 0777), 0);
	assert_int_equal(chmod(dir[3], 01777), 0);
	snprintf(file[0], sizeof file[0], "%s/out", dir[0]);
	snprintf(file[1], sizeof file[1], "%s/out", dir[1]);
	snprintf(file[2], sizeof file[2], "%s/readonly", dir[2]);
	snprintf(file[3], sizeof file[3], "%s/theirs", dir[3]);
	write_file(file[2], "old", 3, 0444);
	write_file(file[3], "old", 3, 0666);
	assert_int_equal(in_child(1, open_without_rights, paths), 0);
	assert_file(file[2], "new", 3);
	assert_file(file[3], "old", 3);
}

#endif

static void test_options(void **state)
{
	struct sandbox *s = *state;
	struct { struct outbuf_options o; unsigned char more[16]; } newer;
	struct outbuf_options o = OUTBUF_OPTIONS_INIT;
	unsigned i;

	/* Each member, with a value it does not have. */
	for (i = 0; i < 9; i++) {
		o = (struct outbuf_options)OUTBUF_OPTIONS_INIT;
		switch (i) {
		case 0: o.size = 0; break;
		case 1: o.size = sizeof o.size - 1; break;
		case 2: o.mode = 010000; break;
		case 3: o.order = 2; break;
		case 4: o.replace = 3; break;
		case 5: o.map = 3; break;
		case 6: o.prealloc = 3; break;
		case 7: o.lock = 3; break;
		case 8: o.placement = 2; break;
		}
		assert_int_equal(try_open(s->path, &o), -EINVAL);
	}

	/* Older callers lack members, and ours beyond are not read. */
	for (i = sizeof o.size; i <= sizeof o; i += 4) {
		memset(&o, 0xff, sizeof o);
		memset(&o, 0, i);
		o.size = i;
		assert_int_equal(try_open(s->path, &o), 0);
	}

	/* Newer callers have more: fine if zero, refused if not. */
	memset(&newer, 0, sizeof newer);
	newer.o.size = sizeof newer;
	assert_int_equal(try_open(s->path, &newer.o), 0);
	for (i = 0; i < sizeof newer.more; i++) {
		newer.more[i] = 1;
		assert_int_equal(try_open(s->path, &newer.o), -E2BIG);
		newer.more[i] = 0;
	}
	assert_int_equal(sandbox_entries(s), 0);
}

/* What callers of other versions do have is obeyed: here the order of bytes. */
static void test_options_obeyed(void **state)
{
	struct sandbox *s = *state;
	struct { struct outbuf_options o; unsigned char more[16]; } caller;
	const size_t sizes[] = { offsetof(struct outbuf_options, replace), offsetof(struct outbuf_options, stage),
	                         sizeof caller.o, sizeof caller };
	size_t i;

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct outbuf *ob;
		struct outbuf_view v;

		/* Behind the struct there is anything, but in a newer one, zeros. */
		memset(&caller, 0xff, sizeof caller);
		memset(&caller, 0, sizes[i]);
		caller.o.size = sizes[i];
		caller.o.order = OUTBUF_BIG_ENDIAN;
		ob = open_with(s->path, &caller.o);
		assert_int_equal(outbuf_view(ob, &v, 0, 2), 0);
		assert_int_equal(outbuf_write16(&v, 0x4142), 0);
		assert_int_equal(outbuf_view_end(&v), 0);
		assert_int_equal(commit(ob), 0);
		outbuf_close(ob);
		assert_file(s->path, "AB", 2);
	}
}

/* A caller of any version gets as much as it has room for, and not a byte of its other memory is changed. */
static void test_stats(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct { struct outbuf_stats st; unsigned char more[16]; } all, some;
	const unsigned char *bytes = (const unsigned char *)&some;
	size_t size, i;

	assert_int_equal(outbuf_map(ob, 77), 0);
	memset(&all, 0xee, sizeof all);
	all.st.size = 0;
	assert_int_equal(outbuf_stats(ob, &all.st), -EINVAL);
	all.st.size = sizeof all.st.size - 1;
	assert_int_equal(outbuf_stats(ob, &all.st), -EINVAL);
	assert_int_equal(outbuf_stats(NULL, &all.st), -EINVAL);
	assert_int_equal(outbuf_stats(ob, NULL), -EINVAL);

	all.st.size = sizeof all;
	assert_int_equal(outbuf_stats(ob, &all.st), 0);
	assert_int_equal(all.st.output_size, 77);
	assert_non_null(all.st.backend);
	assert_non_null(all.st.map_why);
	assert_non_null(all.st.flush_why);
	assert_non_null(all.st.file_system);
	for (size = sizeof size; size <= sizeof some; size++) {
		memset(&some, 0xee, sizeof some);
		some.st.size = size;
		assert_int_equal(outbuf_stats(ob, &some.st), 0);
		assert_int_equal(some.st.size, size);
		for (i = offsetof(struct outbuf_stats, output_size); i < sizeof some; i++)
			assert_int_equal(bytes[i], i >= size ? 0xee : i < sizeof some.st ? ((unsigned char *)&all)[i] : 0);
	}
	outbuf_close(ob);
}

static void test_null_and_ended(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;
	void *data = s;

	assert_int_equal(outbuf_map(NULL, 1), -EINVAL);
	assert_int_equal(outbuf_unmap(NULL), -EINVAL);
	assert_int_equal(outbuf_flush(NULL), -EINVAL);
	assert_int_equal(outbuf_sync(NULL), -EINVAL);
	assert_int_equal(outbuf_set_size(NULL, 1), -EINVAL);
	assert_int_equal(outbuf_commit(NULL), -EINVAL);
	assert_int_equal(outbuf_discard(NULL), -EINVAL);
	assert_int_equal(outbuf_fail(NULL, -1), -EINVAL);
	assert_int_equal(outbuf_close(NULL), 0);
	assert_int_equal(outbuf_view(ob, NULL, 0, 1), -EINVAL);
	assert_int_equal(outbuf_view(NULL, &v, 0, 1), -EINVAL);
	assert_int_equal(outbuf_write8(&v, 1), -EINVAL);
	assert_int_equal(outbuf_view_end(&v), -EINVAL);
	assert_int_equal(outbuf_data(NULL, 0, 1, &data), -EINVAL);
	assert_null(data);
	assert_int_equal(outbuf_data(ob, 0, 1, NULL), -EINVAL);

	/* A View that was never opened, all zero. */
	memset(&v, 0, sizeof v);
	assert_int_equal(outbuf_write8(&v, 1), -EBADF);
	assert_int_equal(outbuf_write(&v, "x", 1), -EBADF);
	assert_int_equal(outbuf_seek(&v, 1), -EBADF);
	assert_int_equal(outbuf_reserve(&v, 1, &data), -EBADF);
	assert_int_equal(outbuf_align(&v, 4, 0), -EBADF);
	assert_int_equal(outbuf_write_stringn(&v, "x", 3), -EBADF);
	assert_int_equal(outbuf_view_end(&v), -EBADF);
	assert_int_equal(outbuf_error(ob), 0);

	assert_int_equal(outbuf_commit(ob), 0);
	assert_int_equal(outbuf_commit(ob), -EINVAL);
	assert_int_equal(outbuf_map(ob, 10), -EINVAL);
	assert_int_equal(outbuf_unmap(ob), -EINVAL);
	assert_int_equal(outbuf_flush(ob), -EINVAL);
	assert_int_equal(outbuf_sync(ob), -EINVAL);
	assert_int_equal(outbuf_set_size(ob, 1), -EINVAL);
	assert_int_equal(outbuf_discard(ob), -EINVAL);
	assert_int_equal(outbuf_data(ob, 0, 1, &data), -EINVAL);
	assert_int_equal(outbuf_view(ob, &v, 0, 1), -EINVAL);
	assert_int_equal(outbuf_close(ob), 0);
	assert_file(s->path, "", 0);
}

static void test_arguments(void **state)
{
	struct sandbox *s = *state;
	uint64_t bad[] = { 0, 3, 12, UINT64_MAX };
	struct outbuf_view v;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct outbuf *ob = open_with(s->path, NULL);

		assert_int_equal(outbuf_view(ob, &v, 1, 100), 0);
		assert_int_equal(outbuf_align(&v, bad[i], 0), -EINVAL);
		assert_int_equal(outbuf_view_end(&v), -EINVAL);
		assert_int_equal(outbuf_view(ob, &v, 1, 100), 0);
		assert_int_equal(outbuf_write_stringpad(&v, "x", 2, "", 0), -EINVAL);
		assert_int_equal(outbuf_view_end(&v), -EINVAL);
		assert_int_equal(outbuf_commit(ob), -EINVAL);
		outbuf_close(ob);
	}
	assert_int_equal(sandbox_entries(s), 0);
}

/* Commit while a View is open: nothing is lost, it works when the View has ended. */
static void test_busy(void **state)
{
	struct sandbox *s = *state;
	struct outbuf *ob = open_with(s->path, NULL);
	struct outbuf_view v;

	assert_int_equal(outbuf_map(ob, 2), 0);
	assert_int_equal(outbuf_view(ob, &v, 0, OUTBUF_UNBOUNDED), 0);
	assert_int_equal(outbuf_write_string(&v, "ab"), 0);
	assert_int_equal(outbuf_commit(ob), -EBUSY);
	assert_int_equal(outbuf_map(ob, 100), -EBUSY);
	assert_int_equal(outbuf_sync(ob), -EBUSY);
	assert_absent(s->path);
	assert_int_equal(outbuf_write_string(&v, "cd"), 0);
	assert_int_equal(outbuf_view_end(&v), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	assert_int_equal(outbuf_close(ob), 0);
	assert_file(s->path, "abcd", 4);
}

/* Close while Views are open: one staged with a block, one short, one without a length. All goes, nothing is published. */
static void test_close_with_views(void **state)
{
	struct sandbox *s = *state;
	int committing;

	for (committing = 0; committing < 2; committing++) {
		struct outbuf_view v[3];
		struct outbuf *ob;

		write_file(s->path, "old", 3, 0666);
		ob = open_with(s->path, NULL);
		assert_int_equal(outbuf_view(ob, &v[0], 0, 100000), 0);
		assert_int_equal(outbuf_write_string(&v[0], "ab"), 0);
		assert_int_equal(outbuf_view(ob, &v[1], 100000, 10), 0);
		assert_int_equal(outbuf_view(ob, &v[2], 200000, OUTBUF_UNBOUNDED), 0);
		assert_int_equal(outbuf_fill(&v[2], 'x', 300000), 0);
		if (committing)
			assert_int_equal(outbuf_commit(ob), -EBUSY);
		assert_int_equal(outbuf_close(ob), 0);
		assert_file(s->path, "old", 3);
		assert_int_equal(sandbox_entries(s), 1);
	}
}

static void test_version(void **state)
{
	char want[32];

	(void)state;
	snprintf(want, sizeof want, "%d.%d.%d", OUTBUF_VERSION_MAJOR, OUTBUF_VERSION_MINOR,
	         OUTBUF_VERSION_PATCH);
	assert_string_equal(outbuf_version(), want);
	assert_string_equal(outbuf_version(), PACKAGE_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef _WIN32
		sandbox_test(test_paths),
		sandbox_test(test_path_changes_before_commit),
		sandbox_test(test_permissions),
#endif
		sandbox_test(test_options),
		sandbox_test(test_options_obeyed),
		sandbox_test(test_stats),
		sandbox_test(test_null_and_ended),
		sandbox_test(test_arguments),
		sandbox_test(test_busy),
		sandbox_test(test_close_with_views),
		sandbox_test(test_version),
	};

	return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
