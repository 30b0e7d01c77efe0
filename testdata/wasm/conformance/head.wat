;; pointers are not 0 and aligned, 16 zeros follow the head; the result is its sum
;; load: ok
;; match "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11": yes 153
;; match "\x05": yes 5
;; match "a": yes 97
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (local $i i32) (local $sum i32)
    (if (i32.or (i32.eqz (local.get $head)) (i32.and (i32.or (local.get $head) (local.get $info)) (i32.const 15)))
      (then (return (i32.const 1000))))
    (if (i32.ne (i32.load (local.get $info)) (i32.const 128))
      (then (return (i32.const 1001))))
    (if (i64.ne (i64.const 0) (i64.or
          (i64.load (i32.add (local.get $head) (local.get $size)))
          (i64.load offset=8 (i32.add (local.get $head) (local.get $size)))))
      (then (return (i32.const 1002))))
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $size)))
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.add (local.get $head) (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $sum)))
