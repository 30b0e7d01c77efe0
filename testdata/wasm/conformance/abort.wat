;; abort, which asc imports, is an error; its strings are UTF-16 with their length before them
;; load: ok
;; match "": error
(module
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\04\00\00\00n\00o\00")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (call $abort (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 2))
    (i32.const 1)))
