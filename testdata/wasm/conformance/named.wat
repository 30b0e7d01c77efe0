;; the matcher of a name has an init and a match of its own
;; load: ok
;; matcher: login
;; config: a
;; match "": yes 2
;; match "x": yes 2
(module
  (memory (export "memory") 1)
  (global $who (mut i32) (i32.const 0))
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_init") (param i32 i32) (result i32) (i32.const 1))
  (func (export "dwaar_v1_match") (param i32 i32 i32) (result i32) (unreachable))
  (func (export "dwaar_v1_init_login") (param i32 i32) (result i32) (global.set $who (i32.const 2)) (i32.const 0))
  (func (export "dwaar_v1_match_login") (param i32 i32 i32) (result i32) (global.get $who))
  (func (export "dwaar_v1_match_other") (param i32 i32 i32) (result i32) (i32.const 3)))
