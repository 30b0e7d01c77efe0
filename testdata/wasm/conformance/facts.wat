;; set gives 0 for a key and -1 for what is none; the last value counts
;; load: ok
;; match "": yes 1 host="value"
(module
  (import "dwaar_v1" "set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "host")
  (data (i32.const 8) "Host")
  (data (i32.const 16) "code")
  (data (i32.const 24) "value")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (if (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)) (then (return (i32.const 2))))
    (if (i32.ne (call $set (i32.const 8) (i32.const 4) (i32.const 0) (i32.const 4)) (i32.const -1)) (then (return (i32.const 3))))
    (if (i32.ne (call $set (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 4)) (i32.const -1)) (then (return (i32.const 4))))
    (if (i32.ne (call $set (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const -1)) (then (return (i32.const 5))))
    (if (call $set (i32.const 0) (i32.const 4) (i32.const 24) (i32.const 5)) (then (return (i32.const 6))))
    (i32.const 1)))
