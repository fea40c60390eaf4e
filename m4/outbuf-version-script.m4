dnl SPDX-License-Identifier: MIT
dnl OUTBUF_VERSION_SCRIPT
dnl
dnl Does the linker take a version script? Sets the conditional HAVE_VERSION_SCRIPT.
AC_DEFUN([OUTBUF_VERSION_SCRIPT], [
  AC_CACHE_CHECK([whether the linker takes a version script], [outbuf_cv_version_script], [
    outbuf_save_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.map"
    echo "conftest_1 { global: conftest_symbol; local: *; };" >conftest.map
    AC_LINK_IFELSE([AC_LANG_SOURCE([[int conftest_symbol(void); int conftest_symbol(void) { return 0; }]])],
      [outbuf_cv_version_script=yes], [outbuf_cv_version_script=no])
    rm -f conftest.map
    LDFLAGS=$outbuf_save_LDFLAGS
  ])
  have_version_script=$outbuf_cv_version_script
  AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test $have_version_script = yes])
])
