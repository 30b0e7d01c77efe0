;; what init left is there in every evaluation
;; load: ok
;; match "": yes 6
;; match "": yes 6
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_init") (param i32 i32) (result i32)
    (i32.store (i32.const 60000) (i32.const 5))
    (i32.const 0))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.store (i32.const 60000) (i32.add (i32.load (i32.const 60000)) (i32.const 1)))
    (i32.load (i32.const 60000))))
