;; after init table.set traps
;; load: ok
;; match "": error
(module
  (table $t 4 funcref)
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (table.set $t (i32.const 0) (ref.null func))
    (i32.const 1)))
