// SPDX-License-Identifier: MIT
// hello.rs - one file written by two threads of Rust, a View each: rustc hello.rs -l outbuf
//
// Declarations by hand, as bindgen would make them. What is inline in C is exported under the same name. A View is a value
// that belongs to one thread; here a wrapper's lifetime says that it must end before its output does.
use std::ffi::CString;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::{env, io, process, ptr, thread};

#[repr(C)]
struct OutbufView {
    pointers: [*mut u8; 5],
    offset: u64,
    begin: u64,
    end: u64,
    high: u64,
    block: *mut c_void,
    ob: *mut c_void,
    error: i32,
    swap: u8,
    flags: u8,
    place: u16,
}

#[link(name = "outbuf")]
extern "C" {
    fn outbuf_open(ob: *mut *mut c_void, path: *const c_char, options: *const c_void) -> c_int;
    fn outbuf_map(ob: *mut c_void, size: u64) -> c_int;
    fn outbuf_view(ob: *mut c_void, v: *mut OutbufView, offset: u64, length: u64) -> c_int;
    fn outbuf_write(v: *mut OutbufView, data: *const c_void, n: usize) -> c_int;
    fn outbuf_view_end(v: *mut OutbufView) -> c_int;
    fn outbuf_commit(ob: *mut c_void) -> c_int;
    fn outbuf_close(ob: *mut c_void) -> c_int;
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

struct Output(*mut c_void);
unsafe impl Sync for Output {} // views may be opened by any thread

impl Output {
    fn open(path: &std::ffi::OsStr) -> io::Result<Output> {
        let path = CString::new(path.as_bytes())?;
        let mut ob = ptr::null_mut();
        check(unsafe { outbuf_open(&mut ob, path.as_ptr(), ptr::null()) })?;
        Ok(Output(ob))
    }
    fn map(&mut self, size: u64) -> io::Result<()> {
        check(unsafe { outbuf_map(self.0, size) })
    }
    fn view(&self, offset: u64, length: u64) -> View<'_> {
        let mut view = View { v: unsafe { std::mem::zeroed() }, output: PhantomData };
        unsafe { outbuf_view(self.0, &mut view.v, offset, length) }; // an error sticks
        view
    }
    fn commit(mut self) -> io::Result<()> {
        check(unsafe { outbuf_commit(self.0) })?;
        self.close();
        Ok(())
    }
    fn close(&mut self) {
        unsafe { outbuf_close(self.0) };
        self.0 = ptr::null_mut();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.close();
    }
}

struct View<'a> {
    v: OutbufView,
    output: PhantomData<&'a Output>,
}

impl View<'_> {
    fn write(&mut self, data: &[u8]) {
        unsafe { outbuf_write(&mut self.v, data.as_ptr().cast(), data.len()) }; // an error sticks
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        unsafe { outbuf_view_end(&mut self.v) };
    }
}

fn write(path: &std::ffi::OsStr) -> io::Result<()> {
    let mut out = Output::open(path)?;
    out.map(14)?;
    thread::scope(|s| {
        s.spawn(|| out.view(7, 7).write(b"world!\n"));
        out.view(0, 7).write(b"Hello, ");
    });
    out.commit()
}

fn main() {
    let path = env::args_os().nth(1).unwrap_or_else(|| {
        eprintln!("usage: hello OUTPUT");
        process::exit(2)
    });
    if let Err(error) = write(&path) {
        eprintln!("hello: {}: {}", path.to_string_lossy(), error);
        process::exit(1);
    }
}
