;; the greatest head can be asked for
;; load: ok
;; match "": need 16384
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.sub (i32.const 0) (i32.load offset=12 (local.get $info)))))
