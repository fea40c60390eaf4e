/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "support/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/sysmacros.h>
#endif

#ifdef _WIN32
#include "support/port_windows.h"
#endif

int put_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int failed;

	if (fd < 0)
		return -1;
	/* An empty input may come as NULL. */
	failed = size > 0 && write(fd, data, size) != (ssize_t)size;
	return close(fd) < 0 || failed ? -1 : 0;
}

int same_file(const char *path, const void *data, size_t size)
{
	unsigned char block[65536];
	size_t at = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((got = read(fd, block, sizeof block)) > 0) {
		if ((size_t)got > size - at ||
		    memcmp(block, (const unsigned char *)data + at, (size_t)got) != 0)
			break;
		at += (size_t)got;
	}
	close(fd);
	return got == 0 && at == size ? 0 : -1;
}

unsigned count_names(const char *dir)
{
	struct dirent *entry;
	unsigned n = 0;
	DIR *d = opendir(dir);

	if (d == NULL)
		return 0;
	/* FUSE and NFS keep an unlinked file under such a name until its last close has got there. */
	while ((entry = readdir(d)) != NULL)
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		     strncmp(entry->d_name, ".fuse_hidden", 12) != 0 &&
		     strncmp(entry->d_name, ".nfs", 4) != 0;
	closedir(d);
	return n;
}

unsigned count_beside(const char *path)
{
	char dir[1024];

	snprintf(dir, sizeof dir, "%s", path);
	if (strrchr(dir, '/') == NULL)
		return 0;
	*strrchr(dir, '/') = '\0';
	return count_names(dir);
}

const char *file_system_of(const char *dir)
{
	static char name[40];

	*name = '\0';
#ifdef __linux__
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	struct stat st;
	unsigned a, b;

	if (mounts == NULL || stat(dir, &st) < 0)
		memset(&st, 0, sizeof st);
	/* The fields are told in proc(5). btrfs has other numbers there: no matter, its name is not asked for. */
	while (mounts != NULL && fgets(line, sizeof line, mounts) != NULL) {
		const char *type = strstr(line, " - ");

		if (type != NULL && sscanf(line, "%*d %*d %u:%u", &a, &b) == 2 && makedev(a, b) == st.st_dev)
			snprintf(name, sizeof name, "%.*s", (int)strcspn(type + 3, " "), type + 3);
	}
	if (mounts != NULL)
		fclose(mounts);
#else
	(void)dir;
#endif
	return name;
}
