;; during init get gives -1 and set -2
;; load: ok
;; match "": yes 1
(module
  (import "dwaar_v1" "get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "conn.remote_addr")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_init") (param i32 i32) (result i32)
    (i32.or
      (i32.xor (call $get (i32.const 0) (i32.const 16) (i32.const 64) (i32.const 64)) (i32.const -1))
      (i32.xor (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)) (i32.const -2))))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
