;; sixteen keys are kept, a seventeenth gives -2, one of the sixteen may be set again
;; load: ok
;; match "": no
(module
  (import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "abcdefghijklmnopq")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (local $i i32)
    (loop $next
      (if (call $set (local.get $i) (i32.const 1) (i32.const 0) (i32.const 0)) (then (return (i32.const 2))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
    (if (i32.ne (call $set (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const -2)) (then (return (i32.const 3))))
    (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))))
