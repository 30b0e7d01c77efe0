;; a mutable global that cannot be restored
;; load: refused
(module
  (memory (export "memory") 1)
  (global (mut funcref) (ref.null func))
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
