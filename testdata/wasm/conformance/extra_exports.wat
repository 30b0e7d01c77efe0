;; exports of other names are ignored, also those of a later version
;; load: ok
;; match "": yes 1
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "helper"))
  (func (export "dwaar_v2_match") (result i64) (i64.const 0))
  (global (export "g") (mut i32) (i32.const 0))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
