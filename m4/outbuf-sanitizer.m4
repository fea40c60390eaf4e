dnl SPDX-License-Identifier: MIT
dnl OUTBUF_SANITIZER
dnl
dnl --with-sanitizer=LIST: build everything with -fsanitize=LIST. Fails loudly when the
dnl compiler cannot link and run such a program: a sanitizer run that silently is none
dnl would be worse than no run. Flags go to CFLAGS and LDFLAGS, as libtool drops
dnl unknown ones elsewhere and the feature checks have to see them. Sets the conditional
dnl WITH_TSAN.
AC_DEFUN([OUTBUF_SANITIZER], [
  AC_ARG_WITH([sanitizer],
    [AS_HELP_STRING([--with-sanitizer=LIST],
      [build with -fsanitize=LIST: thread, or address,undefined])],
    [], [with_sanitizer=no])
  AS_IF([test "$with_sanitizer" != no], [
    AS_IF([test "$with_sanitizer" = yes],
      [AC_MSG_ERROR([--with-sanitizer needs a list: thread, or address,undefined])])
    sanitizer_flags="-fsanitize=$with_sanitizer -fno-omit-frame-pointer -fno-sanitize-recover=all"
    CFLAGS="$CFLAGS $sanitizer_flags"
    LDFLAGS="$LDFLAGS -fsanitize=$with_sanitizer"
    AC_MSG_CHECKING([whether a program with -fsanitize=$with_sanitizer runs])
    AC_RUN_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$CC cannot build and run programs with -fsanitize=$with_sanitizer])],
      [AC_MSG_RESULT([cross compiling, not tried])])
  ])
  AM_CONDITIONAL([WITH_TSAN], [test "$with_sanitizer" = thread])
])
