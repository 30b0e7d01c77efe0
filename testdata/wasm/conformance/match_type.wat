;; exports have exactly their types
;; load: refused
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param i32 i32) (result i32) (i32.const 1)))
