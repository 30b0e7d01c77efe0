;; at least one matcher is required
;; load: refused
(module
  (memory (export "memory") 1)
  (func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 16384))
)
