-- The bodies of the function that all triggers call, and of the one for applications.
SELECT (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure('mover.guard_admit(text, text, text[])')) AS admit,
       (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure('mover.require_here(text, text)')) AS require_here
