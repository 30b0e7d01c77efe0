;; a value of 1,024 bytes is kept, a longer one gives -2
;; load: ok
;; match "": no
(module
  (import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "host")
  (data (i32.const 8) "Host")
  (data (i32.const 16) "code")
  (data (i32.const 24) "value")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (if (i32.ne (call $set (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 1025)) (i32.const -2)) (then (return (i32.const 2))))
    (call $set (i32.const 0) (i32.const 4) (i32.const 32) (i32.const 1024))))
