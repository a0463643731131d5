-- The body of the function that all triggers call.
SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure('mover.guard_admit(text, text, text[])')
