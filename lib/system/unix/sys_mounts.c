/* SPDX-License-Identifier: MIT */
/*
 * What a file system is called, where its number says something else.
 *
 * 9p answers statfs(2) with what its server answered: the number of ext4, if the server's files are on ext4. But a file
 * system that has no disk of its own has a device number with major 0, and ext4 never has that. Then
 * /proc/self/mountinfo tells the name. Cost: 50 us for 20 mounts, only where the numbers contradict each other.
 */
#include "config.h"

#include "system/sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#endif

#include "system/unix/sys_table.h"
#include "system/unix/sys_unix.h"

#ifdef __linux__

/* Is this line of mountinfo (proc(5)) about the device? If so: what follows " - ", the type, the source and options. */
static const char *read_line(const char *line, dev_t device)
{
	unsigned major_number, minor_number;
	const char *type = strstr(line, " - "); /* blanks in paths are written as \040 */

	if (type == NULL || sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) != 2 ||
	    makedev(major_number, minor_number) != device)
		return NULL;
	return type + 3;
}

/* What mountinfo says of the device behind " - ", at most n - 1 bytes. 1; 0 if it says nothing. */
static int find_mount(dev_t device, char *said, size_t n)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	const char *found = NULL;
	char *line = NULL;
	size_t room = 0;

	if (mounts == NULL)
		return 0;
	while (found == NULL && getline(&line, &room, mounts) > 0)
		found = read_line(line, device);
	if (found != NULL)
		snprintf(said, n, "%.*s", (int)strcspn(found, "\n"), found);
	free(line);
	fclose(mounts);
	return found != NULL;
}

int ob__sys_diskless_fs(int fd, char name[SYS_FS_NAME])
{
	char said[SYS_FS_NAME];
	struct stat st;

	if (ob__sys_table.fstat(fd, &st) < 0)
		return -errno;
	if (major(st.st_dev) != 0)
		return 0;
	*name = '\0';
	if (find_mount(st.st_dev, said, sizeof said))
		snprintf(name, SYS_FS_NAME, "%.*s", (int)strcspn(said, " "), said);
	return 1;
}

int ob__sys_has_mount_option(int fd, const char *option)
{
	char said[1000], *one, *rest = NULL;
	struct stat st;

	if (ob__sys_table.fstat(fd, &st) < 0 || !find_mount(st.st_dev, said, sizeof said))
		return 0;
	/* Type and source are no options. */
	for (one = strtok_r(said, " ,", &rest); one != NULL; one = strtok_r(NULL, " ,", &rest))
		if (strcmp(one, option) == 0)
			return 1;
	return 0;
}

#else

int ob__sys_diskless_fs(int fd, char name[SYS_FS_NAME])
{
	(void)fd;
	(void)name;
	return 0;
}

int ob__sys_has_mount_option(int fd, const char *option)
{
	(void)fd, (void)option;
	return 0;
}

#endif
