;; fail ends the evaluation with an error
;; load: ok
;; match "": error
(module
  (import "dwaar_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "broken")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (call $fail (i32.const 0) (i32.const 6))
    (i32.const 1)))
