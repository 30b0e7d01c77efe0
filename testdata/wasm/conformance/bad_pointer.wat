;; a pointer outside of the memory traps before anything happens
;; load: ok
;; match "": error
(module
  (import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "host")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (call $set (i32.const 0) (i32.const 4) (i32.const 65535) (i32.const 2))))
