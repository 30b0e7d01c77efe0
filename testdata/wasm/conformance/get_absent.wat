;; a fact that nobody supplied is -1
;; load: ok
;; match "": yes 1
(module
  (import "dwaar_v1" "get" (func $get (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "nobody.knows")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.eq (call $get (i32.const 0) (i32.const 12) (i32.const 64) (i32.const 64)) (i32.const -1))))
