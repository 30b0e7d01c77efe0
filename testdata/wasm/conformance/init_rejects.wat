;; a call of reject refuses, also when init returns 0
;; load: refused
;; config: a
(module
  (import "dwaar_v1" "reject" (func $reject (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "no")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_init") (param i32 i32) (result i32)
    (call $reject (i32.const 0) (i32.const 0) (i32.const 2))
    (i32.const 0))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
