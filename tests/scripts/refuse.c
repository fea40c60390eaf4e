/* SPDX-License-Identifier: MIT */
/*
 * Run a program for which some system calls are refused, as a sandbox does it (seccomp(2)).
 *
 *     refuse ERRNO CALL[,CALL]... PROGRAM [ARGUMENT]...
 *
 * ERRNO is EPERM, EACCES or ENOSYS. Status 77: there are no such filters here.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	{ "linkat", SYS_linkat },       { "fallocate", SYS_fallocate }, { "flock", SYS_flock },
	{ "renameat2", SYS_renameat2 }, { "ftruncate", SYS_ftruncate }, { "copy_file_range", SYS_copy_file_range },
#ifdef SYS_renameat /* newer machines have renameat2(2) alone */
	{ "renameat", SYS_renameat },
#endif
#ifdef SYS_statx
	{ "statx", SYS_statx },
#endif
};

static const struct {
	const char *name;
	unsigned number;
} errors[] = { { "EPERM", EPERM }, { "EACCES", EACCES }, { "ENOSYS", ENOSYS } };

#define N(array) (sizeof array / sizeof *array)

/* Refuse this call from now on, besides what is refused already. 0, -1, or 77. */
static int refuse(const char *call, unsigned error)
{
	size_t i = 0;

	while (i < N(calls) && strcmp(calls[i].name, call) != 0)
		i++;
	if (i == N(calls))
		return -1;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = N(code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0 ? 77 : 0;
}

int main(int argc, char **argv)
{
	size_t i = 0;
	char *call;
	int r;

	while (argc > 3 && i < N(errors) && strcmp(errors[i].name, argv[1]) != 0)
		i++;
	if (argc <= 3 || i == N(errors)) {
		fprintf(stderr, "usage: %s EPERM|EACCES|ENOSYS CALL[,CALL]... PROGRAM [ARGUMENT]...\n", argv[0]);
		return 2;
	}
	for (call = strtok(argv[2], ","); call != NULL; call = strtok(NULL, ",")) {
		r = refuse(call, errors[i].number);
		if (r != 0) {
			fprintf(stderr, "%s: %s: %s\n", argv[0], call, r == 77 ? strerror(errno) : "no such call here");
			return r == 77 ? 77 : 2;
		}
	}
	execvp(argv[3], argv + 3);
	fprintf(stderr, "%s: %s: %s\n", argv[0], argv[3], strerror(errno));
	return 1;
}

#else

int main(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "%s: not on this system\n", argv[0]);
	return 77;
}

#endif
