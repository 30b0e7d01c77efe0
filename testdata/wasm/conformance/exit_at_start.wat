;; proc_exit before the first evaluation refuses
;; load: refused
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "_initialize") (call $exit (i32.const 0)))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
