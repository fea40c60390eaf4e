// SPDX-License-Identifier: MIT

// hello.go - one file written by two goroutines, a View each: go build hello.go
package main

// #cgo pkg-config: outbuf
// #include <outbuf.h>
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

func check(result C.int) error {
	if result < 0 {
		return syscall.Errno(-result)
	}
	return nil
}

// Writes data at an offset, by a View of its own. An error sticks to the output.
func writeAt(ob *C.struct_outbuf, offset uint64, data []byte) {
	var view C.struct_outbuf_view
	C.outbuf_view(ob, &view, C.uint64_t(offset), C.uint64_t(len(data)))
	C.outbuf_write(&view, unsafe.Pointer(&data[0]), C.size_t(len(data)))
	C.outbuf_view_end(&view)
}

func write(path string) error {
	var ob *C.struct_outbuf
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if err := check(C.outbuf_open(&ob, name, nil)); err != nil {
		return err
	}
	defer C.outbuf_close(ob)
	if err := check(C.outbuf_map(ob, 14)); err != nil {
		return err
	}
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); writeAt(ob, 7, []byte("world!\n")) }()
	go func() { defer both.Done(); writeAt(ob, 0, []byte("Hello, ")) }()
	both.Wait()
	return check(C.outbuf_commit(ob))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hello OUTPUT")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "hello: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
