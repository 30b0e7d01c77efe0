;; the info block of a TCP connection from 192.0.2.1:51820 to 198.51.100.1:443, listener :443
;; load: ok
;; match "": yes 1
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (local $listener i32)
    (if (i32.ne (i32.load offset=4 (local.get $info)) (i32.const 0)) (then (return (i32.const 2))))
    (if (i32.ne (i32.load offset=8 (local.get $info)) (i32.const 0x040401)) (then (return (i32.const 3))))
    (if (i64.ne (i64.load offset=24 (local.get $info)) (i64.const 0x010200c0ffff0000)) (then (return (i32.const 4))))
    (if (i32.ne (i32.load offset=48 (local.get $info)) (i32.const 0x01bbca6c)) (then (return (i32.const 5))))
    (local.set $listener (i32.load offset=52 (local.get $info)))
    (if (i32.ne (i32.load offset=56 (local.get $info)) (i32.const 4)) (then (return (i32.const 6))))
    (if (i32.ne (i32.load (local.get $listener)) (i32.const 0x3334343a)) (then (return (i32.const 7))))
    (if (i32.eqz (i32.load offset=60 (local.get $info))) (then (return (i32.const 8))))
    (if (i32.eqz (i32.load offset=88 (local.get $info))) (then (return (i32.const 9))))
    (if (i32.load offset=92 (local.get $info)) (then (return (i32.const 10))))
    (if (i64.ne (i64.load offset=96 (local.get $info)) (i64.const 0)) (then (return (i32.const 11))))
    (i32.const 1)))
