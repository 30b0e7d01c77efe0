;; a recursion without end runs out of stack slots or fuel
;; load: ok
;; match "": error
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func $f (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (call $f (i32.const 1))))
