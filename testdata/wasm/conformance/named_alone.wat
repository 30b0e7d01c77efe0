;; a module may have no default matcher, and a matcher of a name no init
;; load: ok
;; matcher: a_name_of_32_letters_and_digits_
;; match "": yes 9
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
  (func (export "dwaar_v1_match_a_name_of_32_letters_and_digits_") (param i32 i32 i32) (result i32) (i32.const 9)))
