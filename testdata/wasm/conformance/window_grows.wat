;; the memory may grow to make room for the window
;; load: ok
;; match "": yes 1
(module
  (memory (export "memory") 0)
  (func (export "dwaar_v1_window") (param $size i32) (result i32)
    (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 2))))
    (i32.const 65536))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
