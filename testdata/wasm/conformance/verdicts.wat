;; the first byte of the head is the result, as a signed byte; on an empty head -1
;; load: ok
;; match "": need 1
;; match "\x00": no
;; match "\x01": yes 1
;; match "\x7f": yes 127
;; match "\xfb": need 5
;; match "\xff": need 2
;; match "\xff\x00\x00": need 4
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (if (result i32) (i32.eqz (local.get $size))
      (then (i32.const -1))
      (else (i32.load8_s (local.get $head))))))
