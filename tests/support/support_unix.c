/* SPDX-License-Identifier: MIT */
/* What support.h asks of the system, on Unix. */
#include "config.h"

#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#ifdef HAVE_VM
#include <sys/mman.h>
#endif
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/files.h"
#include "system/sys.h"

unsigned count_fds(void)
{
	return count_names("/proc/self/fd");
}

uint64_t allocated(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* An empty file beside the outputs, which has no name any more. */
static int probe_file(void)
{
	char path[300];
	int fd;

	probe_path(path, sizeof path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

int required_blocks(void)
{
	int fd = probe_file(), r = ob__sys_fallocate(fd, 0, 4096);

	close(fd);
	return r;
}

int required_mapping(void)
{
	int fd = probe_file(), r;

	/* Not ftruncate(2): 9p cannot do that to a file that was removed. */
	assert_int_equal(pwrite(fd, "", 1, 4095), 1);
#ifdef HAVE_VM
	{
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		r = p == MAP_FAILED ? -errno : munmap(p, 4096);
	}
#else
	r = -ENOTSUP;
#endif
	close(fd);
	return r;
}

int in_child(int drop, int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (drop && geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
			_exit(99);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
