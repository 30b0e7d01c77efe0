;; init gets the token block of the specification's example, zeros behind it
;; load: ok
;; config: host a.org { version 47 760 }
;; match "": yes 1
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "\01\00\04\00\68\6f\73\74\00\01\00\05\00\61\2e\6f\72\67\00\02\00\00\00\00\01\00\07\00\76\65\72\73\69\6f\6e\00\01\00\02\00\34\37\00\01\00\03\00\37\36\30\00\04\00\00\00\00\03\00\00\00\00\00\00\00\00\00")
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_init") (param $config i32) (param $size i32) (result i32)
    (local $i i32) (local $bad i32)
    (local.set $bad (i32.xor (local.get $size) (i32.const 66)))
    (loop $next
      (local.set $bad (i32.or (local.get $bad) (i32.xor
        (i32.load8_u (i32.add (local.get $config) (local.get $i)))
        (i32.load8_u (local.get $i)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 82))))
    (local.get $bad))
  (func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32)
    (i32.const 1)))
