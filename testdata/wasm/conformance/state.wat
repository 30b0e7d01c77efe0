;; memory and globals are put back after each evaluation: the count is always 1
;; load: ok
;; match "": yes 1
;; match "": yes 1
;; match "a": yes 1
(module
  (memory (export "memory") 1)
  (global $n (mut i32) (i32.const 0))
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.store (i32.const 60000) (i32.add (i32.load (i32.const 60000)) (i32.const 1)))
    (i32.mul (global.get $n) (i32.load (i32.const 60000)))))
