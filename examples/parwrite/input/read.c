/* SPDX-License-Identifier: MIT */
/*
 * read.c - from paths to objects, on all threads
 *
 * First each path is a task, which maps the file and, if it is an archive, lists its members. Then one thread makes one
 * list of all objects found, in the order of the command line. Then each object is a task, which reads its headers
 * (object.c). So the order of the objects does not depend on which task ends first. Neither does the message after
 * errors: if several tasks fail, the error of the one with the lowest number is reported.
 */
#include "config.h"

#include "input/read.h"

#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input/image.h"
#include "input/machine.h"
#include "input/select.h"
#include "report/report.h"
#include "workqueue.h"

/* The contents of one path of the command line. Written by its task, read by one thread afterwards. */
struct source {
	const struct input *file;
	struct arena *arena;     /* points to inputs.arena */
	struct image *images;    /* the file, and the files of a thin archive's members */
	struct object *objects;  /* in an allocated array of `capacity` elements */
	size_t n_objects, capacity;
	struct error *error; /* the task's own, valid while it runs */
};

/* The argument of all tasks. Constant while they run, except for what the pointers lead to. */
struct reading {
	struct inputs *in;
	struct source *sources; /* one for each path */
	struct error *error;    /* any task; the lowest task number wins */
};

/* Add an object to the source: the file itself, or a member of an archive if `member` is not NULL. Returns 0 or -1. */
static int add_object(struct source *s, const char *member, const unsigned char *data, size_t size)
{
	struct object *objects = grow(s->error, s->objects, s->n_objects, &s->capacity, sizeof *objects);
	struct object *o;
	size_t length = strlen(s->file->path) + (member ? strlen(member) + 2 : 0) + 1;

	if (!objects)
		return -1;
	s->objects = objects;
	o = &objects[s->n_objects];
	memset(o, 0, sizeof *o);
	o->arena = s->arena;
	o->name = arena_allocate(s->arena, s->error, length, 1);
	if (!o->name)
		return -1;
	snprintf(o->name, length, member ? "%s(%s)" : "%s", s->file->path, member);
	o->image = data;
	o->size = size;
	o->lazy = member && s->file->lazy;
	s->n_objects++;
	return 0;
}

static int add_member(void *arg, const char *name, const unsigned char *data, size_t size)
{
	return add_object(arg, name, data, size);
}

static int read_source(struct source *s)
{
	struct image *image = image_open(&s->images, s->file->path, s->error);

	if (!image)
		return -1;
	if (image_is_archive(image))
		return archive_walk(&s->images, image, add_member, s, s->error);
	return add_object(s, NULL, image->data, image->size);
}

static int source_task(void *arg, size_t i)
{
	struct reading *r = arg;
	struct error task_error = ERROR_INIT;
	int failed;

	r->sources[i].error = &task_error;
	failed = read_source(&r->sources[i]);
	if (failed)
		error_move(r->error, i, &task_error);
	error_free(&task_error);
	return failed;
}

static int object_task(void *arg, size_t i)
{
	struct reading *r = arg;
	struct object *o = &r->in->objects[i];
	struct error task_error = ERROR_INIT;
	int failed;

	if (o->size < SELFMAG || memcmp(o->image, ELFMAG, SELFMAG) != 0)
		failed = fail(&task_error, o->name, "%s", image_problem(o->image, o->size));
	else
		failed = object_read(o, &r->in->leave_out, &task_error);
	if (failed)
		error_move(r->error, i, &task_error);
	error_free(&task_error);
	return failed;
}

/*
 * Move the objects and images of the n sources to r->in, in the order of the sources. Called after an error, too, so
 * that inputs_free() finds them. Returns 0, or -1: out of memory.
 */
static int collect_objects(struct reading *r, size_t n)
{
	struct inputs *in = r->in;
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += r->sources[i].n_objects;
	in->objects = arena_allocate(&in->arena, r->error, total, sizeof *in->objects);
	for (size_t i = 0; i < n; i++) {
		struct source *s = &r->sources[i];
		struct image **end = &s->images;

		for (size_t j = 0; j < s->n_objects && in->objects; j++)
			in->objects[in->n_objects++] = s->objects[j];
		free(s->objects);
		while (*end)
			end = &(*end)->next;
		*end = in->images;
		in->images = s->images;
	}
	return in->objects ? 0 : -1;
}

/*
 * Make the output's format of all objects' formats, beginning with the first object's. Returns 0, or -1 with a
 * message if two objects cannot be in one output.
 */
static int merge_formats(struct inputs *in, struct error *error)
{
	const struct object *first = &in->objects[0];
	struct format *f = &in->format;

	*f = first->format;
	for (size_t i = 1; i < in->n_objects; i++) {
		const struct object *o = &in->objects[i];
		char machine[24], other[24];

		if (o->format.wide != f->wide || o->format.big != f->big || o->format.machine != f->machine)
			return fail(error, o->name,
			            "a %d-bit %s-endian object for %s; %.1000s is %d-bit %s-endian, for %s",
			            o->format.wide ? 64 : 32, o->format.big ? "big" : "little",
			            machine_name(o->format.machine, machine), first->name, f->wide ? 64 : 32,
			            f->big ? "big" : "little", machine_name(f->machine, other));
		/* The OS ABI says which extensions an object may use. Objects with ELFOSABI_NONE fit all of them. */
		if (o->format.osabi != f->osabi && o->format.osabi != ELFOSABI_NONE && f->osabi != ELFOSABI_NONE)
			return fail(error, o->name, "for OS ABI %u, objects from %.1000s on are for %u",
			            (unsigned)o->format.osabi, first->name, (unsigned)f->osabi);
		if (o->format.abi_version != f->abi_version)
			return fail(error, o->name, "of ABI version %u; %.1000s is of %u",
			            (unsigned)o->format.abi_version, first->name, (unsigned)f->abi_version);
		if (f->osabi == ELFOSABI_NONE)
			f->osabi = o->format.osabi;
		if (format_merge_flags(f, o->format.flags))
			return fail(error, o->name,
			            "made for another ABI than %.1000s: its header's flags are 0x%x, not 0x%x",
			            first->name, (unsigned)o->format.flags, (unsigned)f->flags);
	}
	return 0;
}

int inputs_read(struct inputs *in, const struct input *files, size_t n, const struct leave_out *leave_out,
                struct workqueue *queue, struct error *error)
{
	struct reading r = { .in = in, .error = error };
	int failed;

	in->leave_out = *leave_out;
	elf_version(EV_CURRENT); /* tells libelf which version of its header parwrite was compiled with */
	r.sources = allocate(error, n, sizeof *r.sources);
	if (!r.sources)
		return -1;
	for (size_t i = 0; i < n; i++)
		r.sources[i] = (struct source){ .file = &files[i], .arena = &in->arena };
	failed = workqueue_run(queue, n, source_task, &r) != 0;
	failed |= collect_objects(&r, n) != 0;
	free(r.sources);
	if (failed)
		return -1;
	if (in->n_objects == 0)
		return fail(error, files[0].path, "no objects in the input files");
	if (workqueue_run(queue, in->n_objects, object_task, &r) ||
	    select_members(in, queue, error) || merge_formats(in, error))
		return -1;
	return leave_out->locals || leave_out->temporary ? select_needed(in, queue, error) : 0;
}

void inputs_free(struct inputs *in)
{
	for (size_t i = 0; i < in->n_objects; i++)
		object_free(&in->objects[i]);
	arena_free(&in->arena);
	images_free(in->images);
}
