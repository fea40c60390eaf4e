/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rigs/spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/fspolicy.h"
#include "support/files.h"
#include "system/unix/sys_table.h"
#include "target/hidden_name.h"

struct outbuf_options recycling(void)
{
	struct outbuf_options options = OUTBUF_OPTIONS_INIT;

	options.recycle = 1;
	return options;
}

void beside(const struct sandbox *s, const char *name, char path[600])
{
	snprintf(path, 600, "%s/%s", s->dir, name);
}

void spare_path(const struct sandbox *s, char path[600])
{
	char *hidden;

	assert_int_equal(ob__hidden_name("out", 0, &hidden), 0);
	beside(s, hidden, path);
	free(hidden);
}

void spare_plant(const struct sandbox *s, size_t n)
{
	unsigned char *old = malloc(n + 1);
	char path[600];

	assert_non_null(old);
	memset(old, OLD, n);
	spare_path(s, path);
	write_file(path, old, n, 0666);
	free(old);
}

struct outbuf_stats run_once(const struct sandbox *s, uint8_t byte, size_t n)
{
	struct outbuf_options options = recycling();
	struct outbuf *ob = open_with(s->path, &options);
	struct outbuf_stats stats;

	assert_int_equal(outbuf_map(ob, n / 2), 0);
	assert_int_equal(fill_some(ob, byte, n), 0);
	assert_int_equal(outbuf_commit(ob), 0);
	stats = stats_of(ob);
	assert_int_equal(outbuf_close(ob), 0);
	assert_all(s->path, byte, n);
	return stats;
}

void assert_all(const char *path, uint8_t byte, size_t n)
{
	unsigned char *want = malloc(n + 1);

	assert_non_null(want);
	memset(want, byte, n);
	assert_file(path, want, n);
	free(want);
}

void assert_recycled(const struct outbuf_stats *stats)
{
	if (stats->recycle_why != NULL)
		fail_msg("not recycled: %s", stats->recycle_why);
	assert_string_equal(stats->placement, "recycled");
}

void assert_not_recycled(const struct outbuf_stats *stats, const char *why)
{
	assert_string_not_equal(stats->placement, "recycled");
	assert_non_null(stats->recycle_why);
	assert_string_equal(stats->recycle_why, why);
}

/* What the kernel may lack. Everything else is the library's word, or the table's. */
static int is_excuse(const struct sandbox *s, const char *why)
{
	static const char *const known[] = { "ext4", "xfs", "tmpfs" };
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct fspolicy *row;
	size_t i;

	assert_int_equal(ob__fspolicy_of_file(fd, &row), 0);
	close(fd);
	if (strncmp(why, "the system does not say", 23) == 0)
		return 1;
	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(row->name, known[i]) == 0)
			return 0;
	return 1;
}

int can_exchange(const struct sandbox *s)
{
	char a[600], b[600];
	int r;

	beside(s, "exchange-a", a);
	beside(s, "exchange-b", b);
	write_file(a, "", 0, 0600);
	write_file(b, "", 0, 0600);
	r = ob__sys_table.exchange(AT_FDCWD, a, b) == 0;
	unlink(a);
	unlink(b);
	return r;
}

void skip_unrecycled(const struct sandbox *s)
{
	struct outbuf_options options = recycling();
	unsigned before = sandbox_entries(s);
	struct outbuf_stats stats;
	struct outbuf *ob;

	/* tests/scripts/each-way.sh has these refused. */
	if (is_refused("linkat") || is_refused("renameat2")) {
		print_message("nothing is recycled without this system call\n");
		skip();
	}
	if (!can_exchange(s) && strcmp(file_system_of(s->dir), "ext4") != 0) {
		print_message("names cannot be exchanged here\n");
		skip();
	}
	spare_plant(s, 10000);
	ob = open_with(s->path, &options);
	stats = stats_of(ob);
	outbuf_close(ob);
	if (stats.recycle_why == NULL) {
		assert_int_equal(sandbox_entries(s), before);
		return;
	}
	if (!is_excuse(s, stats.recycle_why))
		fail_msg("nothing is recycled: %s", stats.recycle_why);
	print_message("nothing is recycled: %s\n", stats.recycle_why);
	skip();
}

void victim_make(struct victim *v, const char *path, size_t n, mode_t mode)
{
	char *data = malloc(n + 1);
	int fd;

	assert_non_null(data);
	memset(data, 'v', n);
	write_file(path, data, n, 0600);
	free(data);
	assert_int_equal(chmod(path, mode), 0);
	snprintf(v->path, sizeof v->path, "%s", path);
	v->n = n;
	/* A server gives it its time when the bytes arrive. */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	assert_int_equal(lstat(path, &v->st), 0);
}

void assert_untouched(const struct victim *v)
{
	struct stat now;

	assert_int_equal(lstat(v->path, &now), 0);
	assert_int_equal(now.st_ino, v->st.st_ino);
	assert_int_equal(now.st_mode, v->st.st_mode);
	assert_int_equal(now.st_uid, v->st.st_uid);
	assert_int_equal(now.st_gid, v->st.st_gid);
	assert_true(now.st_mtim.tv_sec == v->st.st_mtim.tv_sec &&
	            now.st_mtim.tv_nsec == v->st.st_mtim.tv_nsec);
	assert_all(v->path, 'v', v->n);
}
