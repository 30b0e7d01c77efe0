;; an import cannot be exported as one of the functions
;; load: refused
(module
  (import "wasi_snapshot_preview1" "args_get" (func $f (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (export "dwaar_v1_init" (func $f))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
