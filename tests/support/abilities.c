/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "support/abilities.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/files.h"

/* Has the file system all that is asked for here? */
static int is_complete(const char *dir)
{
	static const char *const complete[] = { "ext4", "xfs", "tmpfs" };
	size_t i;

	for (i = 0; i < sizeof complete / sizeof *complete; i++)
		if (strcmp(file_system_of(dir), complete[i]) == 0)
			return 1;
	return 0;
}

/* It is missing here. On file systems that have all of it that is a failure. */
static void skip_for(const struct sandbox *s, const char *why)
{
	if (is_complete(s->dir))
		fail_msg("%s: %s", file_system_of(s->dir), why);
	print_message("%s\n", why);
	skip();
}

void need(int made)
{
	const char *dir = getenv("OUTBUF_TEST_DIR");
	int error = errno, refused = error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP;

	if (made >= 0)
		return;
	/* Elsewhere they have other words for it: SMB says EIO. */
	if (!refused && is_complete(dir != NULL ? dir : "."))
		fail_msg("%s", strerror(error));
	print_message("cannot be made here: %s\n", strerror(error));
	skip();
}

/* A name in the sandbox that no test uses. */
static void probe(const struct sandbox *s, const char *which, char path[400])
{
	snprintf(path, 400, "%s/probe-%s", s->dir, which);
}

void need_permissions(const struct sandbox *s)
{
	mode_t before = umask(027);
	char path[400];
	struct stat st;
	int fd, ok;

	probe(s, "mode", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	umask(before);
	ok = fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640 && fchmod(fd, 0604) == 0 && fstat(fd, &st) == 0 &&
	     (st.st_mode & 07777) == 0604 && (geteuid() != 0 || fchown(fd, 65534, 65534) == 0) && fstat(fd, &st) == 0 &&
	     (geteuid() != 0 || st.st_uid == 65534);
	if (fd >= 0)
		close(fd);
	unlink(path);
	if (!ok)
		skip_for(s, "files have no permissions and owners here");
}

void need_symbolic_links(const struct sandbox *s)
{
	char path[400];
	int r;

	probe(s, "link", path);
	r = symlink("nowhere", path);
	unlink(path);
	if (r < 0)
		skip_for(s, "there are no symbolic links here");
}

void need_hard_links(const struct sandbox *s)
{
	char a[400], b[400];
	struct stat st;
	int ok;

	probe(s, "one", a);
	probe(s, "two", b);
	ok = put_file(a, "1", 1) == 0 && link(a, b) == 0 && put_file(b, "22", 2) == 0 && same_file(a, "22", 2) == 0 &&
	     stat(a, &st) == 0 && st.st_nlink == 2;
	unlink(a);
	unlink(b);
	if (!ok)
		skip_for(s, "a file cannot have two names here");
}

void need_holes(const struct sandbox *s)
{
	char path[400];
	struct stat st;
	int fd, ok;

	probe(s, "hole", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ok = fd >= 0 && ftruncate(fd, 1 << 20) == 0 && fsync(fd) == 0 && fstat(fd, &st) == 0 && st.st_blocks < 1024;
	if (fd >= 0)
		close(fd);
	unlink(path);
	if (!ok)
		skip_for(s, "files have no holes here");
}

void need_removing_open(const struct sandbox *s)
{
	char path[400];
	int fd, again = -1;

	probe(s, "open", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && unlink(path) == 0 && access(path, F_OK) < 0)
		again = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	if (again >= 0)
		close(again);
	unlink(path);
	if (again < 0)
		skip_for(s, "an open file cannot be removed here");
}
