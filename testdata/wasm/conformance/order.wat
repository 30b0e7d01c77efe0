;; start section, _initialize, window, init, in this order, each once
;; load: ok
;; match "": yes 1234
(module
  (memory (export "memory") 1)
  (global $n (mut i32) (i32.const 0))
  (func $then (param i32) (global.set $n (i32.add (i32.mul (global.get $n) (i32.const 10)) (local.get 0))))
  (func $start (call $then (i32.const 1)))
  (start $start)
  (func (export "_initialize") (call $then (i32.const 2)))
  (func (export "dwaar_v1_window") (param i32) (result i32) (call $then (i32.const 3)) (i32.const 16384))
  (func (export "dwaar_v1_init") (param i32 i32) (result i32) (call $then (i32.const 4)) (i32.const 0))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (global.get $n)))
