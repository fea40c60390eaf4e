dnl SPDX-License-Identifier: MIT
dnl OUTBUF_WARNINGS
dnl
dnl Put the warnings this compiler knows into WARN_CFLAGS (for AM_CFLAGS; CFLAGS is the
dnl user's). Left out on purpose:
dnl   -Wconversion, -Wsign-conversion  offsets, pointers and sizes mix in every line here; the
dnl       casts they ask for would hide the few that matter
dnl   -Wpadded, -Wcast-align           x86 linkers write at odd addresses by trade
dnl   -Wmissing-field-initializers     { .size = ... } is how options are meant to be filled
AC_DEFUN([OUTBUF_WARNINGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [make warnings errors (for developers and CI)])],
    [], [enable_werror=no])
  WARN_CFLAGS=
  AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wpointer-arith dnl
    -Wcast-qual -Wwrite-strings -Wstrict-prototypes -Wold-style-definition dnl
    -Wmissing-prototypes -Wmissing-declarations -Wredundant-decls -Wnested-externs dnl
    -Wdate-time -Winit-self -Wswitch-enum -Wlogical-op -Wduplicated-cond dnl
    -Wduplicated-branches -Wimplicit-fallthrough -Wunused-macros dnl
    -Wno-missing-field-initializers], [WARN_CFLAGS], [-Werror])
  AS_IF([test "$enable_werror" = yes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
  AC_SUBST([WARN_CFLAGS])

  VISIBILITY_CFLAGS=
  AX_APPEND_COMPILE_FLAGS([-fvisibility=hidden], [VISIBILITY_CFLAGS], [-Werror])
  AC_SUBST([VISIBILITY_CFLAGS])
])
