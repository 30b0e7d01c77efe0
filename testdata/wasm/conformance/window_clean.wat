;; nothing of an earlier head can be read: behind the head are zeros as far as the window goes
;; load: ok
;; match "secret secret secret": yes 1
;; match "": yes 1
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (local $p i32) (local $sum i32)
    (local.set $p (i32.add (local.get $head) (local.get $size)))
    (loop $next
      (local.set $sum (i32.or (local.get $sum) (i32.load8_u (local.get $p))))
      (br_if $next (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 33920))))
    (i32.add (local.get $sum) (i32.const 1))))
