;; an init without its matcher is an error
;; load: refused
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1))
  (func (export "dwaar_v1_init_login") (param i32 i32) (result i32) (i32.const 0)))
