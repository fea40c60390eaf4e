! SPDX-License-Identifier: MIT
program main
  use sums
  implicit none
  real(8), allocatable :: x(:)
  character(len=:), allocatable :: text
  common /shared/ k
  integer :: k
  k = 5
  allocate(x(4), source=[1d0, 2d0, 3d0, 4d5])
  text = "total"
  print '(a,f12.2,2i4)', text, total(x), calls, k
end program main
