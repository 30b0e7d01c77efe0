;; a trap is an error; other evaluations do not notice
;; load: ok
;; match "a": error
;; match "": need 1
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (if (local.get $size) (then (unreachable)))
    (i32.const -1)))
