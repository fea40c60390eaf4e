/* SPDX-License-Identifier: MIT */
/*
 * Loop devices and mounts, by system calls: losetup(8) and mount(8) would take longer than the test, which mounts some
 * hundred times. A device frees itself when the file system on it is unmounted (LO_FLAGS_AUTOCLEAR), and the mounts are
 * in a namespace of this process. So nothing is left, however it ends.
 */
#include "config.h"

#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

/* The device that is mounted. One at a time. */
static char device[40];

int mounts_private(void)
{
	return unshare(CLONE_NEWNS) < 0 ? -1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* Put the file below a free device, whose path is in `device` then. An open descriptor of it, or a negative errno. */
static int attach(const char *disk)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int backing = open(disk, O_RDWR | O_CLOEXEC), control, fd = -1, number, try, r = -EBUSY;

	if (backing < 0)
		return -errno;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0) {
		r = -errno;
		close(backing);
		return r;
	}
	config.fd = (uint32_t)backing;
	/* Others take devices as well: then the one that was free is not any more. */
	for (try = 0; try < 100 && r == -EBUSY; try++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(device, sizeof device, "/dev/loop%d", number);
		fd = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
		/* Its node may come a moment later. */
		if (r == -ENOENT)
			r = -EBUSY;
		if (r == 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
			r = -errno;
			close(fd);
		}
		if (r == -EBUSY)
			usleep(10000);
	}
	close(control);
	close(backing);
	return r < 0 ? r : fd;
}

/* btrfs remembers the devices that it has seen, and would take the next one of the same name for the old one. */
static void forget_device(void)
{
	struct {
		int64_t fd;
		char name[4088];
	} arguments = { 0 };
	int fd = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	memcpy(arguments.name, device, sizeof device);
	ioctl(fd, _IOW(0x94, 5, arguments), &arguments); /* BTRFS_IOC_FORGET_DEV */
	close(fd);
}

int mounts_mount(const char *disk, const char *dir, const char *type, const char *options)
{
	int fd = attach(disk);
	int r = fd < 0 ? fd : mount(device, dir, type, MS_NOATIME, options) < 0 ? -errno : 0;

	/* The mount holds the device now. Without one it is freed here. */
	if (fd >= 0)
		close(fd);
	return r;
}

int mounts_unmount(const char *dir, const char *type)
{
	int try, r = -EBUSY;

	for (try = 0; try < 200 && r == -EBUSY; try++) {
		r = umount2(dir, 0) < 0 ? -errno : 0;
		if (r == -EBUSY)
			usleep(10000);
	}
	if (strcmp(type, "btrfs") == 0)
		forget_device();
	return r;
}

void mounts_detach(const char *dir)
{
	umount2(dir, MNT_DETACH);
}
